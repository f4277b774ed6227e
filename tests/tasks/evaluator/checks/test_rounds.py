"""One round of a task's checks over a real directory: what they change, and what is not what a coder has planted."""

import importlib.util
import json
import marshal
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, VerifyCommands, Work
from agentbatch.tasks.evaluator.checks.sources import Checks
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.workspace import Snapshot
from tests.support.workspaces import local_workspace

Act = Callable[[Path, int], bool]
"""A check: does something in the directory, in the round of that number, and says whether it has passed."""


class Acting:
    """A source of one check."""

    runs_work = False

    def __init__(self, root: Path, act: Act) -> None:
        self.rounds = 0
        self._root = root
        self._act = act

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        return {}

    async def run(self, work: Work) -> Sequence[CheckResult]:
        self.rounds += 1
        passed = self._act(self._root, self.rounds)
        return [CheckResult("act", 0 if passed else 1, "", 0.0)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def workspace(root: Path, tmp_path: Path) -> LocalWorkspace:
    return local_workspace(root, tmp_path / "outputs", env={"PATH": os.environ["PATH"]})


class Rounds:
    """Iterations of a task with these checks."""

    def __init__(self, workspace: LocalWorkspace, checks: Checks, before: Snapshot) -> None:
        self.events: list[e.Event] = []
        self._workspace = workspace
        self._checks = checks
        self._before = before

    async def run(self) -> tuple[list[str], tuple[str, ...], Snapshot]:
        """What failed, by its kind; what the checks changed; the directory then."""
        runner = CheckRunner("t", self.events.append, Redactor([]), self._workspace)
        found = await self._checks.run(Work(1, self._before, await self._workspace.snapshot(), runner))
        return [r.kind for r in found.results if not r.passed], found.changed, found.after


def adds_report(root: Path, number: int) -> bool:
    (root / "report.html").write_text(f"made at {number}")
    (root / "coverage").mkdir(exist_ok=True)
    (root / "coverage/app.js").write_text(f"made at {number}")
    return True


def formats(root: Path, _: int) -> bool:
    (root / "a.py").write_text("a = 1\n")
    return True


def rewrites_the_program(root: Path, number: int) -> bool:
    (root / "a.py").write_text(f"a = {number}\n")
    return True


def removes_the_program(root: Path, _: int) -> bool:
    (root / "a.py").unlink(missing_ok=True)
    return True


def needs_and_removes_the_program(root: Path, _: int) -> bool:
    there = (root / "a.py").exists()
    (root / "a.py").unlink(missing_ok=True)
    return there


def rewrites_the_products_data(root: Path, number: int) -> bool:
    (root / "out.csv").write_text(f"{number}\n")
    return True


def rewrites_a_library(root: Path, number: int) -> bool:
    (root / "lib.py").write_text(f"{number}\n")
    return True


def rewrites_an_old_report(root: Path, number: int) -> bool:
    (root / "old.xml").write_text(f"{number}\n")
    return True


def breaks_what_it_checked(root: Path, _: int) -> bool:
    passes = (root / "out.csv").read_text() == "made\n"
    (root / "out.csv").write_text("broken\n")
    return passes


@pytest.mark.parametrize(
    ("act", "failed", "changed", "rounds"),
    [
        (adds_report, [], (), 1),
        (formats, [], (), 2),
        (rewrites_the_program, ["steady"], (), 2),
        (removes_the_program, ["steady"], (), 2),
        (needs_and_removes_the_program, ["verify"], ("a.py",), 2),
        (rewrites_the_products_data, [], (), 2),
        (rewrites_a_library, ["steady"], (), 2),
        (rewrites_an_old_report, [], ("old.xml",), 2),
        (breaks_what_it_checked, ["verify"], ("out.csv",), 2),
        (lambda *_: False, ["verify"], (), 1),
    ],
)
async def test_what_checks_do_to_the_work(
    workspace: LocalWorkspace, root: Path, act: Act, failed: list[str], changed: tuple[str, ...], rounds: int
) -> None:
    for name in ("lib.py", "old.xml"):
        (root / name).write_text("old\n")
    before = await workspace.snapshot()
    (root / "a.py").write_text("a=1\n")
    (root / "out.csv").write_text("made\n")
    source = Acting(root, act)
    ran = Rounds(workspace, Checks({"act": source}), before)
    found = await ran.run()
    assert (found[0], found[1], source.rounds) == (failed, changed, rounds)
    assert found[2] == await workspace.snapshot(), "what a judge sees is what there is"
    settled = [event.text for event in ran.events if isinstance(event, e.Notice)]
    assert len(settled) == (rounds == 2 and not failed and not changed)
    told = [event for event in ran.events if isinstance(event, e.CheckFinished)]
    assert [event.kind for event in told] == ["steady"] * failed.count("steady")


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (
            rewrites_the_program,
            "The checks pass, but running the checks writes a.py anew each time, so what was judged would not be what "
            "is kept; make what writes it give the same result each time.",
        ),
        (
            removes_the_program,
            "The checks pass, but running the checks takes a.py away, so what was judged would not be kept; let what "
            "they run leave it there.",
        ),
    ],
)
async def test_what_is_not_steady_is_told_with_why_and_what_to_do(
    workspace: LocalWorkspace, root: Path, act: Act, told: str
) -> None:
    before = await workspace.snapshot()
    (root / "a.py").write_text("a=1\n")
    ran = Rounds(workspace, Checks({"act": Acting(root, act)}), before)
    await ran.run()
    (tail,) = [one.tail for one in ran.events if isinstance(one, e.CheckFinished) and one.kind == "steady"]
    assert tail.replace("`verify` passes", "The checks pass") == told


