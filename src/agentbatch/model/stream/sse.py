"""Parses server-sent events from bytes in arbitrary chunks. Pure; the format is WHATWG's HTML, section 9.2.6."""

from typing import NamedTuple

from agentbatch.model.answer.answer import GarbageError
from agentbatch.patterns import regex

BOM = b"\xef\xbb\xbf"

COMMENT = b":"
"""What a gateway makes data of, too: `data: : OPENROUTER PROCESSING` (mnfst/llm-gateway#2053). No JSON begins so."""

_WHOLE = regex(rb"\{.*\}|\[DONE\]")


class Event(NamedTuple):
    """One event: its joined data lines, and its name if any."""

    data: bytes
    name: str = ""


class EventReader:
    """Takes chunks, returns the events that they complete. Memory and time are linear in the bytes, however they are
    cut.

    `max_bytes`: of one event. Raises GarbageError above it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        """The start of an unfinished line."""
        self._data: list[bytes] = []
        """The data lines of an unfinished event."""
        self._data_size = 0
        self._name = ""
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end in this chunk."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk, self._after_cr = chunk[1:], False  # the second half of a CRLF
        if not chunk:
            return []
        if b"\n" not in chunk and b"\r" not in chunk:
            self._rest += chunk
            self._after_cr = False
            self._check()
            return []
        lines = (bytes(self._rest + chunk) if self._rest else chunk).splitlines()
        self._after_cr = chunk.endswith(b"\r")
        self._rest = bytearray(b"" if chunk.endswith((b"\n", b"\r")) else lines.pop())
        events = self._events(lines)
        self._check()
        return events

    def end(self) -> list[Event]:
        """The event that the end of the stream completes: some servers omit the last empty line."""
        lines = [bytes(self._rest), b""]
        self._rest.clear()
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if self._at_start and lines:
            self._at_start = False
            lines[0] = lines[0].removeprefix(BOM)
        for line in lines:
            if not line:
                if self._data:
                    events += [Event(data, self._name) for data in _documents(self._data)]
                    self._data, self._data_size = [], 0
                self._name = ""
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data" and not value.startswith(COMMENT):
                self._data.append(value)
                self._data_size += len(value) + 1
            elif field == b"event":
                self._name = value.decode("utf-8", "replace").strip().lower()
            elif line.lstrip().startswith(b"{"):  # `data:` on a line of its own (0xPlaygrounds/rig#534)
                self._data.append(line.strip())
                self._data_size += len(line) + 1
            elif field == b"error":  # llama.cpp's older servers
                events.append(Event(value, "error"))
        return events

    def _check(self) -> None:
        if len(self._rest) + self._data_size > self._max_bytes:
            raise GarbageError(f"a stream with an event of over {self._max_bytes // (1024 * 1024)} MB")


def _documents(lines: list[bytes]) -> list[bytes]:
    """The data of an event: its lines are one document, or each of them is, where a server puts no empty line between
    its events (GLM-4.7 and Kimi-K2.5 with tool calls: rexxars/eventsource-parser#31)."""
    apart = len(lines) > 1 and all(_WHOLE.fullmatch(line.strip()) for line in lines)
    return lines if apart else [b"\n".join(lines)]


def unwrapped(body: bytes) -> bytes:
    """The data of the first event if the whole body is an event stream, else the body."""
    if not body.lstrip().startswith((b"data:", b"event:", b"error:")):
        return body
    reader = EventReader(len(body))
    events = [*reader.feed(body), *reader.end()]
    return events[0].data if events else body
