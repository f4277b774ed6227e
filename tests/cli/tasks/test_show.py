"""`agentbatch show`: one task as text, or what it changed."""

from pathlib import Path

import pytest

from agentbatch.cli.tasks import show
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from tests.runs.stored_runs import begin, end, work
from tests.support.subcommand import run_command

PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-\told\n+\tnew \x1b]0;title\x07\n"


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Two tasks; the first was refused once, and has changed a file."""
    monkeypatch.chdir(tmp_path)
    store = begin(tmp_path, 2)
    work(store, "t0")
    verdict = {"requirements": [{"text": "Prints 8", "met": False, "evidence": "it prints \x1b[31m7"}]}
    store.emit(
        e.VerdictReached(
            task_id="t0",
            iteration=1,
            accepted=False,
            verdict=verdict,
            refusals=["It prints 7."],
            tampering=[],
            follow_up="",
            decision="continue",
        )
    )
    end(store, "t0")
    task = store.folder.task("t0")
    task.mkdir(parents=True, exist_ok=True)
    (task / "changes.patch").write_text(PATCH, encoding="utf-8", newline="")
    await store.close()
    return store.folder


def test_a_task_with_its_verdicts(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("t0", "1"):
        assert run_command(show, name) == 0
        told = capsys.readouterr().out
        assert "completed · t0" in told
        assert "Iteration 1: not accepted\n  - It prints 7.\n  not met: Prints 8: it prints 7" in told
        assert "Changed: 1 file" in told
        assert "\x1b" not in told
    assert run_command(show, "t1", "--run", folder.run_id) == 0
    assert "queued · t1" in capsys.readouterr().out


def test_its_patch_for_a_program_is_as_it_was_kept(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(show, "t0", "--diff") == 0
    assert capsys.readouterr().out == PATCH


def test_on_a_terminal_nothing_in_a_patch_acts() -> None:
    assert show._safe("+\tnew \x1b]0;title\x07\n") == "+   new \n"
    assert show._safe("+    if x:  # \x1b[2Jy\r\n") == "+    if x:  # y\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["t7"], "The run has no task 't7'."),
        (["t"], "'t' could be any of 2 tasks: t0, t1."),
        (["t1", "--diff"], "Nothing is kept of what t1 changed"),
        (["t0", "--run", "none"], "none"),
    ],
)
def test_what_is_not_there(folder: RunFolder, words: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        run_command(show, *words)
