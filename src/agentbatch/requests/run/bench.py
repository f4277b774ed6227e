"""A small performance test: the same sums, asked one by one, several at once, several a call."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.spending.pricing import Prices

SETTINGS = ((1, 1), (4, 1), (1, 3), (4, 3))
"""Requests at once, and requests a call: nothing, one of them, the other, both."""

ROUNDS = 4
"""Requests of a round for each that is under way at once, at least: one alone says nothing about a pace."""


@dataclass(frozen=True)
class Round:
    """What one setting came to."""

    at_once: int
    batch_size: int
    stats: BatchStats
    right: int
    """Answers that were the right sum."""
    problem: str = ""
    """Why more rounds are of no use, as a sentence; empty when they are."""

    @property
    def name(self) -> str:
        return f"{self.at_once}x{self.batch_size}"


@dataclass(frozen=True)
class Target:
    """The endpoint that is measured."""

    base_url: str
    api_key: str
    model: str
    prices: Prices | None = None
    access: Access = Access()  # noqa: RUF009 (frozen)


def settings(ladder: Sequence[int]) -> list[tuple[int, int]]:
    """All rounds: the four, then the ladder's numbers of requests at once, one a call."""
    return [*SETTINGS, *((at_once, 1) for at_once in ladder if (at_once, 1) not in SETTINGS)]


def requests_of(at_once: int, least: int) -> int:
    """Requests of a round."""
    return max(least, ROUNDS * at_once)


async def probe(target: Target) -> str:
    """Why the endpoint cannot be measured, found out with one request and no retry; empty when it can."""
    policy = RetryPolicy(max_retries=0)
    async with BatchProcessor(
        base_url=target.base_url,
        api_key=target.api_key,
        access=target.access,
        model=target.model,
        retry=policy,
        prices=target.prices,
    ) as processor:
        error = (await processor.run(_sums(1, 1_000))).results[0].error
        return "" if error is None else error.message


async def measure(target: Target, at_once: int, batch_size: int, count: int, place: int) -> Round:
    """`place` of the round, so that no two rounds ask the same: an endpoint may remember its answers."""
    async with BatchProcessor(
        base_url=target.base_url, api_key=target.api_key, access=target.access, model=target.model,
        concurrency=at_once, adaptive=False,
        batch_size=batch_size, dedupe=False, prices=target.prices,
    ) as processor:  # fmt: skip
        await processor.run(_sums(1, place + 1_001))  # opens the first connection
        right, last = 0, ""
        async for result in processor.stream(_sums(count, place), total=count):
            right += result.ok and _says(result.text, sum(_terms(result.index, place)))
            last = result.error.message if result.error is not None else last
        problem = processor.stopped or ("" if processor.stats.ok else last)
        return Round(at_once, batch_size, processor.stats, right, problem)


def _sums(count: int, place: int) -> Iterator[BatchRequest]:
    for number in range(count):
        first, second = _terms(number, place)
        yield BatchRequest.ask(f"sum-{number}", f"What is {first} + {second}? Answer with the number alone.")


def _terms(number: int, place: int) -> tuple[int, int]:
    return 11 + number * 7 % 889, 10 + (number * 13 + place * 101) % 890


def _says(text: str, number: int) -> bool:
    found = re.findall(r"\d+", text.replace(",", ""))
    return bool(found) and int(found[-1]) == number
