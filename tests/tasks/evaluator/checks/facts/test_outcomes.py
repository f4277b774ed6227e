"""What came of examples, and what the coder is told of it: tables."""

import json
from typing import Any

import pytest

from agentbatch.tasks.evaluator.checks.facts.outcomes import Outcome, answers, of_answers, of_command
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall, StatedCommand
from agentbatch.workspace.workspace import CommandResult


def done(output: str, exit_code: int | None = 0, timed_out: bool = False) -> CommandResult:
    return CommandResult(exit_code, output, timed_out, False, 7.2, "")


def call(expected: str = "", raises: str = "", **more: Any) -> StatedCall:
    return StatedCall("f", "f(1)", expected, raises, **more)


def of_calls(path: str, calls: list[StatedCall], result: CommandResult, nonce: str) -> list[Outcome]:
    return of_answers(path, calls, answers(result.output, nonce), result)


VALUE_ERROR = {"raised": ["ValueError", "Exception"], "words": "too small"}


@pytest.mark.parametrize(
    ("stated", "answer", "words"),
    [
        (call("2"), {"value": "2"}, "`f(1)` gives 2"),
        (call("2"), {"value": "3", "equal": True}, "`f(1)` should give 2; it gave 3"),
        (call("'a-b'"), {"value": "'A-b'"}, "`f(1)` should give 'a-b'; it gave 'A-b'"),
        (call("[1, 2]", ordered=False), {"value": "(2, 1)"}, "`f(1)` gives [1, 2]"),
        (call("[1, 2]", ordered=False), {"value": "[2, 2]"}, "`f(1)` should give [1, 2]; it gave [2, 2]"),
        (call("[1]"), {"value": "<iterator>", "equal": None}, None),
        (call("[1]"), {"value": "Decimal('1')", "equal": True}, "`f(1)` gives [1]"),
        (call("[1]"), {"value": None, "equal": False}, "`f(1)` should give [1]; it gave something else"),
        (call("[1]"), {"value": "(" * 300}, None),
        (call("[1]"), {"value": "1if 1else " * 90 + "1"}, None),
        (call("[1]"), {"value": "[" + "1," * 5000 + "]"}, None),
        (call("[1]"), {"value": "-" * 9000 + "1", "equal": None}, None),
        (call("2"), VALUE_ERROR, "`f(1)` should give 2; it raised ValueError: too small"),
        (call("2"), {"raised": ["FileNotFoundError", "OSError"], "words": "x"}, None),
        (call("2"), {"raised": []}, None),
        (call("2"), {"raised": "x"}, None),
        (call("2"), {}, None),
        (call("2"), {"missing": True}, None),
        (call(raises="ValueError"), {"missing": True}, None),
        (call(raises="ValueError"), VALUE_ERROR, "`f(1)` raises ValueError"),
        (call(raises="Exception"), VALUE_ERROR, "`f(1)` raises an exception"),
        (
            call(raises="KeyError"),
            VALUE_ERROR,
            "`f(1)` should raise KeyError; it raised ValueError: too small",
        ),
        (call(raises="KeyError"), {"value": "1"}, "`f(1)` should raise KeyError; it gave 1"),
        (call("'a\\nb'", printed=True), {"value": "'a\\nb '", "shown": "a\nb "}, "`f(1)` prints 'a\\nb'"),
        (call("'a'", printed=True), {"value": "1", "shown": "1"}, "`f(1)` should print 'a'; it printed '1'"),
    ],
)
def test_one_call(stated: StatedCall, answer: dict[str, Any], words: str | None) -> None:
    found = of_calls("m.py", [stated], done(f"noise\nabc {json.dumps(answer)}\n"), "abc")
    assert [outcome.words for outcome in found] == ([words] if words else [])
    assert all(outcome.passed == ("should" not in outcome.words) for outcome in found)


def test_lines_without_the_nonce_say_nothing() -> None:
    output = f"xyz {json.dumps({'value': '2'})}\nabc {{\nabc [1]\nabc {json.dumps({'value': '3'})}\n"
    assert of_calls("m.py", [call("2")], done(output), "abc") == [
        Outcome(False, "`f(1)` should give 2; it gave 3")
    ]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (done("python3: command not found", 127), []),
        (done("Segmentation fault", 139), ["`f(1)` should give 2; the program was ended by it"]),
        (done("", None, timed_out=True), ["`f(1)` should give 2; it was not over after 7 seconds"]),
        (done("", 0), ["`f(1)` should give 2; the program was ended by it"]),
        (
            done('abc {"value": "2"}\n', 3),
            ["`f(1)` gives 2", "`f(1)` should raise KeyError; the program was ended by it"],
        ),
        (
            done('abc {"import": true, "raised": ["NameError", "Exception"], "words": "x"}'),
            ["m.py cannot be imported: NameError: x"],
        ),
        (done('abc {"import": true, "raised": ["ModuleNotFoundError", "ImportError"], "words": "x"}'), []),
    ],
)
def test_a_process_that_did_not_come_to_its_end(result: CommandResult, words: list[str]) -> None:
    found = of_calls("m.py", [call("2"), call(raises="KeyError")], result, "abc")
    assert [outcome.words for outcome in found] == words


