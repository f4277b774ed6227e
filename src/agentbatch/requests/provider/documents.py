"""What the service says, of a batch and of each request: read from documents that are not trusted. Pure but for the
reading of files."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentbatch.files import parse_json
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.failure import Failure
from agentbatch.model.http.transport import MAX_BODY, HttpAnswer
from agentbatch.model.refusals.server_error import MAX_MATCHED, ServerError
from agentbatch.patterns import regex
from agentbatch.requests.spec.answers import Document, document_or_failure
from agentbatch.requests.spec.request import Url
from agentbatch.text import clip

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})

MAX_NAME = 200
"""Characters of an id that are believed to be one."""

MAX_REASONS = 3
"""Errors of a refused batch that are reported."""

MAX_LINE = MAX_BODY
"""Bytes; a longer line is refused, as a longer body is."""

NOT_ASKED = frozenset({"batch_expired", "batch_cancelled"})
"""Codes of requests that the service did not get to."""

_CUSTOM_ID = regex(r"r([0-9]{1,18})-([0-9a-f]{16})\Z")


@dataclass(frozen=True)
class BatchRefusal:
    """Why the service did not take a batch."""

    message: str
    line: int | None
    """Of the file, from 1."""


@dataclass(frozen=True)
class ProviderState:
    """A batch, as the service describes it."""

    id: str
    status: str
    """One of the service's words; unknown ones are taken for being under way."""
    completed: int = 0
    failed: int = 0
    output_file: str = ""
    error_file: str = ""
    """Empty where there is none."""
    input_file: str = ""
    refused: tuple[BatchRefusal, ...] = ()

    @property
    def ended(self) -> bool:
        return self.status in ENDED


def name_in(document: Any, field: str) -> str:
    """An id; empty when it is missing or invalid."""
    value = document.get(field) if isinstance(document, dict) else None
    good = isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and value.isascii()
    return (
        value
        if isinstance(value, str) and good and not set(value) & set("/?#% ") and value.strip(".")
        else ""
    )


def read_state(document: Any) -> ProviderState | None:
    """None when it does not describe a batch."""
    own, status = name_in(document, "id"), name_in(document, "status")
    if not own or not status:
        return None
    counts = document.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    return ProviderState(
        id=own,
        status=clip(status, 40),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        output_file=name_in(document, "output_file_id"),
        error_file=name_in(document, "error_file_id"),
        input_file=name_in(document, "input_file_id"),
        refused=_refused(document.get("errors")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def _refused(errors: Any) -> tuple[BatchRefusal, ...]:
    data = errors.get("data") if isinstance(errors, dict) else None
    found = []
    for error in data[:MAX_REASONS] if isinstance(data, list) else []:
        if isinstance(error, dict):
            message, line = error.get("message") or error.get("code"), error.get("line")
            reason = clip(message, 300).rstrip(".") if isinstance(message, str) else "it does not say why"
            found.append(BatchRefusal(reason, line if isinstance(line, int) and line > 0 else None))
    return tuple(found)


@dataclass(frozen=True)
class Answer:
    """What a line says of one request."""

    n: int
    key_start: str
    status: int
    """0 where there is none."""
    request_id: str
    body: Any
    code: str
    message: str
    """Of the service's own error; both empty without one."""

    @property
    def not_asked(self) -> bool:
        return self.code in NOT_ASKED


def read_answers(path: Path) -> Iterator[Answer | None]:
    """The answers of a file, None for each line without one. Raises OSError."""
    with open(path, "rb") as file:
        skipping = False
        while line := file.readline(MAX_LINE):
            whole = line.endswith(b"\n")
            if skipping or (not whole and len(line) == MAX_LINE):
                if not skipping:
                    yield None
                skipping = not whole
            elif line.strip():
                yield answer_of(line)


def answer_of(line: bytes) -> Answer | None:
    """None for what does not answer one of our requests."""
    try:
        document = parse_json(line)
    except ValueError:
        return None
    name = document.get("custom_id") if isinstance(document, dict) else None
    found = _CUSTOM_ID.match(name) if isinstance(name, str) else None
    if found is None:
        return None
    response, error = document.get("response"), document.get("error")
    response = response if isinstance(response, dict) else {}
    error = error if isinstance(error, dict) else {}
    status, request_id = response.get("status_code"), response.get("request_id")
    return Answer(
        n=int(found[1]),
        key_start=found[2],
        status=status if isinstance(status, int) and 100 <= status < 600 else 0,
        request_id=request_id[:MAX_MATCHED] if isinstance(request_id, str) else "",
        body=response.get("body"),
        code=str(error.get("code") or "")[:MAX_MATCHED],
        message=str(error.get("message") or "")[:MAX_MATCHED],
    )


def outcome_of(answer: Answer, url: Url) -> Document | Failure:
    """What came of the request."""
    if answer.code or answer.message or not answer.status:
        if not (answer.code or answer.message):
            return failures.unanswered("the service gave neither an answer nor an error")
        error = ServerError(answer.status or 400, answer.message or answer.code, code=answer.code)
        # 200: the service's own error is no HTTP answer, and is not reported as one.
        return replace(
            failures.refused(error, time.time()), error=replace(error, status=answer.status or 200)
        )
    body = json.dumps(answer.body).encode()
    if answer.status != 200:
        return failures.http_failure(HttpAnswer(answer.status, {}, body), time.time())
    return document_or_failure(url, body)
