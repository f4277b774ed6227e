"""Plain requests under a rate limit: how much of it is used, and how many calls are refused.

    python -m benchmarks.request_rates [--seconds S]

Servers in separate processes enforce 600 requests and 60,000 tokens in any 60 seconds, with 429s. All rounds run
side by side: they hardly use the CPU. Loopback only.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from agentbatch.requests import BatchProcessor, BatchRequest

RPM = 600
TPM = 60_000

AT_ONCE = 50

SERVER = """
import asyncio, json, sys
from agentbatch.rehearsal.plain.endpoint import Plain
from agentbatch.rehearsal.server import RehearsalServer
async def main():
    rpm, tpm, in_headers = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "headers"
    async with RehearsalServer(plain=Plain(rpm=rpm, tpm=tpm, headers=in_headers), latency=0.2, record=0) as server:
        print(server.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        plain = server.plain
        print(json.dumps({"passed": plain.passed, "refused": plain.refused, "tokens": plain.tokens}))
asyncio.run(main())
"""


class Round(NamedTuple):
    """One way to know the limits, with one binding limit."""

    name: str
    limits: dict[str, Any]
    """Given to the processor."""
    in_headers: bool
    """The server sends them in headers."""
    padding: int
    """Extra characters of every request: with many, tokens are the binding limit."""


SMALL, LARGE = 0, 480

ROUNDS = [
    Round(f"{binds} bind, limits {known}", limits, in_headers, padding)
    for binds, padding in (("requests", SMALL), ("tokens", LARGE))
    for known, limits, in_headers in (
        ("given", {"rpm": RPM, "tpm": TPM}, False),
        ("in headers", {}, True),
        ("unknown", {}, False),
    )
]


class Counted(NamedTuple):
    """What a server counted."""

    used: float
    """Share of the allowed rate, from the first accepted call to the first one of the third minute."""
    second_minute: float
    """Share of a minute's allowance that was accepted in the second minute, after the burst at the start."""
    refused: float
    """Share of the calls."""
    passed: int


def counted(passed: Sequence[float], refused: int, tokens: int) -> Counted:
    """`passed`: when calls were accepted, by a monotonic clock. `tokens`: of all of them."""
    allowed = min(RPM, TPM * len(passed) / tokens)
    after = [at - passed[0] for at in passed]
    third = next((number for number, at in enumerate(after) if at >= 119.0), None)
    if third is None:
        raise SystemExit(f"{len(passed)} calls were accepted, and none in the third minute.")
    used = third / after[third] / (allowed / 60)
    second = sum(60.0 <= at < 120.0 for at in after) / allowed
    return Counted(used, second, refused / (len(passed) + refused), len(passed))


async def requests(padding: int) -> AsyncIterator[BatchRequest]:
    number = 0
    while True:
        yield BatchRequest.ask(f"r{number}", f"Say {number} in a word." + "." * padding)
        number += 1


def start(case: Round) -> "subprocess.Popen[str]":
    """Its server."""
    words = [sys.executable, "-c", SERVER, str(RPM), str(TPM), "headers" if case.in_headers else "none"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(server: "subprocess.Popen[str]") -> str:
    """Its counts, as JSON."""
    return server.communicate(timeout=30)[0]


async def run(case: Round, url: str, seconds: float) -> int:
    """Requests that failed."""
    async with BatchProcessor(
        base_url=url, api_key="k", model="m", concurrency=AT_ONCE, timeout=seconds, **case.limits
    ) as processor:
        async for _ in processor.stream(requests(case.padding)):
            pass
        return processor.stats.failed


async def run_all(urls: Sequence[str], seconds: float) -> list[int]:
    return await asyncio.gather(*(run(case, url, seconds) for case, url in zip(ROUNDS, urls, strict=True)))


def measure(seconds: float) -> None:
    servers = [start(case) for case in ROUNDS]
    try:
        urls = [server.stdout.readline().strip() for server in servers if server.stdout is not None]
        failed = asyncio.run(run_all(urls, seconds))
    finally:
        seen = [end(server) for server in servers]
    for case, saw, lost in zip(ROUNDS, seen, failed, strict=True):
        found = counted(**json.loads(saw))
        print(
            f"  {case.name:<38}  used {found.used:6.1%}  second minute {found.second_minute:6.1%}  "
            f"refused {found.refused:5.2%}  accepted {found.passed:,}  failed {lost}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=132.0, help="of each round, over 120 [132]")
    args = parser.parse_args()
    if args.seconds <= 120:
        raise SystemExit("A round takes more than 120 seconds: two of the server's minutes.")
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{RPM} requests and {TPM:,} tokens a minute, {args.seconds:g} s\n")
    measure(args.seconds)


if __name__ == "__main__":
    main()
