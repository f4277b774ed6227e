"""Texts that a coder can write, and that an expression of ours would go through again and again: while one is looked
for, nothing in the engine moves, and every other task stands still. Red, these do not end within their time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.model.reply import ToolCall, ToolSpec
from agentbatch.tasks.coders.builtin.replies import looks_like_call
from agentbatch.tasks.evaluator.checks.facts.forms import empty_files
from agentbatch.tasks.evaluator.checks.facts.outcomes import of_command
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall, StatedCommand
from agentbatch.tasks.evaluator.checks.facts.tied import tied
from agentbatch.toolcalls.markup_calls import find_markup
from agentbatch.toolcalls.offered import as_offered
from agentbatch.workspace.watch.git_control import control, told
from agentbatch.workspace.workspace import CommandResult, FileEntry, Snapshot
from tests.support.paths import CHECKOUT

EMPTY_LINES = "x" + "\n" * 200_000 + "x"
LISTED = StatedCommand("./p", ("1", "2", "3", "4", "5"), listed=True)
"""`./p` prints `1`, `2`, `3`, `4` and `5`."""


def printed(output: str) -> bool:
    found = of_command(LISTED, CommandResult(0, output, False, False, 0.1, ""))
    return found is not None and found.passed


def names_programs(folder: Path, config: str) -> bool:
    """A repository that a task has made is told of where its settings name a program."""
    (folder / "sub/.git").mkdir(parents=True)
    (folder / "sub/.git/config").write_text(config)
    return told(folder, {}, control(folder)) != []


TOOLS: list[ToolSpec] = [{"type": "function", "function": {"name": "bash", "parameters": {}}}]
CALL = '<function=bash>{"command": "ls"}</function>'


def named_bash(name: str) -> bool:
    (call,) = as_offered([ToolCall("c", name, "{}")], TOOLS)
    return call.name == "bash"


TEXTS: dict[str, Callable[[Path], bool]] = {
    "a reply": lambda _: looks_like_call(EMPTY_LINES),
    "an output that has nearly all that is listed": lambda _: printed("1 2 3 4 " * 3_000),
    "settings of a new repository": lambda folder: names_programs(folder, "\n" * 19_000),
    "marks behind a call, and then words": lambda _: (
        find_markup(f"{CALL}{'</tool_calls>' * 300}x", TOOLS) is not None
    ),
    "a name in many namespaces": lambda _: named_bash("functions." * 100_000 + "bash"),
    "a name with many numbers": lambda _: named_bash("bash" + ":1" * 100_000),
}


@pytest.mark.parametrize("name", TEXTS)
def test_it_is_gone_through_once(tmp_path: Path, name: str) -> None:
    assert not TEXTS[name](tmp_path)


@pytest.mark.slow
def test_the_names_of_many_files_are_looked_for_once() -> None:
    """And as many examples as a task may state."""
    files = {f"d{n}/m{n}.py": FileEntry(f"{n}", 20, f"def g{n}(): f()\n", False) for n in range(20_000)}
    calls = [StatedCall("f", f"f({n})", str(n)) for n in range(300)]
    assert tied(calls, "Write f in m7.py." + " and so on" * 500, Snapshot({}), Snapshot(files)).calls == {
        "d7/m7.py": calls
    }
    empty = FileEntry("0", 0, "", False)
    added = [(path.replace(".py", ".txt"), empty) for path in files]
    assert empty_files([*added, ("x.txt", empty)], "Write x.txt." + " and so on" * 5000) == ["x.txt"]


FOUND: dict[str, Callable[[Path], bool]] = {
    "a reply": lambda _: looks_like_call("Here:\n\n  FILE: a.py"),
    "an output with them in one line": lambda _: printed("[1, 2, 3, 4 and 5]"),
    "an output with them in several": lambda _: printed("11 1\n2,3\n4 5."),
    "marks behind a call": lambda _: find_markup(f"{CALL}{'</tool_calls>' * 300}", TOOLS) is not None,
    "a name in its namespace": lambda _: named_bash("functions.bash:0"),
    "settings of a new repository": lambda folder: names_programs(folder, "\n\n[core]\n\n\t fsmonitor = x\n"),
    "settings behind much space": lambda folder: names_programs(folder, " " * 19_000 + "x = y"),
}


@pytest.mark.parametrize("name", FOUND)
def test_and_what_is_there_is_found(tmp_path: Path, name: str) -> None:
    assert FOUND[name](tmp_path)


def test_no_expression_begins_at_each_line_and_goes_on_over_all_that_are_empty() -> None:
    """`^[^\\S\\n]*` finds the same."""
    files = (CHECKOUT / "src").rglob("*.py")
    assert [path.name for path in files if "^\\s*" in path.read_text(encoding="utf-8")] == []
