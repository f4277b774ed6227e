"""Reads a chat completion defensively: the body of a 200 is untrusted input."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agentbatch.files import parse_json
from agentbatch.model.answer.call_arguments import call_arguments
from agentbatch.model.answer.carried import carried, carried_by_call
from agentbatch.model.answer.finish_reasons import GAVE_UP, finish_reason
from agentbatch.model.answer.reported_usage import read_usage
from agentbatch.model.refusals.server_error import ServerError, error_in
from agentbatch.model.reply import ToolCall
from agentbatch.model.request.history import ID_LENGTH, LETTERS
from agentbatch.text import random_letters
from agentbatch.usage import Usage

STATUS_OF: Mapping[str, int] = {
    # OpenAI, and Anthropic's types
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "invalid_request_error": 400,
    "content_policy_violation": 400,
    "content_filter": 400,
    "context_length_exceeded": 400,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "api_error": 500,
    "server_error": 500,
    "overloaded_error": 503,
    # Google's (google.rpc.Code)
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    # Bedrock's exceptions, vLLM's and FastAPI's classes
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ThrottlingException": 429,
    "ServiceUnavailableException": 503,
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "NotFoundError": 404,
    "RateLimitError": 429,
    "InternalServerError": 500,
}
"""The HTTP status that goes with an error's code or type."""

STATUS_FIELDS = ("code", "status", "statuscode", "httpstatus", "httpstatuscode", "httpcode", "errorcode")
"""Names of fields, as `Field` has them, in which gateways put the status of the provider behind them: Azure's `status`,
OpenRouter's `code`, LiteLLM's `status_code`."""


class GarbageError(ValueError):
    """A 200 without an answer. The text says what it contains instead."""


class CutError(Exception):
    """An answer that broke off before its end. Never treated as a short answer: the request has to be sent again."""


class RefusedError(Exception):
    """An error object inside a 200."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class Answer:
    """The first choice of a completion. `usage` is None where the endpoint sent none that makes sense."""

    content: str
    tool_calls: tuple[ToolCall, ...]
    reasoning: str
    finish_reason: str
    usage: Usage | None
    carried: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the message that go back with the history as they came."""


def read_answer(body: bytes) -> Answer:
    """The answer in a 200's body. Raises GarbageError or RefusedError."""
    try:
        document = parse_json(body)
    except ValueError:
        raise GarbageError(f"not JSON but {_glimpse(body)}") from None
    choices = document.get("choices") if isinstance(document, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choices, list):
        raise_error(document)
        if is_blocked(document):
            return answer_of({}, "content_filter", read_usage(document.get("usage")))
        raise GarbageError("a document without choices")
    raise_error({"error": choice.get("error")})
    message, reason = choice.get("message"), reason_of(choice)
    if not isinstance(message, dict):
        if reason not in WITHOUT_MESSAGE:
            raise GarbageError("a choice without a message")
        message = {}
    return answer_of(_with_calls_of(message, choices[1:]), reason, read_usage(document.get("usage")))


def _with_calls_of(message: dict[str, Any], others: list[Any]) -> dict[str, Any]:
    """One choice is all that we ask for: of several the first has the words and another the calls (Claude at GitHub
    Copilot, copilot-api #81)."""
    for other in others if not message.get("tool_calls") else []:
        beside = other.get("message") if isinstance(other, dict) else None
        if isinstance(beside, dict) and beside.get("tool_calls"):
            return {**message, "tool_calls": beside["tool_calls"]}
    return message


ENDS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|endoftext|>", "<|end_of_text|>"),
    *("<|end_of_turn|>", "<end_of_turn>", "</s>", "<｜end▁of▁sentence｜>"),
)
"""What ends a turn in a chat template, left behind by servers (mzau/mlx-knife #20: five models of sixteen)."""

MAX_ENDS = 4
"""Of them that are taken off a reply."""

WITHOUT_MESSAGE = frozenset({"content_filter", "length"})
"""Ends of answers that may have nothing in them: Azure's filter leaves the message out."""


def is_blocked(document: Any) -> bool:
    """Whether the prompt was filtered before there was any choice: Gemini's promptFeedback, which gateways pass on
    (vercel/ai #19758)."""
    if not isinstance(document, dict):
        return False
    feedback = document.get("promptFeedback") or document.get("prompt_feedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason") or feedback.get("block_reason"))


