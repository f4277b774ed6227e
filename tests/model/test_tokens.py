import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from agentbatch.model.answer.answer import Answer
from agentbatch.model.reply import ToolCall
from agentbatch.model.tokens import PER_MESSAGE, TokenCounter, estimate, estimate_messages

ANSWER = Answer("hello world", (ToolCall("1", "bash", "{}"),), "thought", "stop", None)
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "one two three"}]


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("\u4f60\u597d\u4e16\u754c", 3), ("\udcff" * 4, 1)],
)
def test_estimate(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


def test_chinese_counts_more_per_character_than_english() -> None:
    assert estimate("\u5199\u4e00\u4e2a\u6392\u5e8f\u51fd\u6570" * 100) > 2.5 * estimate("abcdefg" * 100)


def test_messages_count_their_calls_reasoning_and_tools() -> None:
    plain = estimate_messages([{"role": "user", "content": "x" * 400}])
    assert plain == 100 + PER_MESSAGE
    calls = [{"function": {"name": "bash", "arguments": "y" * 400}}]
    assert estimate_messages([{"role": "assistant", "content": None, "tool_calls": calls}]) >= 100
    assert estimate_messages([{"role": "assistant", "content": "", "reasoning_content": "z" * 400}]) >= 100
    assert estimate_messages([{"role": "user", "content": [{"type": "text", "text": "x" * 400}]}]) >= 100
    sealed = [{"type": "reasoning", "encrypted_content": "g" * 500}, {"encrypted_content": 5}, "x"]
    assert estimate_messages([{"role": "assistant", "content": "", "response_items": sealed}]) >= 100
    assert estimate_messages([], [{"function": {"description": "d" * 400}}]) >= 100


async def test_the_vocabulary_counts_and_is_loaded_once() -> None:
    loads: list[str] = []

    def load() -> Callable[[str], int]:
        loads.append(threading.current_thread().name)
        return words

    counter = TokenCounter(load)
    usages = await asyncio.gather(*(counter.usage(MESSAGES, None, ANSWER) for _ in range(5)))
    assert loads == ["tiktoken"], "in a thread of its own, once"
    assert {(u.input, u.output, u.reasoning, u.calls, u.estimated) for u in usages} == {
        (3 + PER_MESSAGE, 3, 1, 1, True)
    }


async def test_a_failed_load_is_remembered_and_estimates_take_over() -> None:
    loads: list[int] = []

    def load() -> Callable[[str], int]:
        loads.append(1)
        raise OSError("blocked")

    counter = TokenCounter(load)
    for _ in range(3):
        usage = await counter.usage(MESSAGES, None, ANSWER)
        assert usage.estimated
        assert usage.input == estimate_messages(MESSAGES)
    assert loads == [1]


async def test_a_hanging_load_is_given_up_once_and_not_waited_for_again() -> None:
    release = threading.Event()

    def load() -> Callable[[str], int]:
        release.wait(60)
        return words

    counter = TokenCounter(load, load_timeout=1.0)
    before = time.monotonic()
    for _ in range(50):
        assert (await counter.usage(MESSAGES, None, ANSWER)).input == estimate_messages(MESSAGES)
    assert time.monotonic() - before < 40, "50 waits would take 50 s"
    release.set()


def test_a_hanging_load_does_not_keep_the_process_alive() -> None:
    script = (
        "import asyncio, time\n"
        "from agentbatch.model.tokens import TokenCounter\n"
        "from agentbatch.model.answer.answer import Answer\n"
        "counter = TokenCounter(lambda: time.sleep(600), load_timeout=0.05)\n"
        "asyncio.run(counter.usage([], None, Answer('x', (), '', 'stop', None)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=300, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


async def test_very_long_texts_are_estimated_without_the_vocabulary() -> None:
    counter = TokenCounter(lambda: words)
    long = [{"role": "user", "content": "a" * 1_000_000}]
    assert (await counter.usage(long, None, ANSWER)).input == 250_000 + PER_MESSAGE
