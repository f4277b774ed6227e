"""Loops within a turn, as tables of steps."""

import json
from typing import Any

import pytest

from agentbatch.model.reply import ToolCall
from agentbatch.tasks.coders.builtin.loops import LoopDetector, rounds_in_a_row
from agentbatch.workspace.workspace import CommandRecord, FileRecord, ToolResult

Call = tuple[ToolCall, ToolResult]

NAME_ERROR = (
    "Traceback (most recent call last):\n  File \"/w/a.py\", line {}, in f\n    {}\nNameError: name 'x'"
)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall("id", name, json.dumps(arguments))


def ran(command: str, code: int | None = 1, output: str = "boom") -> Call:
    record = CommandRecord(command, code, output, 0.1)
    return call("bash", command=command), ToolResult(
        f"{output} 0.1 s", ok=code == 0, command=record, changed=True
    )


def wrote(path: str, content: str, *, unchanged: bool = False) -> Call:
    file = FileRecord(path, content, unchanged=unchanged)
    return call("write_file", path=path, content=content), ToolResult(
        f"Wrote {content}", file=file, changed=True
    )


def edit(path: str, old: str, *, ok: bool = False) -> Call:
    return call("edit_file", path=path, old_string=old, new_string="n"), ToolResult(f"{ok}", ok=ok)


def read(path: str, result: str = "text") -> Call:
    return call("read_file", path=path), ToolResult(result)


def signs(*steps: Call | list[Call]) -> list[str]:
    """What is said after each step: nothing, the pattern, or the pattern as the end of the turn."""
    detector = LoopDetector("/w")
    said = []
    for step in steps:
        circle = detector.observe(step if isinstance(step, list) else [step])
        said.append("" if circle is None else f"{circle.pattern}{'!' if circle.stuck else ''}")
    return said


NEW = [wrote("a.py", str(n)) for n in range(20)]
SAME = read("a")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        # The same step in a row.
        ([SAME] * 5, ["", "", "repeat", "", "repeat!"]),
        ([SAME, SAME, read("b"), SAME, SAME], ["", "", "", "", ""]),
        ([*[SAME] * 4, read("b"), *[SAME] * 3], ["", "", "repeat", "", "", "", "", "repeat"]),
        ([read("a", "1"), read("a", "2"), read("a", "3")], ["", "", ""]),
        # Two steps in turn.
        ([SAME, read("b")] * 5, ["", "", "", "", "", "repeat", "", "", "", "repeat!"]),
        ([SAME, read("b"), read("c")] * 3, [""] * 9),
        # A failing command, with rewritten files in between.
        (
            [NEW[0], ran("t"), NEW[1], ran("t"), NEW[2], ran("t"), NEW[3], ran("t"), NEW[4], ran("t")],
            ["", "", "", "", "", "failing_command", "", "", "", "failing_command!"],
        ),
        ([NEW[0], ran("t"), NEW[1], ran("t", 0), NEW[2], ran("t"), NEW[3], ran("t")], [""] * 8),
        ([NEW[0], ran("t"), NEW[1], ran("t", output="another"), NEW[2], ran("t")], [""] * 6),
        ([NEW[0], ran("t"), NEW[1], ran("t", 2), NEW[2], ran("t")], [""] * 6),
        ([NEW[0], ran("t"), NEW[1], ran("u"), NEW[2], ran("v")], [""] * 6),
        # After it has worked once, it may fail three times again.
        ([ran("t"), NEW[0], ran("t"), ran("t", 0), NEW[1], ran("t"), NEW[2], ran("t")], [""] * 8),
        # All in one reply: told before the turn ends.
        ([[ran("t")] * 6, [ran("t")] * 2], ["failing_command", "failing_command!"]),
        # Edits that fail, and edits that work.
        (
            [edit("a", "1"), read("a"), edit("a", "1"), read("b"), edit("a", "1"), read("c"), edit("a", "1")],
            ["", "", "failing_edit", "", "", "", "failing_edit!"],
        ),
        ([edit("a", "1"), edit("a", "2"), edit("a", "3")], ["", "", ""]),
        ([edit("a", "1", ok=True), read("a"), edit("a", "1", ok=True)], ["", "", ""]),
        # What a file holds already.
        (
            [wrote("a", "1"), *[wrote("a", "1", unchanged=True)] * 3],
            ["", "same_content", "", "same_content!"],
        ),
        # A, B, A, B; but not the way back from a trial.
        (
            [wrote("a", c) for c in "ABABAB"],
            ["", "", "", "back_and_forth", "", "back_and_forth!"],
        ),
        ([wrote("a", c) for c in "ABACADAEAF"], [""] * 10),
        ([wrote(path, "A") for path in "abcabc"], ["", "", "", "", "", ""]),
    ],
)  # fmt: skip
def test_patterns(steps: list[Call | list[Call]], said: list[str]) -> None:
    assert signs(*steps) == said


def test_a_nudge_tells_the_command_its_error_and_where_it_is() -> None:
    detector = LoopDetector("/w")
    circle = None
    for n, line in enumerate(("x", "y = x", "return x + 1")):
        circle = detector.observe([wrote("a.py", line)]) or detector.observe(
            [ran("python3  a.py", output=NAME_ERROR.format(n + 3, line))]
        )
    assert circle is not None
    assert (circle.count, circle.subject) == (3, "python3 a.py")
    assert (circle.spot.error, circle.spot.place) == ("NameError: name 'x'", "a.py:5")


def test_a_repeated_write_is_told_with_the_error_that_is_still_there() -> None:
    detector = LoopDetector("/w")
    detector.observe([wrote("a.py", "x"), ran("t", output="ValueError: no")])
    circle = detector.observe([wrote("a.py", "x", unchanged=True)])
    assert circle is not None
    assert circle.spot.error == "ValueError: no"
    detector.observe([ran("t", 0)])
    circle = detector.observe([wrote("a.py", "y", unchanged=True)])
    assert circle is not None
    assert circle.spot.error == ""


def test_arguments_that_are_no_json_do_no_harm() -> None:
    broken = ToolCall("id", "edit_file", "{" * 5000), ToolResult("no", ok=False)
    lone = ToolCall("id", "bash", '{"command": "\ud800"}'), ToolResult("\ud800", ok=False, invalid=True)
    assert signs(broken, broken, lone) == ["", "failing_edit", ""]


@pytest.mark.parametrize(
    ("steps", "rounds"),
    [("a", 1), ("aa", 2), ("ba", 1), ("bba", 1), ("ab", 1), ("abab", 2), ("babab", 2), ("abcabc", 1), ("aaab", 1)],
)  # fmt: skip
def test_rounds(steps: str, rounds: int) -> None:
    assert rounds_in_a_row([letter.encode() for letter in reversed(steps)]) == rounds
