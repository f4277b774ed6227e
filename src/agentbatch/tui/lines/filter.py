"""The filter of the task table: `state:error cost:>1 text -word`. Pure."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agentbatch.patterns import regex
from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import nearest

Test = Callable[[TaskState, ShownStatus], bool]

STATES: Mapping[str, frozenset[str]] = {
    **{
        name: frozenset({name})
        for name in (
            "queued", "coding", "evaluating", "paused", "completed", "error", "timeout", "cancelled", "skipped",
            "interrupted",
        )
    },
    "done": frozenset({"completed"}),
    "running": frozenset({"coding", "evaluating", "paused"}),
    "failed": frozenset({"error", "timeout", "cancelled", "skipped"}),
}  # fmt: skip
"""What `state:` knows."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}

_TERM = regex(r'(-?)(?:(\w+):)?(?:"([^"]*)"?|(\S+))')
_NUMBER = regex(r"(>=|<=|>|<|=)?\s*\$?(\d+(?:\.\d+)?)([a-zA-Z]*)")

_UNITS: Mapping[str, Mapping[str, float]] = {
    "cost": {"": 1.0},
    "iter": {"": 1.0},
    "tokens": {"": 1.0, "k": 1e3, "m": 1e6},
    "time": {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0},
}

_HALF_TYPED = frozenset(f"{name}:" for name in ("state", *_UNITS))


class FilterError(ValueError):
    """A term that means nothing; the text says what is known."""


@dataclass(frozen=True)
class Filter:
    """All its tests must hold."""

    tests: tuple[Test, ...]
    by_time: bool = False
    """It asks the clock: what it lets through can change while nothing happens."""

    def matches(self, task: TaskState, status: ShownStatus) -> bool:
        return all(test(task, status) for test in self.tests)


def parse_filter(text: str, now: Callable[[], float] = lambda: 0.0) -> Filter:
    """`now` gives epoch seconds, for `time:` of tasks under way. Raises FilterError."""
    tests = []
    by_time = False
    for match in _TERM.finditer(text):
        minus, name, quoted, word = match.groups()
        value = quoted if quoted is not None else word
        if name is None and value.startswith("-") and len(value) > 1:
            minus, value = "-", value[1:]
        if name is None and value.lower() in _HALF_TYPED:
            continue
        test = _test(name, value, now)
        tests.append(_not(test) if minus else test)
        by_time |= name == "time"
    return Filter(tuple(tests), by_time)


def _not(test: Test) -> Test:
    return lambda task, status: not test(task, status)


def _test(name: str | None, value: str, now: Callable[[], float]) -> Test:
    if name is None:
        return _words(value)
    if name == "state":
        return _state(value)
    if name in _UNITS:
        return _number(name, value, now)
    known = ["state", *_UNITS]
    near = nearest(name, known)
    hint = f"did you mean {near}:?" if near else f"known: {', '.join(f'{word}:' for word in known)}"
    raise FilterError(f"{name}: is not known; {hint}")


def _words(value: str) -> Test:
    wanted = value.lower()

    def test(task: TaskState, status: ShownStatus) -> bool:
        return any(
            wanted in text.lower()
            for text in (task.id, task.dir, task.error, task.reason or "", task.activity.detail, status)
        )

    return test


def _state(value: str) -> Test:
    wanted: set[str] = set()
    for word in value.lower().split(","):
        if word in STATES:
            wanted |= STATES[word]
            continue
        matching = [name for name in STATES if word and name.startswith(word)]
        if len(matching) != 1:
            raise FilterError(f"state:{word} is not known: {', '.join(matching or STATES)}")
        wanted |= STATES[matching[0]]
    return lambda task, status: status in wanted or (task.paused and "paused" in wanted)


def _number(name: str, value: str, now: Callable[[], float]) -> Test:
    match = _NUMBER.fullmatch(value)
    units = _UNITS[name]
    if match is None or match[3].lower() not in units:
        more = "".join(f", {unit}" for unit in units if unit)
        raise FilterError(f"{name}: takes a number, as in {name}:>2{f' (with{more[1:]})' if more else ''}")
    compare = _COMPARISONS[match[1] or "="]
    wanted = float(match[2]) * units[match[3].lower()]

    def test(task: TaskState, status: ShownStatus) -> bool:
        actual = _figure(name, task, now)
        return actual is not None and compare(actual, wanted)

    return test


def _figure(name: str, task: TaskState, now: Callable[[], float]) -> float | None:
    match name:
        case "cost":
            return task.cost  # unknown: no comparison holds
        case "tokens":
            return task.usage.total
        case "iter":
            return task.iteration
        case _:
            return task.duration(now())
