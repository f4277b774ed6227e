"""The rehearsal server as a provider's batch service: files, batches, and their outcomes."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from agentbatch.rehearsal.faults.refusals import Problem, Refusal, error_body, find_refused
from agentbatch.rehearsal.plain.answers import plain_document

PATHS = ("/v1/files", "/v1/batches")

SECOND_REQUEST = "does not keep to the schema"
"""Text that marks a repeated request."""

HUGE_LINE = 40_000_000
"""Bytes of a line that no client should read whole."""


@dataclass(frozen=True)
class BatchServiceOptions:
    """Options of `RehearsalServer(batch_service=…)`."""

    seconds: float = 2.0
    """From a batch's start to its end."""
    errors: float = 0.0
    """Share of the requests, 0 to 1, that get a 400, in the error file."""
    refuse: tuple[Refusal, ...] = ()
    """Parameters that get a request a 400, in the error file."""
    expires_after: float | None = None
    """Share of the requests after which the batch expires."""
    refuses: str = ""
    """The message with which line 2 fails validation; empty: it does not."""
    careless: bool = False
    """Requests with a schema get prose the first time."""
    strange: bool = False
    """The output contains unknown ids, duplicate answers, garbage and a huge line, and ends in half a line."""
    hangs: Literal["", "files", "batches"] = ""
    """Posts there get no answer."""
    loses_answer: bool = False
    """The first batch is created, but the response is lost."""


@dataclass
class _Batch:
    id: str
    url: str
    file_id: str
    started_at: float
    lines: list[dict[str, Any]]
    refused: bool
    cancelled: float | None = None
    ended: dict[str, Any] | None = None


class BatchService:
    """The state of one server's batch side."""

    def __init__(self, options: BatchServiceOptions) -> None:
        self.options = options
        self.uploads = 0
        self.created = 0
        """Batches."""
        self.paid: dict[str, int] = {}
        """How often each request was answered, by its body."""
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}
        self._lost = False

    @property
    def ids(self) -> list[str]:
        """Of the batches, in order."""
        return list(self._batches)

    async def handle(self, request: web.BaseRequest) -> web.Response | None:
        """None: the response is lost."""
        method, parts = request.method, request.path.removeprefix("/v1/").split("/")
        if method == "POST" and parts == [self.options.hangs]:
            await asyncio.Event().wait()
        match (method, *parts):
            case ("POST", "files"):
                return await self._upload(request)
            case ("GET", "files", file_id, "content") if file_id in self._files:
                return web.Response(body=self._files[file_id], content_type="application/octet-stream")
            case ("POST", "batches"):
                return await self._create(request)
            case ("GET", "batches"):
                found = [self._status(batch) for batch in reversed(self._batches.values())]
                return web.json_response({"object": "list", "data": found, "has_more": False})
            case ("GET", "batches", batch_id) if batch_id in self._batches:
                return web.json_response(self._status(self._batches[batch_id]))
            case ("POST", "batches", batch_id, "cancel") if batch_id in self._batches:
                batch = self._batches[batch_id]
                batch.cancelled = batch.cancelled or time.monotonic()
                return web.json_response(self._status(batch))
        return _problem(Problem(404, f"Not found: {method} {request.path}"))

    async def _upload(self, request: web.BaseRequest) -> web.Response:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
        fields = _fields(bytes(body), request.headers.get("Content-Type", ""))
        content, purpose = fields.get("file", b""), fields.get("purpose", b"").decode()
        if purpose != "batch":
            return _problem(Problem(400, "The purpose of a batch's file is 'batch'.", param="purpose"))
        self.uploads += 1
        file_id = self._keep(content)
        return web.json_response({"id": file_id, "object": "file", "bytes": len(content), "purpose": purpose})

    async def _create(self, request: web.BaseRequest) -> web.Response | None:
        body = await request.json()
        content = self._files.get(body.get("input_file_id"))
        if content is None or body.get("completion_window") != "24h":
            return _problem(Problem(400, "No such file, or another window than 24h.", param="input_file_id"))
        self.created += 1
        lines = [json.loads(line) for line in content.splitlines()]
        batch = _Batch(
            f"batch_{secrets.token_hex(6)}", body["endpoint"], body["input_file_id"], time.monotonic(), lines,
            bool(self.options.refuses),
        )  # fmt: skip
        self._batches[batch.id] = batch
        if self.options.loses_answer and not self._lost:
            self._lost = True
            if request.transport is not None:
                request.transport.close()
            return None
        return web.json_response(self._status(batch))

    def _keep(self, content: bytes) -> str:
        file_id = f"file-{secrets.token_hex(6)}"
        self._files[file_id] = content
        return file_id

    def _status(self, batch: _Batch) -> dict[str, Any]:
        if batch.ended is not None:
            return batch.ended
        now = time.monotonic()
        share = min(1.0, (now - batch.started_at) / self.options.seconds) if self.options.seconds else 1.0
        if batch.refused:
            errors = [{"code": "invalid_request", "message": self.options.refuses, "line": 2, "param": None}]
            batch.ended = self._document(batch, "failed", 0, errors={"object": "list", "data": errors})
            return batch.ended
        if batch.cancelled is not None:
            share = min(1.0, (batch.cancelled - batch.started_at) / self.options.seconds)
            return self._end(batch, "cancelled", int(share * len(batch.lines)), "batch_cancelled")
        limit = self.options.expires_after
        if limit is not None and share >= limit:
            return self._end(batch, "expired", int(limit * len(batch.lines)), "batch_expired")
        if share >= 1.0:
            return self._end(batch, "completed", len(batch.lines), "")
        return self._document(batch, "in_progress", int(share * len(batch.lines)))

    def _end(self, batch: _Batch, status: str, answered: int, code: str) -> dict[str, Any]:
        output, errors = [], []
        for place, line in enumerate(batch.lines):
            if place >= answered:
                error = {"code": code, "message": "This request was not reached."}
                errors.append({"custom_id": line["custom_id"], "response": None, "error": error})
            elif problem := self._problem(line["body"], place):
                errors.append(_line(line, problem.status, error_body(problem)))
            else:
                output.append(_line(line, 200, self._answer(batch, line, place)))
        files: dict[str, Any] = {}
        if output:
            files["output_file_id"] = self._keep(
                _json_lines(_strange(output) if self.options.strange else output)
            )
        if errors:
            files["error_file_id"] = self._keep(_json_lines(errors))
        batch.ended = self._document(batch, status, len(output), failed=len(errors), **files)
        return batch.ended

    def _problem(self, body: Mapping[str, Any], place: int) -> Problem | None:
        share = self.options.errors
        if int((place + 1) * share) > int(place * share):
            return Problem(400, f"Request {place} fails by option.")
        return find_refused(body, self.options.refuse)

    def _answer(self, batch: _Batch, line: Mapping[str, Any], place: int) -> dict[str, Any]:
        body = line["body"]
        key = json.dumps(body, sort_keys=True)
        self.paid[key] = self.paid.get(key, 0) + 1
        document = plain_document(batch.url, body, place)
        if self.options.careless and "response_format" in body and SECOND_REQUEST not in key:
            document["choices"][0]["message"]["content"] = "Gladly! It is red."
        return document

    def _document(
        self, batch: _Batch, status: str, completed: int, failed: int = 0, **more: Any
    ) -> dict[str, Any]:
        counts = {"total": len(batch.lines), "completed": completed, "failed": failed}
        return {
            "id": batch.id, "object": "batch", "endpoint": batch.url, "status": status, "completion_window": "24h",
            "input_file_id": batch.file_id, "created_at": 0, "request_counts": counts, "errors": None,
            "output_file_id": None, "error_file_id": None, **more,
        }  # fmt: skip


