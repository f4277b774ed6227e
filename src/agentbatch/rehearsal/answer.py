"""Turns a scripted step into the JSON of a chat completion."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.rehearsal.counting import Prompt, text_size, tokens
from agentbatch.rehearsal.quoting import quoted
from agentbatch.rehearsal.script import Say, ScriptedCall


def completion(
    say: Say,
    *,
    number: int,
    created: int,
    model: str,
    step: int,
    native: bool,
    prompt: Prompt,
    first_call: int = 0,
    messages: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The body of a chat completion. `native`: as native tool calls; otherwise as JSON in the content. `first_call`:
    the number in the id of the first call. `messages`: what it answers, which a verdict quotes."""
    if say.verdict is not None:
        say = say.model_copy(update={"verdict": quoted(say.verdict, messages)})
    message = _message(say, step=step, native=native, first_call=first_call)
    body: dict[str, Any] = {
        "id": f"chatcmpl-rehearsal-{number}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": say.finish_reason or ("tool_calls" if "tool_calls" in message else "stop"),
            }
        ],
    }
    if say.usage:
        body["usage"] = _usage(say, message, prompt)
    return body


def _message(say: Say, *, step: int, native: bool, first_call: int) -> dict[str, Any]:
    content: str | None = say.content
    if say.verdict is not None:
        content = json.dumps(say.verdict, ensure_ascii=False)
    elif say.checks is not None:
        content = json.dumps({"checks": say.checks}, ensure_ascii=False)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if say.calls and native:
        message["content"] = content or None
        message["tool_calls"] = [
            {
                "id": f"call_step{step}_{place}",
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call)},
                **({"extra_content": _signed(call)} if call.signature else {}),
            }
            for place, call in enumerate(say.calls, first_call)
        ]
    elif say.calls:
        message["content"] = action(say.calls[0])
    if say.reasoning:
        message["reasoning_content"] = say.reasoning
    return message


def _signed(call: ScriptedCall) -> dict[str, Any]:
    return {"google": {"thought_signature": call.signature}}


def _arguments(call: ScriptedCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return json.dumps(call.arguments, ensure_ascii=False)


def action(call: ScriptedCall) -> str:
    """A tool call as one JSON object. Malformed arguments make it malformed, too."""
    return f'{{"tool": {json.dumps(call.name)}, "arguments": {_arguments(call)}}}'


def _usage(say: Say, message: Mapping[str, Any], prompt: Prompt) -> dict[str, Any]:
    """OpenAI's usage object: cached is part of prompt, reasoning is part of completion."""
    reasoning = tokens(text_size(say.reasoning))
    size = text_size(message["content"])
    for call in message.get("tool_calls", ()):
        size += text_size(call["function"]["name"]) + text_size(call["function"]["arguments"])
    output = reasoning + tokens(size)
    cached = prompt.cached if say.cached_tokens is None else min(say.cached_tokens, prompt.total)
    return {
        "prompt_tokens": prompt.total,
        "completion_tokens": output,
        "total_tokens": prompt.total + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }
