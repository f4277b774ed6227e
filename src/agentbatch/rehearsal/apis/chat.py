"""Chat completions: the form in which the scripted model answers."""

from collections.abc import Iterator
from typing import Any

from agentbatch.rehearsal.apis.api import Api, Document, ParsedRequest
from agentbatch.rehearsal.faults.refusals import Dialect, Problem, error_body
from agentbatch.rehearsal.request import parse_request
from agentbatch.rehearsal.streaming import DONE, event, events


def _read(data: bytes) -> ParsedRequest | Problem:
    body = parse_request(data)
    return body if isinstance(body, Problem) else ParsedRequest(body, body)


def _whole(completion: Document, _: ParsedRequest) -> Document:
    return completion


def _events(completion: Document, asked: ParsedRequest, *, usage: bool, tokens: int) -> Iterator[bytes]:
    options = asked.body.get("stream_options")
    wanted = isinstance(options, dict) and options.get("include_usage") is True
    return events(completion, usage=usage and wanted, tokens=tokens)


def _fallen(problem: Problem, dialect: Dialect) -> dict[str, Any]:
    body = error_body(problem, dialect)
    if isinstance(body.get("error"), dict):
        body["error"]["code"] = body["error"].get("code") or problem.status
    return body


def _failure(problem: Problem, dialect: Dialect) -> bytes:
    return event(_fallen(problem, dialect))


CHAT = Api(_read, _whole, _events, 1, DONE, error_body, _fallen, _failure)
