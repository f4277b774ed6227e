"""A span and a measurement as they leave the engine: plain data, which another process hands to OpenTelemetry. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

Value = str | bool | int | float | Sequence[str]

Kind = Literal["internal", "client"]


class Place(NamedTuple):
    """Where a span is found, as W3C Trace Context writes it."""

    trace: str
    """32 hexadecimal digits."""
    id: str
    """16 hexadecimal digits."""


class SpanEvent(NamedTuple):
    """An event of a span."""

    name: str
    ts: float
    """Seconds since the epoch."""
    attributes: Mapping[str, Value]


class Span(NamedTuple):
    """A span that is over."""

    name: str
    place: Place
    parent: Place | None
    start: float
    end: float
    """Seconds since the epoch."""
    attributes: Mapping[str, Value]
    kind: Kind = "internal"
    links: tuple[Place, ...] = ()
    events: tuple[SpanEvent, ...] = ()
    error: str = ""
    """`error.type`: a word, never a sentence; empty: none."""


class Measure(NamedTuple):
    """One value for one instrument (instruments.py)."""

    name: str
    value: float
    attributes: Mapping[str, Value]


def run_place(run: str, session: int) -> Place:
    """Of the span of a run's session. Nothing is kept for it: the next session finds it by the same words."""
    return Place(_digits(32, run, session), _digits(16, run, session, "run"))


def task_place(run: str, session: int, task_id: str, *, own_trace: bool) -> Place:
    """Of the span of a task, or of an attempt at one, in a session. `own_trace`: it is in a trace of its own."""
    whole = task_id.partition("@")[0]
    trace = _digits(32, run, session, whole) if own_trace else run_place(run, session).trace
    return Place(trace, _digits(16, run, session, "task", task_id))


def step_place(trace: str, *words: object) -> Place:
    """Of a span below a task's. `words`: what it is known by in its trace."""
    return Place(trace, _digits(16, trace, *words))


def _digits(number: int, *words: object) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:number]


def document(span: Span) -> dict[str, Any]:
    """As JSON for the other process; an empty field is left out."""
    every = span._asdict()
    return {name: value for name, value in every.items() if value}