@pytest.mark.parametrize(
    ("lines", "result", "words"),
    [
        (("8",), done("8\n"), "`./p` prints 8"),
        (("8",), done("first\n  8 \nlast\n"), "`./p` prints 8"),
        (("8",), done("8\n", 1), None),
        (("8",), done("8\nTraceback (most recent call last):\n  x\nKeyError: 1\n"), None),
        (("8",), done("9\n", 1), "`./p` should print 8; it printed 9"),
        (("8",), done("EOFError\n9\n", 1), "`./p` should print 8; it printed EOFError / 9"),
        (("8",), done("Sum: 8\n"), "`./p` prints 8"),
        (("8",), done("18\n"), "`./p` should print 8; it printed 18"),
        (("8",), done(""), "`./p` should print 8; it printed nothing"),
        (("1", "2"), done("1\n\n2\n"), "`./p` prints 1 / 2"),
        (("1", "2"), done("2\n1\n"), "`./p` should print 1 / 2; it printed 2 / 1"),
        (("8",), done("", None, timed_out=True), None),
        (("8",), done("8\n", None, timed_out=True), "`./p` prints 8"),
        (("8",), done("Number: Traceback\nEOFError: x\n", 1), None),
        (("8",), done("x", 127), None),
        (("8",), done("ModuleNotFoundError: No module named 'x'", 1), None),
    ],
)
def test_a_command(lines: tuple[str, ...], result: CommandResult, words: str | None) -> None:
    found = of_command(StatedCommand("./p", lines), result)
    assert (found.words if found else None) == words
    assert found is None or found.passed == ("should" not in found.words)


@pytest.mark.parametrize(
    ("stated", "came", "words"),
    [
        (0, 0, "`./p` prints 8"),
        (3, 3, "`./p` prints 8"),
        (0, 1, "`./p` should print 8 and exit with 0; it printed that, and then ended with exit code 1"),
        (3, 0, "`./p` should print 8 and exit with 3; it printed that, and then ended with exit code 0"),
    ],
)
def test_an_exit_code_that_is_stated(stated: int, came: int, words: str) -> None:
    found = of_command(StatedCommand("./p", ("8",), stated), done("8\n", came))
    assert found == Outcome(stated == came, words)


DESCRIBED = StatedCommand("./p", (), described=True)
NAMED = StatedCommand("./p", ())
TRACEBACK = "Traceback (most recent call last):\n"
LISTED = StatedCommand("./p", ("a 2", "b 1"), listed=True)


@pytest.mark.parametrize(
    ("stated", "output", "code", "words"),
    [
        (LISTED, "a 2\nb 1\n", 0, "`./p` prints a 2 / b 1"),
        (LISTED, "a 2, b 1\n", 0, "`./p` prints a 2 / b 1"),
        (LISTED, "", 0, "`./p` should print a 2 / b 1; it printed nothing"),
        (LISTED, "b 1\na 2\n", 0, "`./p` should print a 2 / b 1; it printed b 1 / a 2"),
        (LISTED, "a 20, b 1\n", 0, "`./p` should print a 2 / b 1; it printed a 20, b 1"),
        (StatedCommand("./p", ("a", "b"), ordered=False), "b\na\n", 0, "`./p` prints a / b"),
        (StatedCommand("./p", (), 2), "usage\n", 2, "`./p` exits with 2"),
        (StatedCommand("./p", (), 2), "usage\n", 0, "`./p` should exit with 2; it ended with exit code 0"),
        (StatedCommand("./p", (), 1), "Traceback (most recent call last):\nKeyError: 1\n", 1, None),
        (StatedCommand("./p", (), 0), "", None, None),
        (DESCRIBED, "1\nfizz\n", 0, "`./p` prints something: fizz"),
        (DESCRIBED, " \n", 0, "`./p` should print what the task says; it printed nothing"),
        (DESCRIBED, "", 1, None),
        (DESCRIBED, "", None, None),
        (NAMED, "", 0, "`./p` ends with exit code 0 and prints nothing"),
        (NAMED, "usage: p\n", 2, "`./p` ends with exit code 2: usage: p"),
        (NAMED, "", None, None),
        (NAMED, f"{TRACEBACK}FileNotFoundError: a\n", 1, None),
        (NAMED, f"{TRACEBACK}some.Error: a\n", 1, None),
    ],
)
def test_what_a_command_should_come_to(
    stated: StatedCommand, output: str, code: int | None, words: str | None
) -> None:
    found = of_command(stated, done(output, code))
    assert (found.words if found else None) == words
    assert found is None or found.passed == ("should" not in found.words)


def test_a_fault_of_a_command_that_is_only_named_is_told_and_refuses_nothing() -> None:
    found = of_command(NAMED, done(f"{TRACEBACK}KeyError: 'a'\n", 1))
    assert found == Outcome(False, "`./p` ends in KeyError: 'a'", weak=True)
