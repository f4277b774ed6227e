"""What the service says of a batch. Pure; the document is untrusted."""

from dataclasses import dataclass
from typing import Any

from agentbatch.text import clip

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})

MAX_NAME = 200
"""Characters of an id that are believed to be one."""

MAX_TOLD = 3
"""Errors of a refused batch that are told."""


@dataclass(frozen=True)
class Refused:
    """Why the service did not take a batch."""

    message: str
    line: int | None
    """Of the file, from 1."""


@dataclass(frozen=True)
class ProviderState:
    """A batch as the service tells it."""

    id: str
    status: str
    """One of the service's words; unknown ones are taken for being under way."""
    completed: int = 0
    failed: int = 0
    output_file: str = ""
    error_file: str = ""
    """Empty where there is none."""
    input_file: str = ""
    refused: tuple[Refused, ...] = ()

    @property
    def ended(self) -> bool:
        return self.status in ENDED


def name_in(document: Any, field: str) -> str:
    """An id; empty when it is none."""
    value = document.get(field) if isinstance(document, dict) else None
    good = isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and value.isascii()
    return (
        value
        if isinstance(value, str) and good and not set(value) & set("/?#% ") and value.strip(".")
        else ""
    )


def read_state(document: Any) -> ProviderState | None:
    """None when it describes no batch."""
    own, status = name_in(document, "id"), name_in(document, "status")
    if not own or not status:
        return None
    counts = document.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    return ProviderState(
        id=own,
        status=clip(status, 40),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        output_file=name_in(document, "output_file_id"),
        error_file=name_in(document, "error_file_id"),
        input_file=name_in(document, "input_file_id"),
        refused=_refused(document.get("errors")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def _refused(errors: Any) -> tuple[Refused, ...]:
    data = errors.get("data") if isinstance(errors, dict) else None
    found = []
    for error in data[:MAX_TOLD] if isinstance(data, list) else []:
        if isinstance(error, dict):
            message, line = error.get("message") or error.get("code"), error.get("line")
            told = clip(message, 300).rstrip(".") if isinstance(message, str) else "it does not say why"
            found.append(Refused(told, line if isinstance(line, int) and line > 0 else None))
    return tuple(found)
