"""Server-sent events out of bytes that arrive in any pieces. Pure; the format is WHATWG's HTML, section 9.2.6."""

from typing import NamedTuple

from agentbatch.model.answer import GarbageError

BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its data lines joined, and its name where it has one."""

    data: bytes
    name: str = ""


class EventReader:
    """Takes pieces, gives the events that they complete. Memory and time grow with the bytes, however they come.

    `longest`: bytes that an event may have; GarbageError past it.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()
        """The beginning of a line whose end has not come."""
        self._data: list[bytes] = []
        """The lines of an event whose empty line has not come."""
        self._data_size = 0
        self._name = ""
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> list[Event]:
        """The events that end in this piece."""
        if self._after_cr and piece.startswith(b"\n"):
            piece, self._after_cr = piece[1:], False  # the second half of a CRLF
        if not piece:
            return []
        if b"\n" not in piece and b"\r" not in piece:
            self._rest += piece
            self._after_cr = False
            self._check()
            return []
        lines = (bytes(self._rest + piece) if self._rest else piece).splitlines()
        self._after_cr = piece.endswith(b"\r")
        self._rest = bytearray(b"" if piece.endswith((b"\n", b"\r")) else lines.pop())
        events = self._events(lines)
        self._check()
        return events

    def end(self) -> list[Event]:
        """The event that the end of the stream completes: some servers leave out the last empty line."""
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
                    events.append(Event(b"\n".join(self._data), self._name))
                    self._data, self._data_size = [], 0
                self._name = ""
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
                self._data_size += len(value) + 1
            elif field == b"event":
                self._name = value.decode("utf-8", "replace").strip().lower()
            elif field == b"error":  # llama.cpp's older servers
                events.append(Event(value, "error"))
        return events

    def _check(self) -> None:
        if len(self._rest) + self._data_size > self._longest:
            raise GarbageError(f"a stream with an event of over {self._longest // (1024 * 1024)} MB")


def unwrapped(body: bytes) -> bytes:
    """The data of the first event where a whole body is an event stream, else the body."""
    if not body.lstrip().startswith((b"data:", b"event:", b"error:")):
        return body
    reader = EventReader(len(body))
    events = [*reader.feed(body), *reader.end()]
    return events[0].data if events else body
