"""What keeps the commands of one task inside its directory, in whichever way: what all walls do, and the look that they
have in common."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from agentbatch.errors import UserError


class WrappedCommand(NamedTuple):
    """What is started so that something runs inside walls."""

    argv: list[str]
    env: dict[str, str]
    handles: tuple[int, ...] = ()
    """Open for the process that is started, until this is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            os.close(handle)


class Walls(Protocol):
    """What keeps the commands of one task inside its directory."""

    @property
    def name(self) -> str:
        """As `SandboxChoice.name`."""
        ...

    @property
    def network(self) -> bool: ...

    @property
    def out_of_reach(self) -> tuple[Path, ...]:
        """What stays hidden inside the task's directory."""
        ...

    @property
    def directory(self) -> str:
        """The task's directory as its commands see it."""
        ...

    @property
    def outside(self) -> Path | None:
        """Where the command lines of `wrap` are started; None: in the directory itself."""
        ...

    def check(self) -> None:
        """Raises UserError where something that is hidden inside the directory has gone: by another name it would be
        seen."""
        ...

    async def enter(self) -> None:
        """Before each command. Raises OSError where they cannot be had."""
        ...

    def wrap(self, argv: Sequence[str], env: Mapping[str, str]) -> WrappedCommand:
        """What runs `argv` with `env` inside. Raises UserError as `check` does, OSError."""
        ...

    def lend(self, argv: Sequence[str], env: Mapping[str, str], *, terminal: bool) -> WrappedCommand:
        """The same for a program that a person talks with, in a `terminal` or by its standard streams."""
        ...

    async def leave(self) -> str:
        """After each command: whatever it has left running inside is ended. Returns what was done to the command
        itself, a line for who ran it; empty: nothing."""
        ...

    async def close(self) -> None:
        """Nothing is run any more. Safe to repeat."""
        ...


Known = tuple[tuple[Path, tuple[int, int]], ...]
"""Places, and what lay there by its number on the disk."""


def known_now(places: Sequence[Path]) -> Known:
    """Those that there are."""
    return tuple((place, number) for place in places if (number := _number(place)) is not None)


def _number(place: Path) -> tuple[int, int] | None:
    try:
        status = os.lstat(place)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def check_hidden(there: Known) -> None:
    """For `Walls.check`. `there`: what is hidden, as it was when the task began. Another in its place counts, too: in a
    user namespace of its own a command can rename what is covered, and by its new name it would be seen. Raises
    UserError."""
    gone = next((place for place, number in there if _number(place) != number), None)
    if gone is not None:
        raise UserError(
            f"{gone} was hidden from the task and is not there any more: it was renamed, replaced or removed while the "
            "task worked, and nothing more is run."
        )
