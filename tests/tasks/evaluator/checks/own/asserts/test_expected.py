"""What a small model expects of a function, and which of it counts."""

import pytest

from agentbatch.tasks.evaluator.checks.own.asserts.expected import (
    Expected,
    Vote,
    agreed,
    expected_of,
    outvoted,
    program_of,
    same_value,
    wanted_functions,
)


@pytest.mark.parametrize(
    ("task", "function"),
    [
        ("Write fizzbuzz.py with a function fizzbuzz(n) that returns words.", "fizzbuzz"),
        ("Create `text.py` with `slugify(title)`.", "slugify"),
        ("Python: `def runs(text): ...` encodes.", "runs"),
        ("In roman.py, a function called `to_roman` turns numbers into numerals.", "to_roman"),
        ("In a.py write `text.wrap(line, 7)`.", "wrap"),
        ("A Python function that uses `print(x)` and `len(y)`: `total(xs)`.", "total"),
        (
            'Write runs.py, two functions: encode(text) shortens, decode(text) turns it back, encode("") is empty.',
            "encode decode",
        ),
        ("Write a JavaScript function add(a, b).", ""),
        ("Write stack.py with a class `Stack(size)`; push(x) adds; a function size().", ""),
        ("编写 count_words.py,其中包含函数 count_words(text),返回一个字典。", "count_words"),
        ("在a.py中编写函数add_up(a, b)和sub(a, b)。", "add_up sub"),
        ("temperature.py を作成。関数 c_to_f(c) は摂氏を、f_to_c(f)は華氏を変換する。", "c_to_f f_to_c"),
        ("関数`c_to_f`をt.pyに書いてください。", "c_to_f"),
        ("整理 Python 文件。", ""),
        ("Tidy the Python files.", ""),
        ("Python " + "function " * 5000, ""),
    ],
)
def test_the_functions_that_a_task_asks_for(task: str, function: str) -> None:
    assert wanted_functions(task) == tuple(function.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("assert f(1) == 2", "f(1) == 2"),
        ("1. `assert f(1) == 2`", "f(1) == 2"),
        ("assert f( 'a',b = [1,2] )==\"x\"  # because", "f('a', b=[1, 2]) == 'x'"),
        ("assert prog.f(-1) is None, 'no'", "f(-1) == None"),
        ("assert f(1) == -2.5", "f(1) == -2.5"),
        ("assert f() == 2", ""),
        ("assert f(x) == 2", ""),
        ("assert f(1) == g(2)", ""),
        ("assert f(**{'a': 1}) == 2", ""),
        ("assert g(1) == 2", ""),
        ("assert f(1)", ""),
        ("assert f(1) == 2 == 2", ""),
        ("assert f(1) != 2", ""),
        ("assert f(1) == 2; import os", ""),
        ("assert f(" + "(" * 250 + ") == 1", ""),
        ("assert f('" + "x" * 400 + "') == 1", ""),
        ("f(1) == 2", ""),
    ],
)
def test_one_line_of_a_reply(line: str, expected: str) -> None:
    assert [one.text for one in expected_of(f"Here:\n```python\n{line}\n```", {"f"})] == (
        [expected] if expected else []
    )


def test_an_asking_that_contradicts_itself_says_nothing() -> None:
    reply = "assert f(1) == 2\nassert f(2) == 3\nassert f(1) == 4\nassert f(2) == 3"
    assert [one.text for one in expected_of(reply, {"f"})] == ["f(2) == 3"]


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        (
            "Sure:\n```python\ndef f(n):\n    return n\n```\nIt works.\n```\nmore\n```",
            "def f(n):\n    return n",
        ),
        ("def f(n):\n    return n\n", "def f(n):\n    return n"),
        ("```\ndef f(n):", "def f(n):"),
        ("", ""),
    ],
)
def test_the_program_of_a_reply(reply: str, program: str) -> None:
    assert program_of(reply) == program


D = Expected("f", "f(3)", "0.33")
A, B, C = Expected("f", "f(1)", "2"), Expected("f", "f(2)", "3"), Expected("f", "f(1)", "9")


@pytest.mark.parametrize(
    ("askings", "program", "kept"),
    [
        ([[A, B]], {"f(1)": "2", "f(2)": "5"}, [A]),
        ([[A, B]], None, []),
        ([[A, B], [B]], None, [B]),
        ([[A, B], [B]], {}, [B]),
        ([[A, B], [A, B]], {"f(1)": "7"}, [B]),
        ([[A], [C]], {"f(1)": "2"}, []),
        ([[A, A]], None, []),
        ([[], []], {"f(1)": "2"}, []),
        ([[A], [B]], {"f(1)": "2.0", "f(2)": "3"}, [A, B]),
        ([[D]], {"f(3)": "0.3333333333333333"}, [D]),
    ],
    ids=[
        "the program gives it", "nothing confirms", "two askings", "the program says nothing",
        "the program contradicts", "the askings contradict", "one asking twice", "nothing asked",
        "the program confirms both", "a rounded number",
    ],
)  # fmt: skip
def test_what_counts(
    askings: list[list[Expected]], program: dict[str, str] | None, kept: list[Expected]
) -> None:
    assert agreed(askings, program, 6) == kept
    assert agreed(askings, program, 1) == kept[:1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1", True), ("1", "1.0", True), ("0.1", "0.30000000000000004", False),
        ("0.3", "0.30000000000000004", True), ("True", "1", True), ("None", "None", True), ("0", "None", False),
        ("[1, 2]", "[1, 2]", True), ("[1, 2]", "(1, 2)", True), ("{'a': 0.3}", "{'a': 0.30000000000000004}", True),
        ("'a'", '"a"', True), ("1.67", "1.6666666", True),
        ("1.6666666", "1.67", False), ("1.5", "1" * 400, False), ("<object>", "1", False), ("{1, 2}", "{2, 1}", True),
    ],
)  # fmt: skip
def test_equal_values(one: str, other: str, same: bool) -> None:
    assert same_value(one, other) is same


@pytest.mark.parametrize(
    ("votes", "most"),
    [
        ([], 0),
        ([Vote(1, 0, "p", "8")], 1),
        ([Vote(1, 0, "p", "8"), Vote(2, 1, "p", "8")], 2),
        ([Vote(1, 0, "p", "8"), Vote(2, 0, "q", "8")], 2),
        ([Vote(1, 0, "p", "8"), Vote(2, 0, "p", "8")], 1),
        ([Vote(1, 0, "p", "8"), Vote(1, 1, "q", "8")], 1),
        ([Vote(1, 0, "p", "8"), Vote(2, 1, "q", "9")], 1),
        ([Vote(1, 0, "p", "2"), Vote(2, 1, "q", "2")], 0),
        ([Vote(1, 0, "p", "8"), Vote(2, 1, "q", "2"), Vote(3, 2, "r", "8")], 2),
        ([Vote(1, 0, "p", "8"), Vote(2, 1, "p", "8"), Vote(3, 1, "r", "8")], 3),
        ([Vote(1, 0, "p", "8"), Vote(2, 0, "p", "8"), Vote(3, 0, "q", "8"), Vote(4, 0, "p", "8")], 2),
    ],
)
def test_how_many_programs_that_came_about_apart_outvote_a_check(votes: list[Vote], most: int) -> None:
    expected = Expected("f", "f(1)", "2")
    assert [outvoted(expected, votes, needed) for needed in (1, 2, 3)] == [most >= n for n in (1, 2, 3)]