def reason_of(choice: Mapping[str, Any]) -> str:
    """Why a choice ended, in OpenAI's words; empty where it does not say. OpenRouter puts a benign word over the
    provider's own when that has broken down (OleksandrChekhovskyi/hax #15)."""
    native, reason = choice.get("native_finish_reason"), choice.get("finish_reason")
    if isinstance(native, str) and native in GAVE_UP:
        return native
    return finish_reason(reason) if reason else ""  # most chunks have none


def answer_of(message: dict[str, Any], reason: str, usage: Usage | None) -> Answer:
    """The answer in an assistant message. `reason`: why it ended, empty where the server sent none. Raises CutError
    when it says that the server gave up."""
    if reason in GAVE_UP:
        raise CutError(f"the endpoint gave up in the middle of its answer ({reason})")
    calls = _tool_calls(message)
    content, thoughts = split_content(message.get("content"))
    return Answer(
        content=without_end(content) or _string(message.get("refusal")),
        tool_calls=calls,
        reasoning=_string(message.get("reasoning_content")) or _string(message.get("reasoning")) or thoughts,
        finish_reason=reason or ("tool_calls" if calls else "stop"),
        usage=usage,
        carried=carried(message),
    )


def raise_error(document: Any) -> None:
    """Raises RefusedError when the document contains an error."""
    error = error_in(200, document)
    if error is not None:
        raise RefusedError(with_own_status(error))


MAX_CALLS = 128
"""Tool calls taken from one reply. OpenAI's own limit on tools in a request; a reply with more is malformed."""


def _tool_calls(message: dict[str, Any]) -> tuple[ToolCall, ...]:
    """The calls that name a function. Missing or duplicate ids are replaced: each call is answered exactly
    once."""
    raw = message.get("tool_calls")
    items = raw if isinstance(raw, list) else []
    if not items and isinstance(message.get("function_call"), dict):
        items = [{"function": message["function_call"]}]
    calls: list[ToolCall] = []
    seen: set[str] = set()
    for item in items[:MAX_CALLS]:
        function = item.get("function") if isinstance(item, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name.strip():
            continue
        raw_id = item.get("id")
        call_id = raw_id if isinstance(raw_id, str) and raw_id and raw_id not in seen else new_call_id()
        seen.add(call_id)
        arguments = _arguments(function.get("arguments"))
        calls.append(ToolCall(call_id, name.strip(), arguments, carried_by_call(item)))
    return tuple(calls)


def new_call_id() -> str:
    """In the form that all endpoints take."""
    return random_letters(LETTERS, ID_LENGTH)


def _arguments(raw: Any) -> str:
    """As JSON text; see `call_arguments`."""
    if not isinstance(raw, str):
        return "{}" if raw is None else json.dumps(raw, ensure_ascii=False)
    return call_arguments(raw) if raw.strip() else "{}"


def without_end(text: str) -> str:
    """A reply's text without what ends it in its model's chat template."""
    for _ in range(MAX_ENDS):
        kept = text.rstrip()
        end = next((mark for mark in ENDS if kept.endswith(mark)), "")
        if not end:
            break
        text = kept.removesuffix(end).rstrip()
    return text


def split_content(raw: Any) -> tuple[str, str]:
    """Text and reasoning of a `content` that may be a string, null, or a list of parts."""
    if isinstance(raw, str):
        return raw, ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in raw if isinstance(raw, list) else []:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            texts.append(_string(part.get("text")))
            thinking = part.get("thinking")  # Mistral: a list of parts again
            thoughts.append(thinking if isinstance(thinking, str) else split_content(thinking)[0])
    return "".join(texts), "".join(thoughts)


def with_own_status(error: ServerError) -> ServerError:
    """The error with the status of the provider behind the 200: aggregators put it into the code, others send a code
    or type that always goes with the same status."""
    given = [error.code, error.type, *(one.value for one in error.fields if one.name in STATUS_FIELDS)]
    numbers = (int(one) for one in given if one.isascii() and one.isdecimal() and len(one) == 3)
    status = next((number for number in numbers if 400 <= number <= 599), 0)
    named = STATUS_OF.get(error.code) or STATUS_OF.get(error.type)
    return replace(error, status=status or named or error.status)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _glimpse(body: bytes) -> str:
    start = body[:200].decode("utf-8", "replace").strip()
    return repr(start[:60]) if start else "an empty body"
