"""The program that makes calls in a workspace, called here on modules of its own kind."""

from types import SimpleNamespace
from typing import Any

import pytest

from agentbatch.tasks.evaluator.programs.call_examples import outcome, same


@pytest.mark.parametrize(
    ("stated", "came", "exact", "equal"),
    [
        (1, 1, True, True),
        (1, 2, True, False),
        (1, 1.0, True, True),
        (0.3, 0.1 + 0.2, True, True),
        (3.33, 10 / 3, True, False),
        (3.33, 10 / 3, False, True),
        (3.33, 3.336, False, False),
        (3, 3.4, False, False),
        (3, 3.04, False, False),
        (3, 3.000002, True, False),
        (3, 3 + 1e-12, True, True),
        (1000000, 1000000.9, True, False),
        (2.0, 2.000001, True, False),
        (1e15, 1e15 + 1, True, True),
        ([1, 2], (1, 2), True, True),
        ([1, [2.5]], (1, (2.5,)), True, True),
        ([1, 2], [2, 1], True, False),
        ([1, 2], [1, 2, 3], True, False),
        ([1, 2], {1, 2}, True, False),
        ({"a": [1]}, {"a": (1,)}, True, True),
        ({"a": 1}, {"b": 1}, True, False),
        ({1, 2}, frozenset({2, 1}), True, True),
        ("a", "a", True, True),
        ("1", 1, True, False),
        (None, 0, True, False),
        (True, 1, True, True),
        (float("1e400"), float("1e400"), True, True),
    ],
)
def test_what_is_the_same(stated: Any, came: Any, exact: bool, equal: bool) -> None:
    assert same(stated, came, exact) is equal


class Stack:
    def __init__(self, items: list[int]) -> None:
        self.items = items

    def pop(self) -> int:
        return self.items.pop()


async def later(value: int) -> int:
    return value


MODULE = SimpleNamespace(
    f=lambda *given, **named: (*given, *named.items()),
    numbers=lambda n: iter(range(n)),
    long=lambda n: "a" * n,
    exit=lambda n: (_ for _ in ()).throw(SystemExit(n)),
    later=later,
    Stack=Stack,
)


@pytest.mark.parametrize(
    ("call", "function", "expected", "found"),
    [
        ("f(1, 'a', b=[2])", "f", "(1, 'a', ('b', [2]))", {"value": "(1, 'a', ('b', [2]))", "equal": True}),
        ("f(1)", "f", "(2,)", {"value": "(1,)", "equal": False}),
        ("f({1})", "f", "", {"value": "({1},)", "equal": None}),
        ("m.f(1)", "f", "[1]", {"value": "(1,)", "equal": True}),
        ("Stack([1, 2]).pop()", "Stack", "2", {"value": "2", "equal": True}),
        ("later(3)", "later", "3", {"value": "3", "equal": True}),
        ("numbers(3)", "numbers", "[0, 1, 2]", {"equal": None}),
        ("long(1000)", "long", "'a'", {"value": None, "equal": False}),
        ("f(int)", "f", "1", {"raised": ["ValueError", "Exception", "BaseException", "object"]}),
        ("exit(3)", "exit", "1", {"raised": ["SystemExit", "BaseException", "object"], "words": "3"}),
        ("gone(3)", "gone", "1", {"missing": True}),
    ],
)
def test_what_comes_of_a_call(call: str, function: str, expected: str, found: dict[str, Any]) -> None:
    came = outcome(MODULE, call, function, expected, exact=True, ordered=True)
    assert {name: came[name] for name in found} == found
