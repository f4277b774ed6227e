"""`--alert 'failure_rate > 0.1'`: comparisons of figures of a run, read and worked out. Pure; no word is Python's.

alert       = all { "or" all }
all         = comparison { "and" comparison }
comparison  = sum ( ">" | ">=" | "<" | "<=" ) sum
sum         = product { ( "+" | "-" ) product }
product     = atom { ( "*" | "/" ) atom }
atom        = number | figure | "(" sum ")"
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.text import nearest

FIGURES: Mapping[str, str] = {
    "total": "tasks, or plain requests",
    "ended": "those that were completed or have failed",
    "completed": "tasks that were completed, requests that were answered",
    "failed": "those that have failed for good",
    "failure_rate": "failed / ended; unknown while nothing has ended",
    "cost": "US dollars; unknown as soon as one price is",
    "cost_per_completed": "US dollars; unknown while nothing was completed",
    "tokens": "of all calls, in and out",
    "input_tokens": "of them, in",
    "output_tokens": "of them, out",
    "calls": "model calls that were billed",
    "attempts": "requests sent in this session, repeated ones too",
    "refused": "of them, those that were answered 429",
    "rate_429": "refused / attempts; unknown before the first",
    "minutes": "since the run began, over all its sessions",
}
"""What an alert may compare, with its meaning."""

MAX_LENGTH = 200
"""Characters."""

DEEPEST = 20
"""Parentheses within parentheses."""

Figures = Mapping[str, float | None]
"""Values by name; None: unknown."""

_Value = Callable[[Figures], float | None]
_WORDS = regex(r"\s*(?:(\d+(?:\.\d+)?)([%kM]?)|([A-Za-z_][A-Za-z0-9_]*)|(>=|<=|[><+\-*/()])|(\S))")
_UNITS = {"": 1.0, "%": 0.01, "k": 1e3, "M": 1e6}
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SUMS = {"+": operator.add, "-": operator.sub}
_PRODUCTS = {"*": operator.mul, "/": operator.truediv}


@dataclass(frozen=True)
class Alert:
    """Read; `text` as it was given."""

    text: str
    figures: tuple[str, ...]
    """Those that it compares, in the order of their first mention."""
    alternatives: tuple[tuple["_Comparison", ...], ...]

    def holds(self, figures: Figures) -> bool:
        """A comparison with something unknown, or divided by zero, does not hold."""
        return any(all(one.holds(figures) for one in each) for each in self.alternatives)


class _Comparison(NamedTuple):
    left: _Value
    compare: Callable[[float, float], bool]
    right: _Value

    def holds(self, figures: Figures) -> bool:
        left, right = self.left(figures), self.right(figures)
        return left is not None and right is not None and self.compare(left, right)


def read_alert(text: str) -> Alert:
    """Raises ValueError with what is wrong, as the end of a sentence."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"must be at most {MAX_LENGTH} characters")
    reader = _Reader(text)
    alternatives = [reader.all()]
    while reader.took("or"):
        alternatives.append(reader.all())
    if reader.word:
        raise ValueError(f"has {reader.word!r} where `and`, `or` or its end should be")
    if not reader.figures:
        raise ValueError(f"must name a figure: {', '.join(FIGURES)}")
    return Alert(text.strip(), tuple(reader.figures), tuple(alternatives))


class _Reader:
    """Goes through the words of an alert from left to right; `word` is the next one, empty at the end."""

    def __init__(self, text: str) -> None:
        self._words: Iterator[re.Match[str]] = _WORDS.finditer(text.rstrip())
        self.figures: dict[str, None] = {}
        self.word = ""
        self._depth = 0
        self._match: re.Match[str] | None = None
        self._next()

    def all(self) -> tuple[_Comparison, ...]:
        found = [self._comparison()]
        while self.took("and"):
            found.append(self._comparison())
        return tuple(found)

    def took(self, *words: str) -> str:
        """The next word, if it is one of these."""
        word = self.word if self.word in words else ""
        if word:
            self._next()
        return word

    def _next(self) -> None:
        self._match = next(self._words, None)
        self.word = self._match[0].strip() if self._match is not None else ""

    def _comparison(self) -> _Comparison:
        left = self._sum()
        sign = self.took(*_COMPARE)
        if not sign:
            raise ValueError(
                f"needs >, >=, < or <= {f'before {self.word!r}' if self.word else 'and a number'}"
            )
        return _Comparison(left, _COMPARE[sign], self._sum())

    def _sum(self) -> _Value:
        return self._chain(self._product, _SUMS)

    def _product(self) -> _Value:
        return self._chain(self._atom, _PRODUCTS)

    def _chain(
        self, part: Callable[[], _Value], signs: Mapping[str, Callable[[float, float], float]]
    ) -> _Value:
        value = part()
        while sign := self.took(*signs):
            value = _worked_out(signs[sign], value, part())
        return value

    def _atom(self) -> _Value:
        match = self._match
        if self.took("("):
            self._depth += 1
            if self._depth > DEEPEST:
                raise ValueError(f"has more than {DEEPEST} parentheses within each other")
            inner = self._sum()
            if not self.took(")"):
                raise ValueError("has a ( without its )")
            self._depth -= 1
            return inner
        if match is not None and match[1]:
            self._next()
            number = float(match[1]) * _UNITS[match[2]]
            return lambda figures: number
        if match is not None and match[3] and match[3] not in ("and", "or"):
            self._next()
            return self._figure(match[3])
        raise ValueError(
            f"has {self.word!r} where a figure or a number should be" if self.word else "is not whole"
        )

    def _figure(self, name: str) -> _Value:
        if name not in FIGURES:
            near = nearest(name, FIGURES)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(FIGURES)}"
            raise ValueError(f"has no figure {name!r}; {hint}")
        self.figures[name] = None
        return lambda figures: figures.get(name)


def _worked_out(work: Callable[[float, float], float], left: _Value, right: _Value) -> _Value:
    def value(figures: Figures) -> float | None:
        a, b = left(figures), right(figures)
        if a is None or b is None or (work is operator.truediv and b == 0):
            return None
        return work(a, b)

    return value
