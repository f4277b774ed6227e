"""The rehearsal server as a provider's batch service: files, batches, and what can become of them."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from agentbatch.rehearsal.faults.refusals import Problem, error_body
from agentbatch.rehearsal.plain.answers import plain_document

PATHS = ("/v1/files", "/v1/batches")

ASKED_AGAIN = "does not keep to the schema"
"""Words of who asks a second time."""

HUGE = 40_000_000
"""Bytes of a line that nobody should read whole."""


@dataclass(frozen=True)
class BatchServiceOptions:
    """Of `RehearsalServer(batch_service=…)`."""

    seconds: float = 2.0
    """From a batch's beginning to its end."""
    errors: float = 0.0
    """Share of the requests, 0 to 1, that are answered 400, in the error file."""
    expires_after: float | None = None
    """Share of the requests after which the batch expires."""
    refuses: str = ""
    """The words with which validation fails, of line 2; empty: it does not."""
    careless: bool = False
    """Requests with a schema are answered with prose the first time."""
    strange: bool = False
    """The output holds ids that nobody knows, answers twice, garbage, a huge line, and ends in half a line."""
    hangs: Literal["", "files", "batches"] = ""
    """Whoever posts there gets no answer."""
    loses_answer: bool = False
    """The first batch is made, but the answer to that is lost."""


@dataclass
class _Batch:
    id: str
    url: str
    file_id: str
    begun: float
    lines: list[dict[str, Any]]
    refused: bool
    cancelled: float | None = None
    ended: dict[str, Any] | None = None


class BatchService:
    """The state of one server's batch side."""

    def __init__(self, options: BatchServiceOptions) -> None:
        self.options = options
        self.uploads = 0
        self.made = 0
        """Batches."""
        self.paid: dict[str, int] = {}
        """How often each request was answered, by what it asks."""
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}
        self._lost = False

    @property
    def ids(self) -> list[str]:
        """Of the batches, in order."""
        return list(self._batches)

    async def handle(self, request: web.BaseRequest) -> web.Response | None:
        """None: the answer is lost."""
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
                found = [self._told(batch) for batch in reversed(self._batches.values())]
                return web.json_response({"object": "list", "data": found, "has_more": False})
            case ("GET", "batches", batch_id) if batch_id in self._batches:
                return web.json_response(self._told(self._batches[batch_id]))
            case ("POST", "batches", batch_id, "cancel") if batch_id in self._batches:
                batch = self._batches[batch_id]
                batch.cancelled = batch.cancelled or time.monotonic()
                return web.json_response(self._told(batch))
        return _problem(Problem(404, f"No such thing: {method} {request.path}"))

    async def _upload(self, request: web.BaseRequest) -> web.Response:
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
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
        self.made += 1
        lines = [json.loads(line) for line in content.splitlines()]
        own = _Batch(
            f"batch_{secrets.token_hex(6)}", body["endpoint"], body["input_file_id"], time.monotonic(), lines,
            bool(self.options.refuses),
        )  # fmt: skip
        self._batches[own.id] = own
        if self.options.loses_answer and not self._lost:
            self._lost = True
            if request.transport is not None:
                request.transport.close()
            return None
        return web.json_response(self._told(own))

    def _keep(self, content: bytes) -> str:
        file_id = f"file-{secrets.token_hex(6)}"
        self._files[file_id] = content
        return file_id

    # how a batch is ----------------------------------------------------------------------------------------------

    def _told(self, batch: _Batch) -> dict[str, Any]:
        if batch.ended is not None:
            return batch.ended
        now = time.monotonic()
        share = min(1.0, (now - batch.begun) / self.options.seconds) if self.options.seconds else 1.0
        if batch.refused:
            errors = [{"code": "invalid_request", "message": self.options.refuses, "line": 2, "param": None}]
            batch.ended = self._document(batch, "failed", 0, errors={"object": "list", "data": errors})
            return batch.ended
        if batch.cancelled is not None:
            share = min(1.0, (batch.cancelled - batch.begun) / self.options.seconds)
            return self._end(batch, "cancelled", int(share * len(batch.lines)), "batch_cancelled")
        most = self.options.expires_after
        if most is not None and share >= most:
            return self._end(batch, "expired", int(most * len(batch.lines)), "batch_expired")
        if share >= 1.0:
            return self._end(batch, "completed", len(batch.lines), "")
        return self._document(batch, "in_progress", int(share * len(batch.lines)))

    def _end(self, batch: _Batch, status: str, answered: int, code: str) -> dict[str, Any]:
        output, errors = [], []
        for place, line in enumerate(batch.lines):
            if place >= answered:
                error = {"code": code, "message": "This request was not got to."}
                errors.append({"custom_id": line["custom_id"], "response": None, "error": error})
            elif self._errs(place):
                problem = error_body(Problem(400, f"Request {place} is one of those that fail."))
                errors.append(_line(line, 400, problem))
            else:
                output.append(_line(line, 200, self._answer(batch, line, place)))
        files: dict[str, Any] = {}
        if output:
            files["output_file_id"] = self._keep(
                _written(_strange(output) if self.options.strange else output)
            )
        if errors:
            files["error_file_id"] = self._keep(_written(errors))
        batch.ended = self._document(batch, status, len(output), failed=len(errors), **files)
        return batch.ended

    def _errs(self, place: int) -> bool:
        share = self.options.errors
        return int((place + 1) * share) > int(place * share)

    def _answer(self, batch: _Batch, line: Mapping[str, Any], place: int) -> dict[str, Any]:
        body = line["body"]
        asked = json.dumps(body, sort_keys=True)
        self.paid[asked] = self.paid.get(asked, 0) + 1
        document = plain_document(batch.url, body, place)
        if self.options.careless and "response_format" in body and ASKED_AGAIN not in asked:
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
    """Of a multipart form. aiohttp's own reader warns of its deprecated parts when pieces are large."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in body.split(b"--" + boundary) if boundary else []:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is not None:
            fields[name[1].decode()] = content.removesuffix(b"\r\n")
    return fields


def batch_service_of(wanted: bool | BatchServiceOptions) -> BatchService | None:
    """None: the server has no such service."""
    if not wanted:
        return None
    return BatchService(wanted if isinstance(wanted, BatchServiceOptions) else BatchServiceOptions())


def _line(line: Mapping[str, Any], status: int, body: Any) -> dict[str, Any]:
    name = line["custom_id"]
    response = {"status_code": status, "request_id": f"req-{name}", "body": body}
    return {"id": f"batch_req_{name}", "custom_id": name, "response": response, "error": None}


def _written(lines: list[Any]) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def _strange(output: list[dict[str, Any]]) -> list[Any]:
    """The same answers, last ones first, among what does not belong there."""
    first = output[0]
    other = json.loads(json.dumps(output[-1])) | {"custom_id": first["custom_id"]}

    def odd() -> Iterator[Any]:
        yield {**first, "custom_id": "nobody-asked"}
        yield {**output[-1], "custom_id": first["custom_id"][:-4] + "0000"}
        yield {**first, "custom_id": ["r0"]}
        yield b"not JSON at all\n\x00\xff\xfe\n[[[[[[\n[]\nnull\n\n"
        yield b'{"custom_id": "' + b"x" * HUGE + b'"}\n'
        yield from reversed(output)
        yield other
        yield {"custom_id": first["custom_id"], "response": None, "error": {"code": "batch_expired"}}
        yield b'{"custom_id": "' + first["custom_id"].encode() + b'", "respo'

    return list(odd())


def _problem(problem: Problem) -> web.Response:
    return web.json_response(error_body(problem), status=problem.status)
