"""What a user says to a task: made readable and bounded, by who sends it and by the engine."""

import getpass
import os
from collections.abc import Callable
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.text import harmless_block, width

MAX_MESSAGE = 10_000
"""Characters of one."""

MAX_MESSAGES = 30_000
"""Characters of all that is said to one task: its coder and its judge read all of it."""

MAX_BY = 40
"""Cells of the name of who says it."""

MAX_TOKEN = 64

TOO_LONG = (
    f"The text is too long: at most {MAX_MESSAGE:,} characters can be said at once. Put it into a file in the task's "
    "directory, and say where it is."
)


class UserMessage(NamedTuple):
    text: str
    """Readable."""
    by: str
    """Who; empty: unknown."""
    token: str
    """Of the command that asked for it."""


def readable(text: str) -> str:
    """The text without control characters, its line ends and tabs kept. Raises UserError for one that says nothing, or
    is too long."""
    if len(text) > 2 * MAX_MESSAGE:  # not looked at further: it may be anything
        raise UserError(TOO_LONG)
    found = harmless_block(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not width("".join(found.split())):
        raise UserError("There is nothing to say: the text is empty.")
    if len(found) > MAX_MESSAGE:
        raise UserError(TOO_LONG)
    return found


def say_arguments(task: str | None, text: str, redact: Callable[[str], str]) -> dict[str, object]:
    """Of the command `say`; `task` None: to all. Raises UserError as `readable`."""
    return {"task": task, "text": redact(readable(text)), "by": _user(), "token": os.urandom(8).hex()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's number without a name
        return ""
