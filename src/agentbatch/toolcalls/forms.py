"""Implements the model client's `ToolForms`: the two text protocols, and calls that weak models write as text instead
of using native tool calls."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from agentbatch.model.answer.answer import Answer, new_call_id
from agentbatch.model.capabilities import ToolMode
from agentbatch.model.reply import Message, ToolCall, ToolSpec
from agentbatch.model.request.request import Schema
from agentbatch.patterns import regex
from agentbatch.toolcalls import json_actions
from agentbatch.toolcalls.blocks import rendering as blocks
from agentbatch.toolcalls.blocks.calls import find_blocks
from agentbatch.toolcalls.blocks.fences import RESULT
from agentbatch.toolcalls.blocks.whole_file import ReplyContext
from agentbatch.toolcalls.json_actions import tool_names
from agentbatch.toolcalls.json_calls import TextCalls, find_calls
from agentbatch.toolcalls.markup_calls import find_markup
from agentbatch.toolcalls.offered import as_offered
from agentbatch.toolcalls.python_calls import find_python

_MADE_UP = regex(rf"^{RESULT.pattern}", re.MULTILINE)


class TextForms:
    """Blocks of text (`text` mode), and JSON actions (`schema` mode)."""

    stop: Sequence[str] = blocks.STOP

    def action_schema(self, tools: Sequence[ToolSpec]) -> Schema:
        return "action", json_actions.action_schema(tools)

    def render(self, history: list[Message], tools: Sequence[ToolSpec], mode: ToolMode) -> list[Message]:
        render = json_actions.render if mode == "schema" else blocks.render
        return render(history, tools)

    def read(
        self,
        answer: Answer,
        tools: Sequence[ToolSpec] | None,
        mode: ToolMode,
        messages: Sequence[Message],
    ) -> Answer:
        return with_text_calls(answer, tools, mode, messages)


def with_text_calls(
    answer: Answer, tools: Sequence[ToolSpec] | None, mode: ToolMode, messages: Sequence[Message] = ()
) -> Answer:
    """The answer to `messages` with the tool calls found in its text.

    In `native` mode text counts only when the message ends with the call: a call followed by more text was an example.
    Native calls are those of the tools that are offered, whatever a server has left in their names.
    """
    if not tools or answer.finish_reason == "content_filter":
        return answer
    if answer.tool_calls:
        return replace(answer, tool_calls=as_offered(answer.tool_calls, tools))
    if not answer.content:
        return _called_in_thoughts(answer, tools) if mode == "native" else answer
    names = tool_names(tools)
    content = answer.content
    if mode == "text":
        blocks = find_blocks(content, names, ReplyContext(messages))
        if blocks is not None:
            calls = [(name, json.dumps(arguments, ensure_ascii=False)) for name, arguments in blocks.calls]
            if blocks.open_call is not None and answer.finish_reason == "length":
                name, arguments = calls[blocks.open_call]
                calls[blocks.open_call] = (
                    name,
                    arguments[:-2],
                )  # cut off like the text: invalid, never executed
            return _with(answer, calls, blocks.prose)
    if mode != "native":
        made_up = _MADE_UP.search(content)
        content = content[: made_up.start()] if made_up is not None else content
    found = _found(content, tools)
    if found is None or (mode == "native" and not found.ends_with_call):
        return answer
    return _with(answer, found.calls, found.prose)


def _called_in_thoughts(answer: Answer, tools: Sequence[ToolSpec]) -> Answer:
    """A model that ended with a call before it had closed its thoughts: its server takes the call for one of them
    (vllm-project/vllm-ascend #8042, QwenLM/Qwen3 #1459)."""
    found = _found(answer.reasoning, tools) if answer.finish_reason != "length" else None
    return _with(answer, found.calls, "") if found is not None and found.ends_with_call else answer


def _found(text: str, tools: Sequence[ToolSpec]) -> TextCalls | None:
    """Markup, JSON or Python, whichever begins first: what is inside of another is content."""
    found = find_markup(text, tools), find_calls(text, tool_names(tools)), find_python(text, tools)
    return min((calls for calls in found if calls is not None), key=lambda calls: calls.start, default=None)


def _with(answer: Answer, calls: Sequence[tuple[str, str]], prose: str) -> Answer:
    made = tuple(ToolCall(new_call_id(), name, arguments) for name, arguments in calls)
    return replace(answer, content=prose, tool_calls=made)
