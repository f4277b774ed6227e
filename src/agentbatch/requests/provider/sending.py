"""Requests go to the provider: packed into files of what a batch may hold, checked against the budget, uploaded,
begun; until the pass is stopped."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from agentbatch.files import json_object, open_own
from agentbatch.model.request.request import encode_body
from agentbatch.requests.batch.executor import RequestExecutor, expected_usage
from agentbatch.requests.options import BATCH_DISCOUNT, ProviderOptions
from agentbatch.requests.provider.ledger import ExpectedAnswer, Part, ProviderLedger
from agentbatch.requests.provider.service import ProviderService, ServiceError
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest, Url
from agentbatch.text import counted, money
from agentbatch.usage import sum_or_none

T = TypeVar("T")

KEY_DIGITS = 16
"""Of a request's key in its custom id: a stale answer fits no other request."""


class LeftError(Exception):
    """The pass is to end at once."""


class ProviderStop:
    """How a pass is paused, or ended early. `close`: upload nothing more, wait for the batches at the provider.
    `leave`: end, and leave them there; `now`: cancel them."""

    def __init__(self) -> None:
        self.cause = ""
        """Why nothing more is uploaded, as a sentence; empty while it is."""
        self._leaving = asyncio.Event()
        self._now = asyncio.Event()
        self._resumed = asyncio.Event()
        self._resumed.set()

    def close(self, cause: str) -> None:
        self.cause = self.cause or cause

    def leave(self, cause: str, *, now: bool = False) -> None:
        self.close(cause)
        self._resumed.set()
        self._leaving.set()
        if now:
            self._now.set()

    def pause(self) -> None:
        """Until `go_on` or `leave`."""
        self._resumed.clear()

    def go_on(self) -> None:
        """After `pause`."""
        self._resumed.set()

    @property
    def leaving(self) -> bool:
        return self._leaving.is_set()

    async def while_paused(self) -> None:
        """Returns when the pass is not paused (any more)."""
        await self._resumed.wait()

    async def leaving_within(self, seconds: float) -> bool:
        """Waits up to so long for `leave`; whether it came."""
        return await _within(self._leaving, seconds)

    async def now_within(self, seconds: float) -> bool:
        """Waits up to so long for `leave(now=True)`; whether it came."""
        return await _within(self._now, seconds)

    async def unless_now(self, doing: Awaitable[T]) -> T:
        """Raises LeftError, and cuts it off, when the pass is to end at once."""
        task, gone = asyncio.ensure_future(doing), asyncio.ensure_future(self._now.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise LeftError
            return task.result()
        finally:
            for running in (task, gone):
                running.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)


class _Group(NamedTuple):
    """What one batch has to have in common."""

    url: Url
    model: str


class _Filling:
    """A part that is being written."""

    def __init__(self, b: int) -> None:
        self.b = b
        self.requests = self.inputs = self.size = 0
        self.estimate: float | None = 0.0


class ProviderPacker:
    """Fills parts, one a model and endpoint at a time, and gives them out when they are full."""

    def __init__(self, ledger: ProviderLedger, folder: Path, options: ProviderOptions) -> None:
        self._ledger = ledger
        self._folder = folder
        self._options = options
        self._filling: dict[_Group, _Filling] = {}
        self._file: BinaryIO | None = None
        self._writes: int | None = None
        """The part that `_file` belongs to."""

    def path(self, b: int) -> Path:
        """Where a part's file lies until its answers are read."""
        return self._folder / f"batch-{b}.jsonl"

    def add(self, n: int, key: str, request: BatchRequest, estimate: float | None) -> Part | None:
        """Put a request in; the part that was full before it, if one was. `estimate`: US dollars. Raises OSError."""
        group = _Group(request.url, str(request.body.get("model", "")))
        line = _line(custom_id(n, key), request)
        inputs = _inputs(request)
        filling, full = self._filling.get(group), None
        if filling is not None and not self._fits(filling, len(line), inputs):
            full, filling = self._close(group), None
        if filling is None:
            filling = self._filling[group] = self._begin(group)
        self._open(filling.b).write(line)
        filling.requests += 1
        self._ledger.add(filling.b, ExpectedAnswer(n, key, filling.requests, filling.size, len(line)))
        filling.size += len(line)
        filling.inputs += inputs
        filling.estimate = sum_or_none((filling.estimate, estimate))
        return full

    def rest(self) -> Iterator[Part]:
        """The parts that are not full."""
        for group in list(self._filling):
            yield self._close(group)

    def request_of(self, part: Part, expected: ExpectedAnswer) -> dict[str, Any] | None:
        """The body as it was sent; None when the file is gone."""
        try:
            with open(self.path(part.b), "rb") as file:
                file.seek(expected.at)
                document = json_object(file.read(expected.size)) or {}
        except OSError:
            return None
        if document.get("custom_id") != custom_id(expected.n, expected.key):
            return None
        body = document.get("body")
        return body if isinstance(body, dict) else None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._writes = None

    def _fits(self, filling: _Filling, size: int, inputs: int) -> bool:
        options = self._options
        return (
            filling.requests < options.most_requests
            and filling.inputs + inputs <= options.most_requests
            and filling.size + size <= options.most_bytes
        )

    def _begin(self, group: _Group) -> _Filling:
        filling = _Filling(self._ledger.begin(group.url, group.model))
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self.path(filling.b), "wb", opener=open_own):
            pass
        return filling

    def _close(self, group: _Group) -> Part:
        filling = self._filling.pop(group)
        self.close()
        return self._ledger.made(filling.b, filling.requests, filling.estimate)

    def _open(self, b: int) -> BinaryIO:
        """One file is open at a time: a batch may ask a thousand models."""
        if self._file is None or self._writes != b:
            self.close()
            self._file, self._writes = open(self.path(b), "ab", opener=open_own), b  # noqa: SIM115 - open until `close`
        return self._file


