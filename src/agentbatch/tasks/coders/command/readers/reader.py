"""What a run of an agent's program says beside its work: which session it is in, and how its turn ended."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agentbatch.files import json_weight
from agentbatch.tasks.coders.external.limits import MAX_WEIGHT
from agentbatch.tasks.coders.external.updates.update import AgentUpdate

MAX_ID = 200


@dataclass(frozen=True)
class Session:
    """It works in this session of its own."""

    id: str
    agent: str = ""
    """Its name and version."""


@dataclass(frozen=True)
class Ended:
    """Its turn is over, as it says."""

    reason: str
    """As ACP names it: `end_turn`, `max_tokens`, `max_turn_requests`; `cost`; else it has failed."""
    problem: str = ""
    """What went wrong, in its words."""


ReaderUpdate = AgentUpdate | Session | Ended


class Reader(Protocol):
    """Reads the output of one run, a line after another."""

    repeats: tuple[bytes, ...]
    """How lines begin that only say again what other lines say: they are not read."""

    def read(self, line: bytes) -> Iterator[ReaderUpdate]:
        """What a line tells; nothing where it cannot be read. Never raises."""
        ...

    def end(self, exit_code: int) -> Iterator[ReaderUpdate]:
        """Output is over; what is known only now."""
        ...


class JsonReader:
    """For output of one JSON object a line, of which `parse` reads one."""

    repeats: tuple[bytes, ...] = ()

    def read(self, line: bytes) -> Iterator[ReaderUpdate]:
        document = _object(line)
        if document is not None:
            yield from self.parse(document)

    def parse(self, document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        raise NotImplementedError

    def end(self, exit_code: int) -> Iterator[ReaderUpdate]:
        """The output has said how the turn ended, or nobody has: exit codes of agents mean nothing."""
        return iter(())


def _object(line: bytes) -> Mapping[str, Any] | None:
    if json_weight(line) > MAX_WEIGHT:
        return None
    try:
        document = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def name(value: object) -> str:
    """An id of the agent's; empty: none that can be used."""
    return text(value)[:MAX_ID]


def exit_code(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 1 << 32 else None


def dollars(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    return None


def count(usage: Mapping[str, Any], *names: str) -> int:
    """The sum of these numbers of tokens."""
    found = (usage.get(one) for one in names)
    return sum(one for one in found if type(one) is int and 0 <= one < 1 << 40)
