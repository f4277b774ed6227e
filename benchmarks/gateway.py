"""What the gateway costs: CPU of a call that an agent makes through it, against the same call made directly.

    python -m benchmarks.gateway [--calls 100] [--at-once 20]

The upstream is a rehearsal server in a process of its own. The agent (an HTTP client) and the gateway with a run's real
store share this one: what the same calls take less without the gateway is the agent's. Each kind of call in turn,
direct and through it, several times; medians. Figures are printed, nothing is asserted.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from agentbatch.gateway.account import Account
from agentbatch.gateway.gateway import Gateway
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.spending.billing import Billing
from agentbatch.spending.budget import RunBudget
from agentbatch.spending.pricing import Prices
from benchmarks.overhead import rehearsal

KEY = "sk-benchmark-0123456789"
PROMPT = "gateway bench"
WORDS = 300
"""Of the answer: about as many events of a stream."""

REPEATS = 3
PACE = 200
"""Tokens a second of streams whose events come one by one."""
SIZES = {"20 KB": 20_000, "400 KB": 400_000}
"""Bytes of a conversation: an agent's first calls, and late ones."""


def body(path: str, size: int, stream: bool) -> dict[str, Any]:
    """A request of about so many bytes."""
    turn = "def total(rows):\n    return sum(float(row['sum']) for row in rows)\n" * 15
    asked = [{"role": "user", "content": PROMPT}] + [{"role": "user", "content": turn}] * (size // len(turn))
    if path == "/responses":
        return {"model": "coder", "stream": stream, "input": asked}
    return {"model": "coder", "stream": stream, "messages": asked} | (
        {"max_tokens": 4096} if path == "/messages" else {}
    )


@contextlib.contextmanager
def upstream(folder: Path, pace: int | None = None) -> Iterator[str]:
    """`pace`: tokens a second of its streams, each an event; None: all at once."""
    answer = f'content = "{"word " * WORDS}"\n'
    script = f'prompt = "{PROMPT}"\nmatch = "prefix"\n[[coder]]\n{answer}[[evaluator]]\n{answer}'
    (folder / "script.toml").write_text(script, encoding="utf-8")
    paced = () if pace is None else ("--tokens-per-second", str(pace))
    with rehearsal("--any-model", "--scripts", str(folder), *paced) as url:
        yield url


@contextlib.asynccontextmanager
async def gateway(url: str, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Its address and an account's token."""
    redact = Redactor([KEY])
    prices = folder / "prices.toml"
    prices.write_text('[models."coder"]\ninput = 1.0\noutput = 10.0\n', encoding="utf-8")
    store = Store(create_run_folder(folder, datetime.now()), redact)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        endpoint = Endpoint(url, KEY, limits=EndpointLimits(), retry=RetryPolicy(), redact=redact)
        await stack.enter_async_context(endpoint)
        started = Gateway()
        stack.push_async_callback(started.close)
        await started.start()
        store.emit(e.TaskQueued(task_id="t", index=0, dir="t", first_prompt=PROMPT, max_iterations=1))
        budget = RunBudget(max_cost=10**9, max_tokens=10**12).task("t")
        billing = Billing("coder", "t", store.emit, endpoint.quota, Prices.load(prices), url, budget)
        yield f"{started.url}/v1", started.open(Account(billing, endpoint, "coder", store.stored))


async def cpu(
    session: aiohttp.ClientSession, url: str, token: str, asked: bytes, options: argparse.Namespace
) -> float:
    """Milliseconds of this process a call."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    calls: int = options.calls
    left = iter(range(calls))

    async def agent() -> None:
        for _ in left:
            async with session.post(url, data=asked, headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{url}: {answer.status}")

    before = time.process_time()
    await asyncio.gather(*(agent() for _ in range(options.at_once)))
    return (time.process_time() - before) * 1000 / calls


async def measure(options: argparse.Namespace) -> None:
    print(f"{'':40}{'direct':>9}{'through':>9}{'gateway':>9}   CPU a call, ms")
    for path in ("/chat/completions", "/responses", "/messages"):
        for size, count in SIZES.items():
            for stream in (False, True):
                await compared(
                    f"{path} {size} {'stream' if stream else 'whole'}", path, count, stream, options
                )
    await compared(f"/chat/completions at {PACE} tokens/s", "/chat/completions", 20_000, True, options, PACE)


async def compared(
    kind: str, path: str, size: int, stream: bool, options: argparse.Namespace, pace: int | None = None
) -> None:
    """One line of figures: medians of REPEATS in turn."""
    asked = json.dumps(body(path, size, stream)).encode()
    with tempfile.TemporaryDirectory() as name, upstream(Path(name), pace) as direct:
        async with gateway(direct, Path(name)) as (passing, token), aiohttp.ClientSession() as session:
            pairs = [
                [await cpu(session, at + path, token, asked, options) for at in (direct, passing)]
                for _ in range(REPEATS)
            ]
    alone, both = (statistics.median(figures) for figures in zip(*pairs, strict=True))
    print(f"{kind:40}{alone:9.2f}{both:9.2f}{both - alone:9.2f}   {both / alone:.1f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of a call through the gateway, against a direct one.")
    parser.add_argument("--calls", type=int, default=100, help="of each kind and repeat")
    parser.add_argument("--at-once", type=int, default=20)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