async def test_what_a_check_made_is_no_work_in_later_turns_and_sessions(
    workspace: LocalWorkspace, root: Path
) -> None:
    before = await workspace.snapshot()
    (root / "a.py").write_text("a = 1\n")
    source = Acting(root, adds_report)
    checks = Checks({"act": source})
    await Rounds(workspace, checks, before).run()
    work = checks.digest(await workspace.snapshot())
    assert (await Rounds(workspace, checks, before).run())[:2] == ([], ())
    resumed = Checks({"act": source})
    resumed.restore(json.loads(json.dumps(checks.record)))
    assert (await Rounds(workspace, resumed, before).run())[:2] == ([], ())
    assert source.rounds == 3
    assert resumed.digest(await workspace.snapshot()) == work
    (root / "coverage/app.js").write_text("by the coder")
    assert (await Rounds(workspace, resumed, before).run())[:2] == (["steady"], ())


def installs(root: Path, number: int) -> bool:
    for name in (".venv/bin/python", "node_modules/x/index.js"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{number}")
    (root / "Makefile").write_text(f"# configured {number}\n")
    return True


async def test_what_a_coder_changes_beside_its_work_is_told_and_stays_told(
    workspace: LocalWorkspace, root: Path
) -> None:
    library = root / "node_modules/x/index.js"
    library.parent.mkdir(parents=True)
    library.write_text("as installed")
    before = await workspace.snapshot()
    runner = CheckRunner("t", lambda _: None, Redactor([]), workspace)

    async def told(checks: Checks) -> tuple[tuple[str, ...], tuple[str, ...]]:
        done = await checks.run(Work(1, before, await workspace.snapshot(), runner))
        return done.suspicious, done.changed

    checks = Checks({"act": Acting(root, installs)})
    assert await told(checks) == ((), ("node_modules/",)), "what a check installs anew is no news"
    library.write_text("changed by the coder")
    (root / "conftest.py").write_text("")
    assert await told(checks) == (("conftest.py", "node_modules/x/"), ("node_modules/",))
    assert await told(checks) == (("conftest.py", "node_modules/x/"), ("node_modules/",))
    resumed = Checks({"act": Acting(root, installs)})
    resumed.restore(json.loads(json.dumps(checks.record)))
    (suspicious, _) = await told(resumed)
    assert {"conftest.py", "node_modules/x/"} <= {*suspicious}
    assert "Makefile" not in suspicious


async def test_protected_files_are_as_they_were_before_each_command(
    workspace: LocalWorkspace, root: Path
) -> None:
    (root / "expected").write_text("1\n")
    runner = CheckRunner("t", lambda _: None, Redactor([]), workspace, await workspace.protect(["expected"]))
    before = await workspace.snapshot()
    commands = ["echo 2 > expected", "grep -x 1 expected", "echo 3 > expected"]
    checks = Checks({"verify": VerifyCommands(commands, 60.0)})
    found = await checks.run(Work(1, before, before, runner))
    assert found.failed is None
    assert runner.tampered == {"expected"}
    assert (root / "expected").read_text() == "1\n", "also after the last of them"
    assert found.after == before
    await Checks({}).run(Work(2, before, before, runner))
    assert not runner.tampered, "that was another iteration"


def planted(source: Path, folder: Path, code: str) -> Path:
    """Compiled Python that Python takes for that of `source`: with its time and its size."""
    folder.mkdir(parents=True, exist_ok=True)
    status = source.stat()
    head = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(status.st_mtime), status.st_size)
    place = folder / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    place.write_bytes(head + marshal.dumps(compile(code, str(source), "exec")))
    return place


