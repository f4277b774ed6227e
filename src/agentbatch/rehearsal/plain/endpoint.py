"""The rehearsal server's behaviour for plain requests: faults, limits, bad packs. Deterministic by seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentbatch.rehearsal.faults.rate import AmountWindow
from agentbatch.rehearsal.faults.refusals import Problem
from agentbatch.rehearsal.plain.answers import plain_document
from agentbatch.rehearsal.script import Fault

Moment = Literal["503", "stall", "truncated", "cut", "garbage", "disconnect", "429"]
"""A fault of an endpoint."""

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
    """Share of the requests that get a fault, 0 to 1."""
    moments: tuple[Moment, ...] = ("503", "stall", "truncated", "garbage", "disconnect")
    seed: int = 1
    rpm: int | None = None
    tpm: int | None = None
    """Enforced over `window` seconds instead of a minute; every answer has x-ratelimit headers."""
    window: float = 60.0
    headers: bool = True
    """False: limits without headers."""
    careless: bool = False
    """Packed items: sometimes some are omitted, one is duplicated or has an unknown id; always in another order."""


class PlainEndpoint:
    """The state of one server's plain side."""

    def __init__(self, options: Plain) -> None:
        self.options = options
        self.refused = 0
        """Requests above a limit."""
        self.passed: list[float] = []
        """When requests were allowed (seconds of a monotonic clock), if there are limits."""
        self.tokens = 0
        """Of all answers."""
        self.played: list[Moment | None] = []
        """The fault of each request, in order, None for an answer; if there are faults."""
        self._rng = random.Random(options.seed)
        self._careless = random.Random(options.seed)
        scale = options.window / 60.0
        self._requests = AmountWindow((options.rpm or 0) * scale, options.window)
        self._tokens = AmountWindow((options.tpm or 0) * scale, options.window)
        self._answered = 0

    @property
    def limited(self) -> bool:
        return bool(self.options.rpm or self.options.tpm)

    def next_fault(self) -> Fault | None:
        """The fault of the next request. None: it is answered."""
        if not self.options.share:
            return None
        moment = self._rng.choice(self.options.moments) if self._rng.random() < self.options.share else None
        self.played.append(moment)
        return None if moment is None else MOMENTS[moment]

    def answer(
        self, path: str, body: Mapping[str, Any], now: float
    ) -> tuple[dict[str, Any] | Problem, dict[str, str]]:
        """The document or the refusal, and its headers. `now`: seconds of a monotonic clock."""
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
            return problem, {**self._limit_headers(now), **retry}
        self._requests.add(1, now)
        self._tokens.add(used, now)
        self.passed.append(now)
        self.tokens += used
        return document, self._limit_headers(now)

    def _limit_headers(self, now: float) -> dict[str, str]:
        if not self.options.headers:
            return {}
        headers = {}
        for name, limit, window in (
            ("requests", self.options.rpm, self._requests),
            ("tokens", self.options.tpm, self._tokens),
        ):
            if limit:
                headers[f"x-ratelimit-limit-{name}"] = str(int(window.limit))
                headers[f"x-ratelimit-remaining-{name}"] = str(int(window.limit - window.sum))
                headers[f"x-ratelimit-reset-{name}"] = f"{window.reset(now):.3f}s"
        return headers
