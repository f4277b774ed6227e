"""Output that is for people: all that it says is one text."""

from collections.abc import Iterator

from agentbatch.tasks.coders.command.readers.told import Ended, Told
from agentbatch.tasks.coders.external.telling.happenings import Said
from agentbatch.text import harmless_block

KILLED = 126
"""Exit codes from here on are of a shell that could not start it, or of a signal."""


class PlainReader:
    repeats: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self._said = False

    def read(self, line: bytes) -> Iterator[Told]:
        text = harmless_block(line.decode("utf-8", "replace"))
        self._said = self._said or bool(text.strip())
        yield Said(text + "\n")

    def end(self, exit_code: int) -> Iterator[Told]:
        """Exit codes of agents mean nothing, but for those that are not theirs."""
        ended = exit_code < KILLED and self._said
        yield Ended("end_turn") if ended else Ended("error", f"exit code {exit_code}")
