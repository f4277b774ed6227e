"""The request body of one call, for what the endpoint's model can do. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from agentbatch.model.answer.answer import Answer
from agentbatch.model.capabilities import Capabilities, ToolMode
from agentbatch.model.reply import Message, ToolSpec
from agentbatch.model.request.cache_marks import marked
from agentbatch.model.request.history import has_calls, shaped, with_empty_content, without_fields
from agentbatch.model.request.tool_schemas import plain_tools

Schema = tuple[str, dict[str, Any]]
"""A name and a JSON schema for the answer."""


class ToolForms(Protocol):
    """How tool calls are written and read as text (tool modes other than `native`). `agentbatch.toolcalls` implements
    it; the model client does not know how. Pure."""

    @property
    def stop(self) -> Sequence[str]:
        """Where a reply in `text` mode may be cut off."""
        ...

    def action_schema(self, tools: Sequence[ToolSpec]) -> Schema:
        """The schema of one call, in `schema` mode."""
        ...

    def render(self, history: list[Message], tools: Sequence[ToolSpec], mode: ToolMode) -> list[Message]:
        """The history with its tool calls as text and the tools described."""
        ...

    def read(
        self,
        answer: Answer,
        tools: Sequence[ToolSpec] | None,
        mode: ToolMode,
        messages: Sequence[Message],
    ) -> Answer:
        """The answer to `messages` with the tool calls found in its text."""
        ...


NO_FORMS = "the endpoint was opened without forms for tools in text"


class NativeOnly:
    """For clients that offer no tools: nothing is rendered, nothing read."""

    stop: Sequence[str] = ()

    def action_schema(self, tools: Sequence[ToolSpec]) -> Schema:
        raise ValueError(NO_FORMS)

    def render(self, history: list[Message], tools: Sequence[ToolSpec], mode: ToolMode) -> list[Message]:
        if tools:
            raise ValueError(NO_FORMS)
        return history

    def read(
        self,
        answer: Answer,
        tools: Sequence[ToolSpec] | None,
        mode: ToolMode,
        messages: Sequence[Message],
    ) -> Answer:
        return answer


NATIVE_ONLY = NativeOnly()


def build_body(
    model: str,
    messages: Sequence[Message],
    capabilities: Capabilities,
    *,
    tools: Sequence[ToolSpec] | None = None,
    schema: Schema | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    max_output_tokens: int | None = None,
    reasoning_effort: str | None = None,
    forms: ToolForms = NATIVE_ONLY,
) -> dict[str, Any]:
    """The body as a dict. History messages are passed on unchanged except for what the endpoint cannot accept."""
    history = list(messages)
    if tools and not capabilities.tool_limits:
        tools = plain_tools(tools)
    body: dict[str, Any] = {"model": model}
    wanted = schema
    if not tools and "tools_with_calls" in capabilities.history_rules and has_calls(history):
        history = forms.render(history, (), "text")
    elif capabilities.tool_mode != "native":
        history = _in_text(history, capabilities, tools or (), forms)
        if tools and capabilities.tool_mode == "schema":
            wanted = schema or forms.action_schema(tools)
        elif tools and capabilities.stop:
            body["stop"] = list(forms.stop)
    if wanted is not None:
        form = response_format(wanted, capabilities)
        if form is not None:
            body["response_format"] = form
    if schema is not None and capabilities.output_form != "json_schema":
        history = asking_for(schema, history)
    shaped = accepted(history, capabilities)
    body["messages"] = marked(shaped, capabilities.cache_marks, grows=bool(tools))
    if tools and capabilities.tool_mode == "native":
        body["tools"] = list(tools)
        if capabilities.parallel_tool_calls:
            body["parallel_tool_calls"] = True
    if temperature is not None and capabilities.temperature:
        body["temperature"] = temperature
    if seed is not None and capabilities.seed:
        body["seed"] = seed
    if max_output_tokens is not None and capabilities.output_limits:
        most = capabilities.output_cap or max_output_tokens
        body[capabilities.output_limits[0]] = min(max_output_tokens, most)
    if reasoning_effort is not None and capabilities.reasoning_effort:
        body["reasoning_effort"] = reasoning_effort
    if capabilities.streams:
        body["stream"] = True
        if capabilities.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return body


def encode_body(body: dict[str, Any]) -> bytes:
    """UTF-8 JSON. Half a surrogate pair, as in some file names and cut texts, becomes a question mark."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def response_format(schema: Schema, capabilities: Capabilities) -> dict[str, Any] | None:
    """The `response_format` for the current output form."""
    name, document = schema
    if capabilities.output_form == "json_schema":
        described = {"name": name, "schema": document, "strict": _can_be_strict(document)}
        return {"type": "json_schema", "json_schema": described}
    return {"type": "json_object"} if capabilities.output_form == "json_object" else None


def accepted(messages: Sequence[Message], capabilities: Capabilities) -> list[Message]:
    """The history as the endpoint takes it."""
    history = list(messages)
    form = capabilities.empty_contents[0]
    if form != "null":
        history = with_empty_content(history, form)
    history = shaped(history, capabilities.history_rules)
    if capabilities.refused_fields:
        history = without_fields(history, capabilities.refused_fields)
    return history if capabilities.system else fold_system(history)


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """The system messages' text in front of the first user message, for models without a system role."""
    texts = [m.get("content") for m in messages if m.get("role") == "system" and m.get("content")]
    if not all(isinstance(text, str) for text in texts):
        return list(messages)  # somebody else's, in parts
    system = "\n\n".join(str(text) for text in texts)
    rest = [m for m in messages if m.get("role") != "system"]
    if not system:
        return rest
    for place, message in enumerate(rest):
        if message.get("role") == "user" and isinstance(message.get("content"), str):
            rest[place] = {**message, "content": f"{system}\n\n{message['content']}"}
            return rest
    return [{"role": "user", "content": system}, *rest]


def _in_text(
    history: list[Message], capabilities: Capabilities, tools: Sequence[ToolSpec], forms: ToolForms
) -> list[Message]:
    """The history with tool calls as text; also where no tools are offered but the history contains calls."""
    if not tools and not any(message.get("tool_calls") for message in history):
        return history
    return forms.render(history, tools, capabilities.tool_mode)


def asking_for(schema: Schema, messages: list[Message]) -> list[Message]:
    """The schema at the end of the last user message. Some servers insist on the word JSON there."""
    instruction = (
        "Answer with one JSON object and nothing else. It must match this JSON schema:\n"
        + json.dumps(schema[1], ensure_ascii=False)
    )
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if message.get("role") == "user" and isinstance(message.get("content"), str):
            extended = {**message, "content": f"{message['content']}\n\n{instruction}"}
            return [*messages[:place], extended, *messages[place + 1 :]]
    return [*messages, {"role": "user", "content": instruction}]


def _can_be_strict(schema: Any) -> bool:
    """OpenAI's strict mode needs every object closed and every property required; others ignore the flag."""
    if isinstance(schema, list):
        return all(_can_be_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        names = set(properties or {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != names:
            return False
    return all(_can_be_strict(value) for value in schema.values())
