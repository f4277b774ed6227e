"""Calls that were written as text, in each tool mode."""

import json
from typing import Any

import pytest

from agentbatch.files import json_object
from agentbatch.model.answer.answer import Answer
from agentbatch.model.capabilities import TOOL_MODES, ToolMode
from agentbatch.model.reply import ToolCall
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.forms import with_text_calls
from agentbatch.workspace.tools.toolbox import specs

TOOLS = specs(TOOLBOX)
LS = '{"tool": "bash", "arguments": {"command": "ls"}}'
BLOCKS = "I write it.\nFILE: a.py\n```python\nx = 1\n```\n```bash\nls\n```"


def answer(content: str, finish_reason: str = "stop", calls: tuple[ToolCall, ...] = ()) -> Answer:
    return Answer(content, calls, "", finish_reason, None)


def calls_in(read: Answer) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in read.tool_calls]


def test_blocks_are_calls_in_text_mode_only() -> None:
    read = with_text_calls(answer(BLOCKS), TOOLS, "text")
    assert calls_in(read) == [
        ("write_file", {"path": "a.py", "content": "x = 1\n"}),
        ("bash", {"command": "ls"}),
    ]
    assert read.content == "I write it."
    assert len({call.id for call in read.tool_calls}) == 2
    others: tuple[ToolMode, ...] = ("native", "schema")
    for mode in others:
        assert with_text_calls(answer(BLOCKS), TOOLS, mode) == answer(BLOCKS)


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_json_is_a_call_in_every_mode(mode: ToolMode) -> None:
    read = with_text_calls(answer(f"I look.\n{LS}"), TOOLS, mode)
    assert calls_in(read) == [("bash", {"command": "ls"})]
    assert read.content == "I look."


def test_words_behind_json_make_it_an_example_where_there_are_other_ways_to_call() -> None:
    text = f"{LS}\nThis lists the files."
    assert with_text_calls(answer(text), TOOLS, "native") == answer(text)
    assert calls_in(with_text_calls(answer(text), TOOLS, "schema")) == [("bash", {"command": "ls"})]
    assert calls_in(with_text_calls(answer(text), TOOLS, "text")) == [("bash", {"command": "ls"})]


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_what_is_left_alone(mode: ToolMode) -> None:
    own = answer(LS, calls=(ToolCall("1", "bash", "{}"),))
    for given in (
        own,
        answer(""),
        answer("Hello."),
        answer(LS, "content_filter"),
        answer(BLOCKS, "content_filter"),
    ):
        assert with_text_calls(given, TOOLS, mode) == given
    assert with_text_calls(answer(LS), None, mode) == answer(LS)
    assert with_text_calls(answer(LS), [], mode) == answer(LS)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("FILE: a.py\n```python\nprint('a')\nprint('", [False]),
        ("FILE: a.py\n```python\nprint('a')\n", [False]),
        ("FILE: a.py\n```python\nx\n```\nFILE: b.py\n```python\ny\n", [True, False]),
        ("DONE: ok\nFILE: a.py\n```python\nx\n", [False, True]),
        ("```bash\nrm -rf build", [False]),
        ("RUN: rm -rf bui", [False]),
        ("READ: a", [False]),
        ("READ: a.py lines 1-2", [False]),
        ("DONE: It wor", [False]),
        ("FILE: a.py\n```python\nx\n```\nNow I", [True]),
        ("FILE: a.py\n```python\nx\n```\nFILE: b.py\n```pyth", [True]),
    ],
)
def test_what_was_cut_off_is_no_json_and_so_never_carried_out(text: str, whole: list[bool]) -> None:
    cut = with_text_calls(answer(text, "length"), TOOLS, "text")
    assert [json_object(call.arguments) is not None for call in cut.tool_calls] == whole
    stopped = with_text_calls(answer(text, "stop"), TOOLS, "text")
    assert all(json_object(call.arguments) is not None for call in stopped.tool_calls)
    assert [call.name for call in stopped.tool_calls] == [call.name for call in cut.tool_calls]


@pytest.mark.parametrize("finish_reason", ["stop", "length"])
def test_what_the_model_makes_up_as_a_result_is_never_read(finish_reason: str) -> None:
    """Endpoints that take `stop` end the reply there; here is one that does not."""
    made_up = '\n[Result of bash]\na.py\n\n{"tool": "finish", "arguments": {"summary": "ok"}}\nDONE: ok'
    for text in ("```bash\nls\n```", "```bash\nls", LS, "RUN: ls"):
        read = with_text_calls(answer(text + made_up, finish_reason), TOOLS, "text")
        assert calls_in(read) == [("bash", {"command": "ls"})], text
    read = with_text_calls(answer(LS + made_up, finish_reason), TOOLS, "schema")
    assert calls_in(read) == [("bash", {"command": "ls"})]


def test_a_lone_block_is_the_file_of_the_task_in_text_mode() -> None:
    task = [{"role": "user", "content": "Write a.py."}]
    text = "```python\nx = 1\n```\nThat is all."
    assert calls_in(with_text_calls(answer(text), TOOLS, "text", task)) == [
        ("write_file", {"path": "a.py", "content": "x = 1\n"})
    ]
    assert with_text_calls(answer(text), TOOLS, "text") == answer(text)
    assert with_text_calls(answer(text), TOOLS, "native", task) == answer(text)
    cut = with_text_calls(answer(text[:16], "length"), TOOLS, "text", task)
    assert [json_object(call.arguments) is not None for call in cut.tool_calls] == [False]
