"""Plain requests: requests a second, CPU and memory a request, against a 200 ms server in a separate process.

    python -m benchmarks.requests [--count N] [--stream N]

Beside it, in the same run, the SDK's own client (AsyncOpenAI on its aiohttp transport) on the same server. Loopback
only.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from agentbatch.requests import BatchProcessor, BatchRequest

LATENCY = 0.2
"""Seconds."""

SERVER = """
import asyncio, sys
from agentbatch.rehearsal.server import RehearsalServer
async def main():
    async with RehearsalServer(plain=True, latency=float(sys.argv[1]), record=0) as server:
        print(server.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


def cpu() -> float:
    """Seconds of CPU of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory() -> int:
    """Bytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def requests(count: int) -> AsyncIterator[BatchRequest]:
    for number in range(count):
        yield BatchRequest.ask(f"r{number}", f"Say {number} in a word.")


async def ours(url: str, count: int, at_once: int) -> None:
    async with BatchProcessor(
        base_url=url, api_key="k", model="m", concurrency=at_once, adaptive=False
    ) as processor:
        async for _ in processor.stream(requests(at_once)):  # connections are opened before the clock runs
            pass
        before, began, peak, base = cpu(), time.monotonic(), 0, memory()
        number = 0
        async for _ in processor.stream(requests(count)):
            number += 1
            if number % 200 == 0:
                peak = max(peak, memory())
        seconds = time.monotonic() - began
        stats = processor.stats
    per_request = max(0, peak - base) / at_once / 1024
    figures = [
        f"{at_once:>5} at once   {count / seconds:7.0f}/s (ideal {at_once / LATENCY:5.0f})",
        f"CPU {(cpu() - before) / count * 1000:.2f} ms",
        f"p50 {stats.latency.percentile(0.5) / LATENCY:.2f}x  p95 {stats.latency.percentile(0.95) / LATENCY:.2f}x",
        f"memory {per_request:.0f} KB a request in flight",
        f"failed {stats.failed}",
    ]
    print("  " + "  ".join(figures))


async def sdk(url: str, count: int, at_once: int) -> None:
    import openai

    client = openai.AsyncOpenAI(
        base_url=url, api_key="k", max_retries=0, http_client=openai.DefaultAioHttpClient(timeout=120)
    )
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with gate:
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": f"Say {number} in a word."}]
            )

    await asyncio.gather(*(one(number) for number in range(at_once)))
    before, began = cpu(), time.monotonic()
    await asyncio.gather(*(one(number) for number in range(count)))
    seconds = time.monotonic() - began
    await client.close()
    print(f"  {at_once:>5} at once   {count / seconds:7.0f}/s  CPU {(cpu() - before) / count * 1000:.2f} ms")


async def stream(url: str, count: int) -> None:
    marks = []
    async with BatchProcessor(base_url=url, api_key="k", model="m", concurrency=200) as processor:
        number = 0
        began = time.monotonic()
        async for _ in processor.stream(requests(count), total=count):
            number += 1
            if number % (count // 10) == 0:
                marks.append(memory() / 1e6)
        seconds = time.monotonic() - began
    print(f"  {count:,} in {seconds:.0f} s, MB at each tenth: {', '.join(f'{mark:.0f}' for mark in marks)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=4_000, help="requests of each round [4000]")
    parser.add_argument(
        "--stream", type=int, default=100_000, help="requests that stream through [100000]; 0: none"
    )
    args = parser.parse_args()
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(LATENCY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    try:
        print("agentbatch.requests, journal on, streaming results")
        for at_once in (50, 200, 1_000):
            asyncio.run(ours(url, args.count, at_once))
        print("\nthe SDK's AsyncOpenAI on aiohttp, no journal")
        for at_once in (200, 1_000):
            asyncio.run(sdk(url, args.count, at_once))
        if args.stream:
            print("\nmemory")
            asyncio.run(stream(url, args.stream))
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(30)


if __name__ == "__main__":
    main()
