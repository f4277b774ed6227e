"""Output that is for people: all that it says is one text."""

from collections.abc import Iterator

from agentbatch.tasks.coders.command.readers.reader import Ended, ReaderUpdate
from agentbatch.tasks.coders.external.updates.update import MessageChunk
from agentbatch.text import harmless_block

KILLED = 126
"""Exit codes from here on are of a shell that could not start it, or of a signal."""


class PlainReader:
    repeats: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self._said = False

    def read(self, line: bytes) -> Iterator[ReaderUpdate]:
        text = harmless_block(line.decode("utf-8", "replace"))
        self._said = self._said or bool(text.strip())
        yield MessageChunk(text + "\n")

    def end(self, exit_code: int) -> Iterator[ReaderUpdate]:
        """Exit codes of agents mean nothing, but for those that are not theirs."""
        ended = exit_code < KILLED and self._said
        yield Ended("end_turn") if ended else Ended("error", f"exit code {exit_code}")