@pytest.mark.parametrize("where", ["folder", "link", "read-only", "packages"])
async def test_a_check_runs_the_source_and_not_what_was_compiled_beside_it(
    workspace: LocalWorkspace, root: Path, where: str
) -> None:
    home = root / (".venv/lib" if where == "packages" else "app")
    home.mkdir(parents=True)
    before = await workspace.snapshot()
    source = home / "prog.py"
    source.write_text("print('what is written')\n")
    cache = home / "__pycache__"
    match where:
        case "link":
            planted(source, root / "elsewhere", "print('what was planted')")
            cache.symlink_to("../elsewhere")
        case _:
            place = planted(source, cache, "print('what was planted')")
            if where == "read-only":
                place.parent.chmod(0o555)
                home.chmod(0o555)
    command = f"cd {home.relative_to(root)} && {sys.executable} -c 'import prog'"
    assert "planted" in (await workspace.run(command, 300.0)).output
    runner = CheckRunner("t", lambda _: None, Redactor([]), workspace)
    checks = Checks({"verify": VerifyCommands([f"{command} | grep written"], 60.0)})
    found = await checks.run(Work(1, before, await workspace.snapshot(), runner))
    assert found.failed is None


async def test_no_command_runs_what_the_one_before_has_compiled(
    workspace: LocalWorkspace, root: Path
) -> None:
    (root / "test_it.py").write_text("raise SystemExit('what is written')\n")
    planted(root / "test_it.py", root / "elsewhere", "print('what was planted')")
    protected = await workspace.protect(["test_it.py"])
    before = await workspace.snapshot()
    runner = CheckRunner("t", lambda _: None, Redactor([]), workspace, protected)
    commands = ["mv elsewhere __pycache__", f"{sys.executable} -c 'import test_it'"]
    found = await Checks({"verify": VerifyCommands(commands, 60.0)}).run(Work(1, before, before, runner))
    assert found.failed is not None
    assert "what is written" in found.failed.tail


async def test_nothing_is_checked_while_what_was_compiled_is_there(
    workspace: LocalWorkspace, root: Path
) -> None:
    """A coder can make so much of it that removing it takes longer than it may."""
    before = await workspace.snapshot()
    (root / "prog.py").write_text("print('what is written')\n")
    planted(root / "prog.py", root / "__pycache__", "print('what was planted')")
    runner = CheckRunner("t", lambda _: None, Redactor([]), workspace)
    checks = Checks({"verify": VerifyCommands(["touch ran"], 60.0)}, clear_timeout=0.0)
    work = Work(1, before, await workspace.snapshot(), runner)
    found = await checks.run(work)
    assert found.failed is not None
    assert "__pycache__" in found.failed.told
    assert not await checks.tried(work)
    assert not (root / "ran").exists()
