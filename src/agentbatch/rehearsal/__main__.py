"""`python -m agentbatch.rehearsal`: the rehearsal server on its own."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.rehearsal.faults.benchmark import benchmark_scripts
from agentbatch.rehearsal.library import load_scripts, sample_scripts
from agentbatch.rehearsal.script import Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.rehearsal.streaming import Streaming


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C. The first line on stdout is the base URL."""
    options = _parser().parse_args(arguments)
    try:
        scripts = _scripts(options)
        asyncio.run(_serve(scripts, options))
    except (UserError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agentbatch.rehearsal",
        description="An OpenAI-compatible server on loopback with scripted replies: no AI, no key.",
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port on 127.0.0.1; a free one by default"
    )
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each answer")
    parser.add_argument(
        "--tokens-per-second", type=float, metavar="N", help="pace of streamed answers; at once by default"
    )
    library = parser.add_mutually_exclusive_group()
    library.add_argument("--scripts", type=Path, metavar="DIR", help="your own scripts, *.toml")
    library.add_argument("--benchmark", action="store_true", help="play the benchmark scripts")
    parser.add_argument("--any-model", action="store_true", help="serve every model name")
    return parser


def _scripts(options: argparse.Namespace) -> list[Script]:
    if options.benchmark:
        return benchmark_scripts()
    return load_scripts(options.scripts) if options.scripts else sample_scripts()


async def _serve(scripts: Sequence[Script], options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = RehearsalServer(
        scripts,
        latency=options.latency,
        streaming=Streaming(tokens_per_second=options.tokens_per_second),
        any_model=options.any_model,
        record=0,
        port=options.port,
    )
    async with server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    raise SystemExit(main())
