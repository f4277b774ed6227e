"""What came back for a request: the whole document, and the little of it that we read. Untrusted throughout."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentbatch.files import parse_json
from agentbatch.model.answer.answer import (
    WITHOUT_MESSAGE,
    Answer,
    CutError,
    GarbageError,
    RefusedError,
    is_blocked,
    raise_error,
    reason_of,
    split_content,
    without_end,
)
from agentbatch.model.answer.finish_reasons import GAVE_UP, finish_reason
from agentbatch.model.answer.reported_usage import usage_of
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.failure import Failure
from agentbatch.model.responses.form import ResponsesForm
from agentbatch.model.stream.stream import StreamedAnswer, read_completion
from agentbatch.requests.spec.request import CHAT, Url
from agentbatch.usage import Usage

LISTS: Mapping[Url, str] = {
    "/v1/chat/completions": "choices",
    "/v1/completions": "choices",
    "/v1/embeddings": "data",
    "/v1/responses": "output",
}
"""Where each endpoint's answers have what was asked for; an answer without it is invalid."""


@dataclass(frozen=True)
class Document:
    """A 200's body, read."""

    body: dict[str, Any]
    usage: Usage | None
    """None where the endpoint gave no counts that make sense."""


def read_document(url: Url, body: bytes) -> Document:
    """Raises GarbageError, RefusedError (an error object inside) or CutError (the server gave up)."""
    try:
        document = parse_json(body)
    except ValueError:
        if url == CHAT:
            return streamed_document(read_completion(body))
        raise GarbageError(f"not JSON but {body[:80].decode('utf-8', 'replace')!r}") from None
    if not isinstance(document, dict):
        raise GarbageError(f"a {type(document).__name__} where an object is wanted")
    answers = document.get(LISTS[url])
    if url == "/v1/responses":
        ResponsesForm().whole(document)
    if (not isinstance(answers, list) or not answers) and document.get("status") != "incomplete":
        raise_error(document)
        if url != CHAT or not is_blocked(document):
            raise GarbageError(f"a document without {LISTS[url]}")
        answers = [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "content_filter"}]
        document = {**document, "choices": answers}
    first = answers[0] if answers and isinstance(answers[0], dict) else {}
    reason = reason_of(first)
    if reason in GAVE_UP:
        raise CutError(f"the endpoint gave up in the middle of its answer ({reason})")
    if url == CHAT and not isinstance(first.get("message"), dict):
        raise_error({"error": first.get("error")})
        if reason not in WITHOUT_MESSAGE:
            raise GarbageError("a choice without a message")
    return Document(document, usage_of(document.get("usage")))


def document_or_failure(url: Url, body: bytes) -> Document | Failure:
    """Of a 200."""
    return _or_failure(lambda: read_document(url, body))


def streamed_or_failure(reader: StreamedAnswer) -> Document | Failure:
    """Of a 200 that streamed to its end."""
    return _or_failure(lambda: streamed_document(reader.answer()))


def _or_failure(read: Callable[[], Document]) -> Document | Failure:
    try:
        return read()
    except (CutError, GarbageError, RefusedError) as error:
        return failures.failure_of(error, time.time())


def streamed_document(answer: Answer) -> Document:
    """A streamed answer as the document that a whole one is."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.content or None, **answer.carried}
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for one in answer.tool_calls
        ]
    choice = {"index": 0, "finish_reason": answer.finish_reason, "message": message}
    body: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
    usage = answer.usage
    if usage is not None:
        body["usage"] = {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.total,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        }
    return Document(body, usage)


def text_of(url: Url, body: Mapping[str, Any]) -> str:
    """The text of the first answer; empty where there is none."""
    answers = body.get(LISTS[url])
    if not isinstance(answers, list) or not answers:
        return ""
    if url == "/v1/responses":
        return "".join(_output_texts(answers))
    first = answers[0]
    if not isinstance(first, dict):
        return ""
    message = first.get("message")
    text = first.get("text") if url != CHAT else message.get("content") if isinstance(message, dict) else None
    return without_end(split_content(text)[0])


def _output_texts(output: list[Any]) -> Iterator[str]:
    """Of messages; a reasoning item has texts too."""
    for item in output:
        content = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
        for part in content if isinstance(content, list) else []:
            text = part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str):
                yield text


def was_refused(body: Mapping[str, Any]) -> bool:
    """The model declined: a refusal is an answer, but not one to keep for the next who asks."""
    answers = body.get("choices") or body.get("output")
    return isinstance(answers, list) and any(
        _declined(answer) for answer in answers if isinstance(answer, dict)
    )


def _declined(answer: Mapping[str, Any]) -> bool:
    message, content = answer.get("message"), answer.get("content")
    parts = content if isinstance(content, list) else []
    return (
        finish_reason(answer.get("finish_reason")) == "content_filter"
        or (isinstance(message, dict) and bool(message.get("refusal")))
        or any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)
    )
