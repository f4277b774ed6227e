"""Usage figures and the prefix cache."""

from typing import Any

import pytest

from agentbatch.rehearsal.counting import MAX_CONVERSATIONS, PrefixCache, message_size, tokens
from agentbatch.rehearsal.faults.rate import RateWindow

SYSTEM = {"role": "system", "content": "x" * 94}
USER = {"role": "user", "content": "y" * 96}
REPLY = {"role": "assistant", "content": "z" * 91}


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_a_token_is_four_bytes_rounded_up(size: int, expected: int) -> None:
    assert tokens(size) == expected


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ({"role": "user", "content": "abc"}, 7),
        ({"role": "user", "content": "汉字"}, 10),
        ({"role": "user", "content": "\ud800"}, 7),
        ({"role": "user", "content": [{"type": "text", "text": "abc"}, {"type": "image_url"}, 5]}, 7),
        ({"role": "assistant", "content": None, "reasoning_content": "hm"}, 11),
        ({"tool_calls": [{"function": {"name": "bash", "arguments": "{}"}}, 3, {"function": 4}]}, 6),
        ({"role": 7, "content": 8, "tool_calls": 9}, 0),
    ],
)
def test_message_size(message: dict[str, Any], size: int) -> None:
    assert message_size(message) == size


def test_the_next_request_of_a_conversation_finds_its_prefix_cached() -> None:
    cache = PrefixCache()
    first = cache.count("a", [SYSTEM, USER], None)
    second = cache.count("a", [SYSTEM, USER, REPLY, USER], None)
    assert (first.total, first.cached) == (50, 0)
    assert (second.total, second.cached) == (100, 50)


@pytest.mark.parametrize(
    ("messages", "tools", "cached"),
    [
        ([SYSTEM, USER], None, 50),
        ([SYSTEM, REPLY], None, 25),
        ([USER, SYSTEM], None, 0),
        ([SYSTEM, USER], [{"type": "function"}], 0),
    ],
)
def test_what_differs_ends_the_cached_prefix(
    messages: list[dict[str, Any]], tools: object, cached: int
) -> None:
    cache = PrefixCache()
    cache.count("a", [SYSTEM, USER], None)
    assert cache.count("a", messages, tools).cached == cached
    assert cache.count("b", [SYSTEM, USER], None).cached == 0


def test_counting_on_a_cached_prefix_gives_the_same_total() -> None:
    cache = PrefixCache()
    for end in range(1, 5):
        messages = [SYSTEM, USER, REPLY, USER][:end]
        assert cache.count("a", messages, None).total == PrefixCache().count("b", messages, None).total


def test_memory_is_bounded() -> None:
    cache = PrefixCache()
    cache.count("first", [USER], None)
    for number in range(MAX_CONVERSATIONS):
        cache.count(number, [USER], None)
    assert cache.count("first", [USER], None).cached == 0
    assert cache.count(MAX_CONVERSATIONS - 1, [USER], None).cached == 25


def test_rate_window_lets_so_many_pass_in_a_window() -> None:
    window = RateWindow(2, 60.0)
    assert [window.take(0.0), window.take(10.0)] == [0.0, 0.0]
    assert window.take(20.0) == 40.0
    assert window.take(60.0) == 0.0
    assert window.take(61.0) == 9.0
