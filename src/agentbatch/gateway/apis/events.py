"""The events of a stream as the bytes that they came in. Pure."""

from agentbatch.model.answer.answer import GarbageError
from agentbatch.model.http.transport import MAX_BODY
from agentbatch.patterns import regex

_END = regex(rb"\r\n\r\n|\n\n|\r\r")


class Parts:
    """Cuts a body where an event ends: each part has whole events. Linear, however the chunks are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """All events that are complete now; empty: none is. Raises GarbageError for an event that is too long."""
        begin = max(0, len(self._rest) - 3)
        self._rest += chunk
        end = 0
        for found in _END.finditer(self._rest, begin):
            end = found.end()
        part = bytes(self._rest[:end])
        del self._rest[:end]
        if len(self._rest) > MAX_BODY:
            raise GarbageError(f"a stream with an event of over {MAX_BODY // (1024 * 1024)} MB")
        return part

    def end(self) -> bytes:
        """What is left: some servers omit the last empty line."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


def events_of(part: bytes) -> list[bytes]:
    """A part's events, each with its end."""
    events, begin = [], 0
    for found in _END.finditer(part):
        events.append(part[begin : found.end()])
        begin = found.end()
    return [*events, part[begin:]] if begin < len(part) else events
