"""The end of what a program prints as errors, at flat memory."""

from agentbatch.redaction import Redactor
from agentbatch.workspace.shell.output import cleaned

KEPT = 8_000
"""Bytes that are shown."""


class ErrorTail:
    """Takes bytes piece by piece and keeps the last ones."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        # A key that the beginning cuts is masked before it is cut.
        self._kept = KEPT + redact.longest
        self._bytes = b""

    def feed(self, data: bytes) -> None:
        self._bytes = (self._bytes + data)[-self._kept :]

    @property
    def text(self) -> str:
        masked = self._redact.mask_bytes(cleaned(self._bytes))
        return masked[-KEPT:].decode(errors="replace")
