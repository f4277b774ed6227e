"""How the rehearsal server behaves for plain requests: its bad moments, its limits, its odd packs. By seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentbatch.rehearsal.faults.rate import AmountWindow
from agentbatch.rehearsal.faults.refusals import Problem
from agentbatch.rehearsal.plain.answers import plain_document
from agentbatch.rehearsal.script import Fault

Moment = Literal["503", "stall", "truncated", "cut", "garbage", "disconnect", "429"]
"""A bad moment of an endpoint."""

MOMENTS: Mapping[Moment, Fault] = {
    "503": Fault(status=503, message="The server is overloaded."),
    "stall": Fault(kind="stall"),
    "truncated": Fault(kind="short"),
    "cut": Fault(kind="cut"),
    "garbage": Fault(kind="garbage"),
    "disconnect": Fault(kind="disconnect"),
    "429": Fault(status=429, message="Slow down.", headers={"retry-after-ms": "50", "Retry-After": "1"}),
}


@dataclass(frozen=True)
class Plain:
    """Options of `RehearsalServer(plain=…)`."""

    share: float = 0.0
    """Of the requests that meet a bad moment, 0 to 1."""
    moments: tuple[Moment, ...] = ("503", "stall", "truncated", "garbage", "disconnect")
    seed: int = 1
    rpm: int | None = None
    tpm: int | None = None
    """Enforced, over `window` seconds that stand for the minute; every answer tells in x-ratelimit headers."""
    window: float = 60.0
    headers: bool = True
    """False: limits that nobody tells."""
    careless: bool = False
    """Packed items: now and then some are forgotten, one is given twice, one comes under an id that nobody asked for;
    always in another order."""


class PlainEndpoint:
    """The state of one server's plain side."""

    def __init__(self, options: Plain) -> None:
        self.options = options
        self.refused = 0
        """Requests that went past a limit."""
        self.passed: list[float] = []
        """When requests passed the limits (a monotonic clock's seconds), where there are some."""
        self.tokens = 0
        """Of all answers."""
        self.played: list[Moment | None] = []
        """What each request met in the order of their coming, None for an answer; where there are bad moments."""
        self._rng = random.Random(options.seed)
        self._careless = random.Random(options.seed)
        scale = options.window / 60.0
        self._requests = AmountWindow((options.rpm or 0) * scale, options.window)
        self._tokens = AmountWindow((options.tpm or 0) * scale, options.window)
        self._answered = 0

    @property
    def limited(self) -> bool:
        return bool(self.options.rpm or self.options.tpm)

    def bad_moment(self) -> Fault | None:
        """For the next request. None: it is answered."""
        if not self.options.share:
            return None
        moment = self._rng.choice(self.options.moments) if self._rng.random() < self.options.share else None
        self.played.append(moment)
        return None if moment is None else MOMENTS[moment]

    def answer(
        self, path: str, body: Mapping[str, Any], now: float
    ) -> tuple[dict[str, Any] | Problem, dict[str, str]]:
        """The document or the refusal, and its headers. `now` is a monotonic clock's."""
        self._answered += 1
        rng = self._careless if self.options.careless else None
        document = plain_document(path, body, self._answered, rng)
        used = document["usage"]["total_tokens"]
        if not self.limited:
            self.tokens += used
            return document, {}
        wait = max(self._requests.wait(1, now), self._tokens.wait(used, now))
        if wait:
            self.refused += 1
            message = f"Rate limit reached. Please try again in {wait:.3f}s."
            problem = Problem(429, message, type="requests", code="rate_limit_exceeded")
            retry = {"Retry-After": str(int(-(-wait // 1))), "retry-after-ms": str(int(-(-wait * 1000 // 1)))}
            return problem, {**self._told(now), **retry}
        self._requests.add(1, now)
        self._tokens.add(used, now)
        self.passed.append(now)
        self.tokens += used
        return document, self._told(now)

    def _told(self, now: float) -> dict[str, str]:
        if not self.options.headers:
            return {}
        told = {}
        for name, given, window in (
            ("requests", self.options.rpm, self._requests),
            ("tokens", self.options.tpm, self._tokens),
        ):
            if given:
                told[f"x-ratelimit-limit-{name}"] = str(int(window.limit))
                told[f"x-ratelimit-remaining-{name}"] = str(int(window.limit - window.sum))
                told[f"x-ratelimit-reset-{name}"] = f"{window.reset(now):.3f}s"
        return told
