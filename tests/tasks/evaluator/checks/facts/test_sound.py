"""Files that were changed are looked at in a workspace, all by one command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.facts.sound import SoundFiles, answers_in, chunks
from tests.support.workspaces import local_workspace

TASK = "Write prog.py and data.json."


async def checked(
    tmp_path: Path,
    files: dict[str, str],
    before: dict[str, str] | None = None,
    kind: type[SoundFiles] = SoundFiles,
) -> tuple[list[CheckResult], list[e.Event]]:
    root = tmp_path / "work"
    root.mkdir()
    workspace = local_workspace(root, tmp_path / "outputs")
    for path, text in (before or {}).items():
        (root / path).write_text(text, encoding="utf-8")
    start = await workspace.snapshot()
    for path, text in files.items():
        (root / path).write_text(text, encoding="utf-8")
    events: list[e.Event] = []
    runner = CheckRunner("t", events.append, Redactor(["sesame-sesame"]), workspace)
    work = Work(1, start, await workspace.snapshot(), runner)
    found = await kind(TASK, 30.0).run(work)
    return list(found), events


async def test_all_unsound_files_are_told_at_once(tmp_path: Path) -> None:
    odd = "it's a \udcff \n; touch gone.py"
    files = {
        "prog.py": "def f(:\n",
        "data.json": "{",
        odd: "(",
        "ok.py": "x = 1\n",
        "empty.py": "",
        "old.py": "(",
    }
    (found,), events = await checked(tmp_path, files, {"old.py": "\n\n("})
    assert (found.kind, found.passed, found.binding, found.ran) == ("sound", False, True, False)
    assert found.told.startswith("Files are not sound:\n")
    assert "prog.py, line 1: " in found.told
    assert "(not valid Python)" in found.told
    assert '"it\'s a \\377 \\n; touch gone.py", line 1' in found.told
    assert "data.json, line 1" in found.told
    assert "empty.py: the file is empty" in found.told
    assert "old.py" not in found.told, "it was so before"
    assert "ok.py" not in found.told
    assert [type(event).__name__ for event in events] == ["CheckStarted", "CheckFinished"]
    assert not (tmp_path / "work/gone.py").exists()


async def test_what_is_sound_is_evidence(tmp_path: Path) -> None:
    (found,), _ = await checked(tmp_path, {"prog.py": "x = 1\n", "data.json": "{}", "notes.txt": "-"})
    assert (found.passed, found.told) == (True, "")
    assert found.tail == "2 files are sound in their form: data.json (JSON), prog.py (Python)"


async def test_a_file_that_cannot_be_read_in_time_says_nothing_of_the_others(tmp_path: Path) -> None:
    files = {"a.toml": "a." * 900_000 + "a = 1", "prog.py": "def f(:\n"}
    (found,), events = await checked(tmp_path, files)
    assert found.told.startswith("A file is not sound:\nprog.py, line 1: ")
    assert [event.text for event in events if isinstance(event, e.Notice)] == [
        "What cannot be read in time was not looked at in its form: a.toml."
    ]


class Falling(SoundFiles):
    """The program that looks at files does not come to its end with one of them."""

    async def _answers(
        self, work: Work, files: Sequence[Any], timeout: float, quick: bool
    ) -> list[Any] | None:
        hangs = any(path == "c.json" for _, path, _ in files)
        return None if hangs else await super()._answers(work, files, timeout, quick)


class Newer(SoundFiles):
    """The work's own Python takes what ours does not."""

    async def _answers(
        self, work: Work, files: Sequence[Any], timeout: float, quick: bool
    ) -> list[Any] | None:
        found = await super()._answers(work, files, timeout, quick)
        return found if quick or found is None else [None for _ in found]


async def test_what_our_python_does_not_take_the_works_own_is_asked(tmp_path: Path) -> None:
    (found,), _ = await checked(tmp_path, {"prog.py": "def f(:\n", "ok.py": "x = 1\n"}, kind=Newer)
    assert (found.passed, found.tail) == (
        True,
        "2 files are sound in their form: ok.py (Python), prog.py (Python)",
    )


async def test_after_a_fall_each_file_is_looked_at_alone(tmp_path: Path) -> None:
    files = {"c.json": "{}", "prog.py": "def f(:\n"}
    (found,), events = await checked(tmp_path, files, kind=Falling)
    assert "prog.py, line 1" in found.told
    assert [event.text for event in events if isinstance(event, e.Notice)] == [
        "What cannot be read in time was not looked at in its form: c.json."
    ]


async def test_where_there_is_nothing_to_look_at_nothing_runs(tmp_path: Path) -> None:
    assert await checked(tmp_path, {"notes.txt": "-"}, {"a.py": "("}) == ([], [])


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("sound\nwrong 3 c3a420\n", [None, [3, "ä "]]),
        ("bash: a warning\nunknown\nunread\n", [False, "unread"]),
        ("sound\n", None),
        ("", None),
        ("sound\nwrong 3 xy\n", None),
        ("sound\nwrong 9999999999 61\n", None),
        ("sound\nsound\nmore\n", None),
    ],
)
def test_what_the_program_says(output: str, found: list[Any] | None) -> None:
    assert answers_in(output, 2) == found


def test_long_lists_go_in_pieces() -> None:
    files = [("Python" if n else "JSON", f"{n}.py", f"{n}") for n in range(10)]
    pieces = list(chunks(files, 70))  # type: ignore[arg-type]
    assert [file for piece in pieces for file in piece] == files
    assert len(pieces) == 5
    assert len(list(chunks(files, 1))) == 10  # type: ignore[arg-type]
