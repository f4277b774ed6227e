"""Native calls as calls of the tools that are offered: what stands round their names is taken off. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agentbatch.files import json_object
from agentbatch.model.answer.answer import MAX_CALLS, new_call_id
from agentbatch.model.reply import ToolCall, ToolSpec
from agentbatch.patterns import regex

PARALLEL = "multi_tool_use.parallel"
"""A tool of OpenAI's own that its models call though nobody offers it (PrefectHQ/ControlFlow #107)."""

MAX_NAME = 300
"""Characters of a name that is looked at; a longer one is none of a tool's."""

WRAPPERS = ("arguments", "parameters", "args", "input")

_LEAKED = regex(
    r"<[|｜].*\Z"  # gpt-oss behind vLLM and Cerebras: `bash<|channel|>commentary` (vllm-project/vllm #35906)
    r"|\A(?:functions|default_api|tools?|to=functions)[.:/]"  # OpenAI's namespace, Gemini's
    r"|:\d{1,4}\Z",  # Kimi K2: `functions.bash:0`
    re.DOTALL,
)


def as_offered(calls: Sequence[ToolCall], tools: Sequence[ToolSpec]) -> tuple[ToolCall, ...]:
    """The calls, each with the name of a tool that is offered where one stands in it."""
    offered = {tool["function"]["name"]: tool for tool in tools}
    if all(call.name in offered and not _wrapped(call.arguments) for call in calls):
        return tuple(calls)
    made = [one for call in calls for one in _together(call, offered)]
    return tuple(_unwrapped(_named(call, offered), offered) for call in made[:MAX_CALLS])


def _named(call: ToolCall, offered: Mapping[str, ToolSpec]) -> ToolCall:
    name = call.name if len(call.name) <= MAX_NAME else ""
    while name and name not in offered and (bare := _LEAKED.sub("", name, count=1).strip()) != name:
        name = bare
    return replace(call, name=name) if name in offered else call


def _together(call: ToolCall, offered: Mapping[str, ToolSpec]) -> Sequence[ToolCall]:
    """The calls in one of PARALLEL."""
    if call.name != PARALLEL or PARALLEL in offered:
        return (call,)
    uses = (json_object(call.arguments) or {}).get("tool_uses")
    found = [
        ToolCall(new_call_id(), str(use["recipient_name"]), json.dumps(use["parameters"], ensure_ascii=False))
        for use in (uses if isinstance(uses, list) else [])
        if isinstance(use, dict) and use.get("recipient_name") and isinstance(use.get("parameters"), dict)
    ]
    return found or (call,)


def _wrapped(arguments: str) -> bool:
    return arguments.lstrip("{ \n\t").startswith(tuple(f'"{name}"' for name in WRAPPERS))


def _unwrapped(call: ToolCall, offered: Mapping[str, ToolSpec]) -> ToolCall:
    """The arguments of a call that has them inside of an object of its own: `{"arguments": {...}}`."""
    given = json_object(call.arguments) if _wrapped(call.arguments) else None
    if given is None or len(given) != 1 or call.name not in offered:
        return call
    name, inner = next(iter(given.items()))
    takes = (offered[call.name]["function"].get("parameters") or {}).get("properties") or {}
    if name in takes or not isinstance(inner, dict):
        return call
    return replace(call, arguments=json.dumps(inner, ensure_ascii=False))
