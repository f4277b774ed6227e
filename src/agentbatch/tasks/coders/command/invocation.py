"""How a prompt reaches a program: as an argument, over its input, or in a file. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentbatch.patterns import regex
from agentbatch.tasks.coders.catalog.entry import CoderEntry

MAX_ARGUMENT = 120_000
"""Bytes; Linux takes 128 KiB in one argument."""
FILE = "prompt.md"
"""In the program's HOME."""
LATEST = "latest"
"""The session of an agent that goes on with its latest, and names none."""

_PROMPT, _SESSION = "{prompt}", "{session}"
_ID = regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True)
class Invocation:
    """One run of the program."""

    command: tuple[str, ...]
    """With the places of the entry in it."""
    values: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""


def is_session(id: str) -> bool:  # noqa: A002 - the field's word
    """Whether it can be given to a program: nothing that it could take for an option or a path."""
    return _ID.fullmatch(id) is not None


def continues(entry: CoderEntry, session: str) -> bool:
    """Whether its next run can go on with that session."""
    return bool(entry.resume and session)


def names_sessions(entry: CoderEntry) -> bool:
    """Whether it is told which session to go on with."""
    return any(_SESSION in word for word in entry.resume)


def invocation(entry: CoderEntry, prompt: str, session: str, home: str) -> Invocation:
    """`session`: the one that it goes on with; empty: a new one. `home`: its HOME as it sees it."""
    command = entry.resume if continues(entry, session) else entry.command
    text = prompt.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if not any(_PROMPT in word for word in command):
        if entry.prompt == "stdin":
            return Invocation(command, {"session": session}, stdin=text.encode())
        command = (*command, _PROMPT)
    files = {}
    if len(text.encode()) > MAX_ARGUMENT:
        files = {FILE: text.encode()}
        text = f"Read the file {home}/{FILE} and do what it says; it is too long to be given here."
    if text.startswith("-"):
        text = f" {text}"  # no option
    return Invocation(command, {"session": session, "prompt": text}, files)
