"""Which calls a text states by example, and which only look like it: tables."""

import pytest

from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples


def calls(text: str) -> list[tuple[str, str]]:
    found = [example for example in stated_examples(text) if isinstance(example, StatedCall)]
    return [(example.call, example.expected or f"!{example.raises}") for example in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(1, 2) == 3", [("f(1, 2)", "3")]),
        ("Write f so that `f(1, 2) == 3`.", [("f(1, 2)", "3")]),
        ("For example, slugify('A b') returns 'a-b'.", [("slugify('A b')", "'a-b'")]),
        ('`slugify("A b")` returns `"a-b"`.', [('slugify("A b")', '"a-b"')]),
        ("`f(3)` gives `6`, `f(4)` gives `24`.", [("f(3)", "6"), ("f(4)", "24")]),
        ("f(0) is None and f(-1) is False.", [("f(0)", "None"), ("f(-1)", "False")]),
        ("f([1, [2, 3]], deep=True) -> [1, 2, 3]", [("f([1, [2, 3]], deep=True)", "[1, 2, 3]")]),
        ("f('x') => {'x': 1}", [("f('x')", "{'x': 1}")]),
        ("f(2) → -4.5", [("f(2)", "-4.5")]),
        ("fib(10) = 55", [("fib(10)", "55")]),
        ("f({1, 2}) returns set().", [("f({1, 2})", "set()")]),
        ("f(5) should return 120 (5 * 24).", [("f(5)", "120")]),
        ("`f(5)` must be `(1, 2)`", [("f(5)", "(1, 2)")]),
        ("It holds that f(5) evaluates to True, f(6) equals False", [("f(5)", "True"), ("f(6)", "False")]),
        (
            "- f(1) == 1\n- f(2) == 4\n* `f(3) == 9`\n1. f(4) == 16",
            [(f"f({n})", str(n * n)) for n in range(1, 5)],
        ),
        ("**f(1) == 1**", [("f(1)", "1")]),
        ("> f(1) == 1", [("f(1)", "1")]),
        ("| call | result |\n| `f(1)` returns 2 | yes |", [("f(1)", "2")]),
        (
            "f(1)  # 2\nf('a')  # -> 'b'\nf('c')    # returns [1]",
            [("f(1)", "2"), ("f('a')", "'b'"), ("f('c')", "[1]")],
        ),
        (
            "assert f(1) == 2\nassert f(2) == 3, 'no'\nassert (f(3) == 4)",
            [(f"f({n})", str(n + 1)) for n in (1, 2, 3)],
        ),
        ("result = f(1)  # 2", [("f(1)", "2")]),
        ("f('a, (b') == 'a, [b'", [("f('a, (b')", "'a, [b'")]),
        ("f('it\\'s') == \"it's\"", [("f('it\\'s')", '"it\'s"')]),
        ("f('''a\nb''') == 2", [("f('''a\nb''')", "2")]),
        ("text.slugify('A b') == 'a-b'", [("text.slugify('A b')", "'a-b'")]),
        ("Stack([1, 2]).pop() == 2", [("Stack([1, 2]).pop()", "2")]),
        ("f(1_000) returns 1e3, not 1.", [("f(1_000)", "1e3")]),
        ("f('x') raises ValueError", [("f('x')", "!ValueError")]),
        ("`f(-1)` should raise a `ValueError` if it is negative.", [("f(-1)", "!ValueError")]),
        ("f('') throws an error.", [("f('')", "!Exception")]),
        ("f(None) raises errors.BadInput", []),
        ("f(None) raises errors.BadInputError.", [("f(None)", "!BadInputError")]),
        ("f('a') -> raises KeyError", [("f('a')", "!KeyError")]),
        ("例如 f(1) 返回 2，f(2) 返回 3。", [("f(1)", "2"), ("f(2)", "3")]),
        ("调用f('a')应返回'b'。", [("f('a')", "'b'")]),
        ("`f(-1)` 抛出 ValueError。", [("f(-1)", "!ValueError")]),
        ("f(3) は 6 を返す。", [("f(3)", "6")]),
        ("Fix calc.py so that add(1, 2) == 3.", [("add(1, 2)", "3")]),
        ("`f(2)` should return 4 instead of 5.", [("f(2)", "4")]),
        ("There is a bug. f(2) should return 4.", [("f(2)", "4")]),
        ("```python\nf(1) == 2\n```", [("f(1)", "2")]),
        ("f(1) == 2. f(1) == 2", [("f(1)", "2")]),
    ],
)
def test_what_is_stated(text: str, expected: list[tuple[str, str]]) -> None:
    assert calls(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "f(1) never returns 2.",
        "f(1) does not return 2, f(1) isn't 2.",
        "It must not be that f(1) == 2.",
        "f(1) currently returns 2.",
        "Currently f(1) returns 2.",
        "At the moment `f(1)` is 2.",
        "Bug: f(1) returns 2.",
        "f(1) returns 2 instead of 3.",
        "f(1) returns 2, but it should return 3.",
        "f(1) returns 2. It should return 3. Fix that bug.",
        "wrong: f(1) == 2",
        "Wrong:\n- f(1) == 2\n- f(2) == 3",
        "These are wrong:\n\n```\nf(1) == 2\n```",
        "## Actual\n\nf(1) returns 2.",
        "What f(0) gives now is broken:\n- f(1) == 2",
        "f(1) no longer returns 2.",
        "f(1) should no longer return 2.",
        "f(1) == 2 is wrong.",
        "Does f(1) return 2? Is it so that f(1) == 2?",
        "Suppose f(1) == 2.",
        "What if f(1) is 2?",
        "If f(1) == 2, stop.",
        "while f(1) == 2: pass",
        "if f(1) == 2:",
        "return f(1) == 2",
        "not f(1) == 2",
        "assert not f(1) == 2",
        "assert f(1) != 2",
        "f(1) >= 2",
        "f(1) == 2 or 3",
        "f(1) is 2 or more.",
        "f(1) is 2 if the file exists.",
        "f(1) is 2-dimensional.",
        "f(1) is 2nd",
        "f(1) is 1,000.",
        "f(1) is 5%.",
        "f(1) returns 3 items.",
        "`f(1)` returns `3` items.",
        "f(1) returns 3, 1.",
        "f(1) returns 3 and 1.",
        "f(1) returns `a`.",
        "f(1) returns a list.",
        "f(1) returns [1, 2, ...]",
        "f(1) returns [a, b]",
        "f('...') == 1",
        "f(1) returns '...'",
        "f(x) == 2",
        "f(1 + 1) == 2",
        "f() == 2",
        "def f(a=1) -> None:",
        "def main() -> 0",
        "f(1) -> None",
        "f(1) -> int",
        "2 * f(1) == 4",
        "x - f(1) == 4",
        "2**f(1) == 4",
        "1 + f(1) == 4",
        "f(1) + f(2) == 3",
        "g(f(1)) == 3",
        "len(f(1)) == 3",
        "f(1) == f(2)",
        "f(1) == 7 // 2",
        "f(1) == 2 == g",
        "self.f(1).g(2) == 3",
        "f(1).upper() == 'A'",
        "f(1) == 2\n\nf(1) == 3",
        "f(0) == 1. f(1) == 2\n\nf(1) == 3",
        "After load('a'), f(1) == 2.",
        "f(1) raises 2 to the power.",
        "f(1) raises an error message.",
        "f(1) never raises ValueError.",
        "f(1) raises ValueError instead of returning 3.",
        "f(6) returns 4: a random number up to 6.",
        "f(1)\n# 2\nf(2)\n# 3",
        "f(1)  # 2 tries",
        ">>> f(1) == 2\nFalse",
        "f(1) returns approximately 3.",
        "f(1) might return 2.",
        "目前 f(1) 返回 2。",
        "f(1) 返回 2，应为 3。",
        "f(1) 不返回 2。",
        "f(1, 2) == " + "[" * 300 + "]" * 300,
        "f(" + "'a'," * 300 + ") == 1",
        "f('a) == 1",
        "f(1] == 1",
        "f(*[1]) == 1",
        "f(**{'a': 1}) == 1",
        "f(1) == 9" + "9" * 499,
    ],
)
def test_what_is_no_example(text: str) -> None:
    assert calls(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">>> f(1)\n2", [("f(1)", "2")]),
        (">>> from m import f\n>>> f(1)\n2\n>>> f('a')\n'b'\n", [("f(1)", "2"), ("f('a')", "'b'")]),
        ("```\n>>> f([1])\n[1,\n 2]\n```\nThen finish.", [("f([1])", "[1,\n2]")]),
        (
            ">>> f(-1)\nTraceback (most recent call last):\n  ...\nValueError: too small\n",
            [("f(-1)", "!ValueError")],
        ),
        (">>> print(f(2))\n##\n##\n", [("f(2)", "'##\\n##'")]),
        (">>> x = f(1)\n>>> f(2)\n3\n\n>>> f(4)\n5", [("f(4)", "5")]),
        (">>> add(1)\n>>> count(1)\n1", []),
        (">>> f(1)\n<Point 1>\n", []),
        (">>> f(1)\n", []),
        (">>> f(x)\n2", []),
        (">>> f(1).y\n2", []),
        ("Currently:\n\n>>> f(1)\n2\n", []),
        ("It should be:\n\n>>> f(1)\n2\n", [("f(1)", "2")]),
        (">>> f(1)\n2\n>>> f(1)\n3", []),
    ],
)
def test_sessions(text: str, expected: list[tuple[str, str]]) -> None:
    assert calls(text) == expected


def test_how_exact_a_number_is() -> None:
    exact = [
        example.exact
        for example in stated_examples("f(1) == 0.3, g(1) returns 0.3")
        if isinstance(example, StatedCall)
    ]
    assert exact == [True, False]


def test_long_texts_are_read_in_little_time() -> None:
    for piece in ("f(", "f(1) ", "f(1) is ", "`", ">>> f(1)\n", "f('", "\n- ", "a ", "((", "`a` prints "):
        assert len(stated_examples(piece * (60_000 // len(piece)))) <= 1


def test_a_list_in_any_order() -> None:
    def ordered(text: str) -> list[bool]:
        return [example.ordered for example in stated_examples(text) if isinstance(example, StatedCall)]

    assert ordered("f(1) == [1, 2]") == [True]
    assert ordered("f(1) == [1, 2]. The words come in any order.") == [False]
