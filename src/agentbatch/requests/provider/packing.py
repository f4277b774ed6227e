"""Requests on their way to the provider: written into files of what one batch may hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from agentbatch.requests.options import ProviderOptions
from agentbatch.requests.provider.ledger import Part, ProviderLedger, Wanted
from agentbatch.requests.spec.request import BatchRequest, Url

KEY_DIGITS = 16
"""Of a request's key in its custom id: a stale answer fits no other request."""


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
        self._ledger.add(filling.b, Wanted(n, key, filling.requests, filling.size, len(line)))
        filling.size += len(line)
        filling.inputs += inputs
        filling.estimate = (
            None if filling.estimate is None or estimate is None else filling.estimate + estimate
        )
        return full

    def rest(self) -> Iterator[Part]:
        """The parts that are not full."""
        for group in list(self._filling):
            yield self._close(group)

    def request_of(self, part: Part, wanted: Wanted) -> dict[str, Any] | None:
        """The body as it was sent; None when the file is gone."""
        try:
            with open(self.path(part.b), "rb") as file:
                file.seek(wanted.at)
                document = json.loads(file.read(wanted.size))
        except (OSError, ValueError):
            return None
        body = document.get("body") if isinstance(document, dict) else None
        own = (
            custom_id(wanted.n, wanted.key) == document.get("custom_id")
            if isinstance(document, dict)
            else False
        )
        return body if own and isinstance(body, dict) else None

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
        self.path(filling.b).write_bytes(b"")
        return filling

    def _close(self, group: _Group) -> Part:
        filling = self._filling.pop(group)
        self.close()
        return self._ledger.made(filling.b, filling.requests, filling.estimate)

    def _open(self, b: int) -> BinaryIO:
        """One file is open at a time: a batch may ask a thousand models."""
        if self._file is None or self._writes != b:
            self.close()
            self._file, self._writes = open(self.path(b), "ab"), b  # noqa: SIM115 - open until `close`
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
