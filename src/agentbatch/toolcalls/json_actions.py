"""Tools for an endpoint without native tool calls that can enforce a JSON schema: described in the prompt, called by
one JSON object, answered in text.

Rendering is a pure function of the history, message by message, so that each request still extends the last one and
prefix caches keep working. json_calls.py reads the calls out of a reply.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from agentbatch.model.reply import Message, ToolSpec

INSTRUCTIONS = """\
You work by calling tools. To call one, answer with one JSON object and nothing else:
{{"tool": "<name>", "arguments": {{<the tool's arguments>}}}}
One call an answer; its result comes back in the next message. The tools, with the JSON schema of their
arguments: {tools}"""


def tool_names(tools: Sequence[ToolSpec]) -> frozenset[str]:
    return frozenset(spec["function"]["name"] for spec in tools)


def instructions(tools: Sequence[ToolSpec]) -> str:
    """The description of the tools in the prompt."""
    return INSTRUCTIONS.format(tools="\n".join(described(spec["function"]) for spec in tools))


def action_schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The JSON schema of one call, for endpoints that enforce it."""
    return {"anyOf": [_action(spec["function"]) for spec in tools]}


def render(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
    """The history without `tool_calls` and `tool` messages, and with the tools described in the system
    message."""
    return render_with(messages, instructions(tools) if tools else "", _written)


def render_with(
    messages: Sequence[Message], tools_text: str, written: Callable[[str, Any], str]
) -> list[Message]:
    """The history as plain text: calls as `written(name, arguments)`, results as user messages, and `tools_text`
    after the system message.

    Adjacent user messages are joined: many chat templates require user and assistant to alternate.
    """
    names: dict[str, str] = {}
    rendered: list[Message] = []
    for message in messages:
        plain = _plain(message, names, written)
        last = rendered[-1] if rendered else None
        if last is not None and last["role"] == plain["role"] == "user" and _are_texts(last, plain):
            rendered[-1] = {**last, "content": f"{last['content']}\n\n{plain['content']}"}
        else:
            rendered.append(plain)
    if not tools_text:
        return rendered
    if rendered and rendered[0].get("role") == "system" and isinstance(rendered[0].get("content"), str):
        return [{**rendered[0], "content": f"{rendered[0]['content']}\n\n{tools_text}"}, *rendered[1:]]
    return [{"role": "system", "content": tools_text}, *rendered]


def _plain(message: Message, names: dict[str, str], written: Callable[[str, Any], str]) -> Message:
    role = message.get("role")
    if role == "tool":
        name = names.get(str(message.get("tool_call_id")), "the tool")
        return {"role": "user", "content": f"[Result of {name}]\n{message.get('content') or '(nothing)'}"}
    calls = message.get("tool_calls")
    if role != "assistant" or not calls:
        return message
    lines = [str(message.get("content") or "")]
    for call in calls:
        function = call.get("function") or {}
        name = str(function.get("name", ""))
        names[str(call.get("id"))] = name
        arguments = function.get("arguments")
        lines.append(written(name, {} if arguments is None else parsed_arguments(arguments)))
    kept = {key: value for key, value in message.items() if key not in ("tool_calls", "content")}
    return {**kept, "content": "\n".join(line for line in lines if line)}


def _written(name: str, arguments: Any) -> str:
    return json.dumps({"tool": name, "arguments": arguments}, ensure_ascii=False)


def parsed_arguments(arguments: Any) -> Any:
    """Of a call; an earlier broken one stays the text that it was, also where the history had to wrap it
    (`invalid_json`)."""
    if not isinstance(arguments, str):
        return arguments
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(parsed, dict) and set(parsed) == {"invalid_json"}:
        return parsed["invalid_json"]
    return parsed


def _are_texts(*messages: Message) -> bool:
    return all(isinstance(message.get("content"), str) for message in messages)


def described(function: dict[str, Any]) -> str:
    parameters = json.dumps(function.get("parameters") or {}, ensure_ascii=False)
    return f"- {function['name']}: {function.get('description', '')}\n  {parameters}"


def _action(function: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "tool": {"type": "string", "enum": [function["name"]]},
            "arguments": function.get("parameters") or {"type": "object"},
        },
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }
