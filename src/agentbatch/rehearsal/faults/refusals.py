"""The 400s of endpoints that do not support a parameter, with OpenAI's messages."""

import itertools
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple

Refusal = Literal[
    "tools",
    "parallel_tool_calls",
    "json_schema",
    "json_object",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "reasoning_content",
    "system",
    "user_after_tool",
    "empty_content",
    "long_ids",
    "calls_without_tools",
    "unsigned_calls",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "whole",
    "chat",
    "responses",
    "include",
    "max_output_tokens",
]
"""What gets a 400 when a request contains it; `whole`: when it does not request a stream; `chat`, `responses`: a 404
when it comes by this API."""

Dialect = Literal["openai", "vllm", "llama.cpp", "ollama", "deepseek"]
"""Shape and wording of the errors: they differ, and a client has to understand them all."""

Body = Mapping[str, Any]


class Problem(NamedTuple):
    """One API error: the members of OpenAI's {"error": {...}}, and the HTTP status."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None


def error_body(problem: Problem, dialect: Dialect = "openai") -> dict[str, Any]:
    """The error as the dialect's server writes it."""
    status, message, kind, param, code = problem
    if dialect == "vllm":
        kind = "BadRequestError" if status == 400 else kind
        return {"object": "error", "message": message, "type": kind, "param": None, "code": status}
    if dialect == "llama.cpp":
        return {"error": {"code": status, "message": message, "type": kind}}
    if dialect == "ollama":
        return {"error": {"message": message, "type": "api_error", "param": None, "code": None}}
    if dialect == "deepseek":
        return {"error": {"message": message, "type": kind, "param": None, "code": code or kind}}
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


_MESSAGES: Mapping[tuple[Dialect, Refusal], str] = {
    (
        "vllm",
        "tools",
    ): '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    ("llama.cpp", "tools"): "tools param requires --jinja flag",
    ("ollama", "tools"): "registry.ollama.ai/library/{model} does not support tools",
    ("llama.cpp", "stream"): "Cannot use tools with stream",
    ("deepseek", "json_schema"): "This response_format type is unavailable now",
}
"""Actual messages of these servers, from their issue trackers; otherwise OpenAI's are used."""


def find_refused(body: Body, refuse: Collection[Refusal], dialect: Dialect = "openai") -> Problem | None:
    """The first refusal of a request; None when it contains nothing that is refused."""
    for refusal in refuse:
        problem = _CHECKS[refusal](body)
        if problem:
            words = _MESSAGES.get((dialect, refusal))
            if words is None:
                return problem
            return Problem(400, words.replace("{model}", str(body.get("model"))))
    return None


def _parameter(name: str, hint: str = "") -> Callable[[Body], Problem | None]:
    """Refuses a parameter with any value. OpenAI's o-series refuses max_tokens with this message."""

    def check(body: Body) -> Problem | None:
        if body.get(name) is None:
            return None
        message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
        return Problem(400, message, param=name, code="unsupported_parameter")

    return check


def _temperature(body: Body) -> Problem | None:
    """Reasoning models support only the temperature 1."""
    given = body.get("temperature")
    if given is None or given == 1:
        return None
    message = (
        f"Unsupported value: 'temperature' does not support {given} with this model. "
        "Only the default (1) value is supported."
    )
    return Problem(400, message, param="temperature", code="unsupported_value")


def _response_format(kind: str) -> Callable[[Body], Problem | None]:
    def check(body: Body) -> Problem | None:
        text = body.get("text")
        name, wanted = "response_format", body.get("response_format")
        if isinstance(text, dict):
            name, wanted = "text.format", text.get("format")
        if not isinstance(wanted, dict) or wanted.get("type") != kind:
            return None
        message = (
            f"Invalid parameter: '{name}' of type '{kind}' is not supported with this model. "
            "Learn more about supported models at the Structured Outputs guide."
        )
        return Problem(400, message, param=name)

    return check


def _reasoning(body: Body) -> Problem | None:
    for place, message in enumerate(body["messages"]):
        if message.get("reasoning_content") is not None:
            text = f"Unsupported parameter: 'messages[{place}].reasoning_content' is not supported."
            param = f"messages[{place}].reasoning_content"
            return Problem(400, text, param=param, code="unsupported_parameter")
    return None