def custom_id(n: int, key: str) -> str:
    """What a request is called at the provider: short, and of this request alone."""
    return f"r{n}-{key[:KEY_DIGITS]}"


def _line(name: str, request: BatchRequest) -> bytes:
    document = {"custom_id": name, "method": "POST", "url": request.url, "body": request.body}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _inputs(request: BatchRequest) -> int:
    """What counts against the limit of a batch of embeddings; 0 elsewhere."""
    if not request.url.endswith("embeddings"):
        return 0
    given = request.body.get("input")
    return len(given) if isinstance(given, list) and not all(isinstance(x, int) for x in given) else 1


@dataclass
class ProviderSender:
    """A full part is sent at once; what is not sent stays open."""

    service: ProviderService
    ledger: ProviderLedger
    packer: ProviderPacker
    executor: RequestExecutor
    stats: BatchStats
    stop: ProviderStop
    notify: Callable[[str], None]
    fit: Callable[[BatchRequest], BatchRequest]
    """The request in the form that the endpoint takes, as far as that is known."""
    max_cost: float | None = None
    """US dollars that this pass may take, with what is at the provider already."""

    async def pack(self, n: int, key: str, request: BatchRequest) -> None:
        request = self.fit(request)
        full = self.packer.add(n, key, request, self._estimate(request))
        if full is not None:
            await self._send(full)

    async def send_rest(self) -> None:
        for part in self.packer.rest():
            await self._send(part)

    def _estimate(self, request: BatchRequest) -> float | None:
        usage = expected_usage(request.body, len(encode_body(request.body)))
        cost = self.executor.cost(str(request.body.get("model", "")), usage)
        return None if cost is None else cost * BATCH_DISCOUNT

    async def _send(self, part: Part) -> None:
        """Upload it and start its batch; when that fails, its requests stay open."""
        await self.stop.while_paused()
        if self.stop.cause or not self._affordable(part):
            return
        try:
            file_id = await self.stop.unless_now(self.service.upload(self.packer.path(part.b)))
            await self.begin(self.ledger.uploaded(part, file_id))
        except LeftError:
            return
        except ServiceError as error:
            self.stop.close(str(error))

    async def begin(self, part: Part) -> None:
        part = self.ledger.created(
            part, await self.stop.unless_now(self.service.create(part.file_id, part.url))
        )
        self.notify(
            f"{counted(part.requests, 'request')} uploaded: {part.batch_id} ({part.model}, {part.url})"
        )

    def _affordable(self, part: Part) -> bool:
        if self.max_cost is None:
            return True
        estimates = [other.estimate for other in self.ledger.parts() if other.b != part.b]
        known = [cost for cost in (part.estimate, self.stats.cost, *estimates) if cost is not None]
        if len(known) == len(estimates) + 2 and sum(known) <= self.max_cost:
            return True
        about = "an unknown price" if part.estimate is None else f"about {money(part.estimate)}"
        before = sum(known) - (part.estimate or 0.0)
        self.stop.close(
            f"The budget of {money(self.max_cost)} does not hold {counted(part.requests, 'more request')} "
            f"({about}; {money(before)} spent or under way): they were not uploaded."
        )
        return False


async def _within(event: asyncio.Event, seconds: float) -> bool:
    if event.is_set():
        return True
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
