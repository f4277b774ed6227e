"""`agentbatch bench requests`: how much faster a batch goes with more at once, and more a call."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentbatch.cli.arguments import number, whole
from agentbatch.cli.complaints import complain
from agentbatch.cli.flags import add_trust_flag, read_settings
from agentbatch.errors import UserError
from agentbatch.runs.named_anew import refuse_for_requests
from agentbatch.spending.pricing import Prices
from agentbatch.text import money
from agentbatch.usage import sum_or_none

if TYPE_CHECKING:
    from agentbatch.requests.run.bench import Round, Target

DESCRIPTION = """\
Measure a batch of small requests: 1 at once and 1 a call (1x1), 4x1, 1x3, 4x3,
then a ladder of more at once. Without --yes-spend the endpoint is the
rehearsal server on this machine, which answers after --latency and costs
nothing.
"""

EPILOG = """\
examples:
  agentbatch bench requests
  agentbatch bench requests --latency 1 --ladder 8,32,128
  agentbatch bench requests --yes-spend --ladder 8,16
"""

LADDER = (8, 16, 32)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("bench", description="Performance tests.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    bench = commands.add_parser(
        "requests",
        help="plain requests: several at once, several a call",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    bench.add_argument(
        "--latency", dest="answer_after", metavar="SECONDS", type=number(0, 60), default=0.2,
        help="of the rehearsal server [0.2]",
    )  # fmt: skip
    bench.add_argument(
        "--requests",
        dest="least",
        metavar="N",
        type=whole(1, 10_000),
        default=24,
        help="a round, at least [24]",
    )
    bench.add_argument(
        "--ladder", metavar="N,N,...", type=_ladder, default=LADDER,
        help="requests at once, one a call [8,16,32]; 0: none",
    )  # fmt: skip
    bench.add_argument(
        "--yes-spend", dest="spends", action="store_true",
        help="measure the coder's endpoint and model instead, and pay for it",
    )  # fmt: skip
    add_trust_flag(bench)
    bench.add_argument("--json", dest="as_json", action="store_true", help="print one JSON document")
    bench.set_defaults(command=run)


def _ladder(text: str) -> tuple[int, ...]:
    count = whole(1, 10_000)
    return () if text == "0" else tuple(count(part) for part in text.split(","))


def run(args: argparse.Namespace) -> int:
    rounds, problem = asyncio.run(_measure(args))
    if args.as_json:
        document = {"rounds": [_document(r) for r in rounds], "stopped": problem or None}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    if problem:
        complain(problem)
    return 1 if problem or any(round_.stats.failed for round_ in rounds) else 0


async def _measure(args: argparse.Namespace) -> "tuple[list[Round], str]":
    """The rounds, and why they ended early, as a sentence; empty when they did not."""
    from agentbatch.requests.run.bench import measure, probe, requests_of, settings

    rounds: list[Round] = []
    planned = [(at_once, size, requests_of(at_once, args.least)) for at_once, size in settings(args.ladder)]
    async with _target(args) as target:
        problem = await probe(target)
        if problem:
            return [], f"Nothing was measured. {problem}"
        if not args.as_json:
            total = sum(count for *_, count in planned) + len(planned) + 1
            sys.stdout.write(f"{_where(args, target)}, {total:,} requests\n\n{HEADING}\n")
            sys.stdout.flush()
        for place, (at_once, size, count) in enumerate(planned):
            rounds.append(await measure(target, at_once, size, count, place))
            if not args.as_json:
                sys.stdout.write(_line(rounds[-1], rounds[0], counts_right=args.spends) + "\n")
                sys.stdout.flush()
            problem = rounds[-1].problem
            if problem:
                break
    if not args.as_json:
        sys.stdout.write(f"\n{_explanation(args, rounds)}\n")
        sys.stdout.flush()
    return rounds, problem


@asynccontextmanager
async def _target(args: argparse.Namespace) -> "AsyncIterator[Target]":
    from agentbatch.model.http.access import Access
    from agentbatch.requests.run.bench import Target

    if not args.spends:
        from agentbatch.rehearsal.server import RehearsalServer

        async with RehearsalServer(plain=True, latency=args.answer_after, record=0) as server:
            yield Target(server.base_url, "-", "rehearsal-plain")
        return
    trusted = {"trust_changes": True} if getattr(args, "trust_changes", False) else {}
    given, _ = read_settings({"judge": "none", **trusted})  # nothing is judged, so that key is not needed
    if given.rehearsal:
        raise UserError(
            "--yes-spend measures the coder's endpoint, and none is set: CODER_API_KEY or OPENAI_API_KEY, and "
            "CODER_ENDPOINT and CODER_MODEL where they are not the usual ones."
        )
    role, folder = given.coder, Path.cwd()
    if not given.trust_changes:
        refuse_for_requests(folder, given.named_by_file)
    access = Access.of(role, given, folder=folder, environ=os.environ, on_key=lambda key: None)
    key = role.api_key.get_secret_value()
    yield Target(role.base_url, key, role.model, Prices.of(given.prices, folder), access)


def _where(args: argparse.Namespace, target: "Target") -> str:
    if not args.spends:
        return f"The rehearsal server, {args.answer_after:g} s an answer"
    return f"{target.model} at {urlsplit(target.base_url).hostname}"


HEADING = "at once x a call  requests  seconds  requests/s  speed-up    p50    p95  tokens"


def _line(round_: "Round", first: "Round", *, counts_right: bool) -> str:
    """At most 79 columns. Tokens: of a request."""
    stats = round_.stats
    line = (
        f"{round_.name:>16}  {stats.done:>8,}  {stats.elapsed:>7.2f}  {stats.rate:>10.1f}  "
        f"{stats.rate / first.stats.rate if first.stats.rate else 0.0:>7.1f}x  {stats.latency.percentile(0.5):>5.2f}  "
        f"{stats.latency.percentile(0.95):>5.2f}  {stats.tokens_each:>6,.0f}"
    )
    wrong = stats.ok - round_.right if counts_right else 0
    counts = ((stats.failed, "failed"), (stats.refused, "answered 429"), (wrong, "wrong sums"))
    odd = [f"{number:,} {what}" for number, what in counts if number]
    return line + "".join(f"\n{'':>16}  {part}" for part in odd)


def _explanation(args: argparse.Namespace, rounds: "list[Round]") -> str:
    text = (
        "4x3: four calls at once, three requests in each. p50 and p95: seconds a call;\ntokens: of a request."
    )
    if not args.spends:
        return text + "\nThis is agentbatch and the machine; --yes-spend measures your endpoint."
    return text + f"\nCost {money(sum_or_none(round_.stats.cost for round_ in rounds))}."


def _document(round_: "Round") -> dict[str, Any]:
    stats = round_.stats
    return {
        "setting": round_.name,
        "atOnce": round_.at_once,
        "batchSize": round_.batch_size,
        "requests": stats.done,
        "failed": stats.failed,
        "refused": stats.refused,
        "right": round_.right,
        "seconds": round(stats.elapsed, 3),
        "requestsPerSecond": round(stats.rate, 3),
        "p50": round(stats.latency.percentile(0.5), 4),
        "p95": round(stats.latency.percentile(0.95), 4),
        "tokensEach": round(stats.tokens_each, 1),
        "cost": stats.cost,
    }