def _system(body: Body) -> Problem | None:
    """o1-mini had no system role."""
    for place, message in enumerate(body["messages"]):
        if message.get("role") == "system":
            text = f"Unsupported value: 'messages[{place}].role' does not support 'system' with this model."
            return Problem(400, text, param=f"messages[{place}].role", code="unsupported_value")
    return None


def _user_after_tool(body: Body) -> Problem | None:
    """Mistral's order (zed #37021)."""
    roles = [message.get("role") for message in body["messages"]]
    if ("tool", "user") not in itertools.pairwise(roles):
        return None
    message = "Unexpected role 'user' after role 'tool'"
    return Problem(400, message, "invalid_request_message_order", code="3230")


def _empty_content(body: Body) -> Problem | None:
    """Bedrock's gateways (vercel/ai #13523)."""
    for place, message in enumerate(body["messages"]):
        if isinstance(message.get("content"), str) and not message["content"].strip():
            text = f"The text field in the ContentBlock object at messages.{place}.content.0 is blank."
            return Problem(400, f"{text} Add text to the text field, and try again.")
    return None


def _long_ids(body: Body) -> Problem | None:
    """Mistral's ids (eca #233)."""
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            if len(call["id"]) != 9 or not call["id"].isalnum():
                text = f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9."
                return Problem(400, text, "invalid_function_call", code="3280")
    return None


def _calls_without_tools(body: Body) -> Problem | None:
    """LiteLLM in front of Anthropic and Bedrock (anomalyco/opencode #2915)."""
    if body.get("tools") or not any(message.get("tool_calls") for message in body["messages"]):
        return None
    text = "litellm.UnsupportedParamsError: Bedrock doesn't support tool calling without `tools=` param specified."
    return Problem(400, text)


def _unsigned_calls(body: Body) -> Problem | None:
    """Gemini 3 (openai-python #2758)."""
    for place, message in enumerate(body["messages"]):
        calls = message.get("tool_calls") or ()
        if calls and "thought_signature" not in str(calls[0].get("extra_content")):
            name = calls[0]["function"]["name"]
            text = "Function call is missing a thought_signature in functionCall parts. Additional data, function call "
            return Problem(400, f"{text}`default_api:{name}` , position {place}.")
    return None


def _stream(body: Body) -> Problem | None:
    if not body.get("stream"):
        return None
    message = "Unsupported value: 'stream' does not support true with this model."
    return Problem(400, message, param="stream", code="unsupported_value")


def _whole(body: Body) -> Problem | None:
    """Alibaba's Model Studio, for its models that only stream."""
    if body.get("stream"):
        return None
    message = "This model only support stream mode, please enable the stream parameter to access the model. "
    return Problem(400, message, code="invalid_parameter_error")


def _chat(body: Body) -> Problem | None:
    """OpenAI's pro models (n8n-io/n8n #18352)."""
    message = "This model is only supported in v1/responses and not in v1/chat/completions."
    return None if "input" in body else Problem(404, message, param="model")


def _responses(body: Body) -> Problem | None:
    return Problem(404, "Invalid URL (POST /v1/responses)") if "input" in body else None


def _include(body: Body) -> Problem | None:
    """OpenAI's models that do not reason (OpenHands/OpenHands #11406)."""
    message = "Encrypted content is not supported with this model."
    return Problem(400, message, param="include") if body.get("include") else None


_CHECKS: Mapping[Refusal, Callable[[Body], Problem | None]] = {
    "tools": _parameter("tools"),
    "parallel_tool_calls": _parameter("parallel_tool_calls"),
    "json_schema": _response_format("json_schema"),
    "json_object": _response_format("json_object"),
    "temperature": _temperature,
    "max_tokens": _parameter("max_tokens", " Use 'max_completion_tokens' instead."),
    "max_completion_tokens": _parameter("max_completion_tokens", " Use 'max_tokens' instead."),
    "reasoning_content": _reasoning,
    "system": _system,
    "user_after_tool": _user_after_tool,
    "empty_content": _empty_content,
    "long_ids": _long_ids,
    "calls_without_tools": _calls_without_tools,
    "unsigned_calls": _unsigned_calls,
    "seed": _parameter("seed"),
    "stop": _parameter("stop"),
    "stream": _stream,
    "stream_options": _parameter("stream_options"),
    "whole": _whole,
    "chat": _chat,
    "responses": _responses,
    "include": _include,
    "max_output_tokens": _parameter("max_output_tokens"),
}