def _fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """The fields of a multipart form. aiohttp's batch reader warns about its deprecated parts when chunks are large."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in body.split(b"--" + boundary) if boundary else []:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is not None:
            fields[name[1].decode()] = content.removesuffix(b"\r\n")
    return fields


def batch_service_of(wanted: bool | BatchServiceOptions) -> BatchService | None:
    """None: the server has no batch service."""
    if not wanted:
        return None
    return BatchService(wanted if isinstance(wanted, BatchServiceOptions) else BatchServiceOptions())


def _line(line: Mapping[str, Any], status: int, body: Any) -> dict[str, Any]:
    name = line["custom_id"]
    response = {"status_code": status, "request_id": f"req-{name}", "body": body}
    return {"id": f"batch_req_{name}", "custom_id": name, "response": response, "error": None}


def _json_lines(lines: list[Any]) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def _strange(output: list[dict[str, Any]]) -> list[Any]:
    """The same answers, in reverse order, among lines that do not belong there."""
    first = output[0]
    other = json.loads(json.dumps(output[-1])) | {"custom_id": first["custom_id"]}

    def odd() -> Iterator[Any]:
        yield {**first, "custom_id": "nobody-asked"}
        yield {**output[-1], "custom_id": first["custom_id"][:-4] + "0000"}
        yield {**first, "custom_id": ["r0"]}
        yield b"not JSON at all\n\x00\xff\xfe\n[[[[[[\n[]\nnull\n\n"
        yield b'{"custom_id": "' + b"x" * HUGE_LINE + b'"}\n'
        yield from reversed(output)
        yield other
        yield {"custom_id": first["custom_id"], "response": None, "error": {"code": "batch_expired"}}
        yield b'{"custom_id": "' + first["custom_id"].encode() + b'", "respo'

    return list(odd())


def _problem(problem: Problem) -> web.Response:
    return web.json_response(error_body(problem), status=problem.status)
