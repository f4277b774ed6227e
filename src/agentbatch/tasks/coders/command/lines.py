"""Output in lines, at flat memory."""

from collections.abc import Iterator

MAX_LINE = 8 << 20
"""Bytes of one line; a longer one is left out."""


class Lines:
    """Takes output piece by piece."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now, without their ends."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            line = bytes(self._rest) + part
            skipped = self._skipping or len(line) > self._limit
            self._rest.clear()
            self._skipping = False
            if not skipped:
                yield line
        if self._skipping or len(self._rest) + len(rest) > self._limit:
            self._rest.clear()
            self._skipping = True
        else:
            self._rest += rest

    def end(self) -> Iterator[bytes]:
        """The last one, which has no end."""
        if self._rest and not self._skipping:
            yield bytes(self._rest)
        self._rest.clear()
