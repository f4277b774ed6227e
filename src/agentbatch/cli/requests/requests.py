"""`agentbatch requests`: batches of plain model requests; its words."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentbatch.cli.requests.make import add_make
from agentbatch.cli.requests.run import run_requests

DESCRIPTION = """\
Send every request of a JSON lines file to the model, as many at once as the
endpoint takes, and write a line for each answer. A batch that ended early goes
on with --resume: what was answered is not paid again.
"""

EPILOG = """\
A line of input is {"id": "a", "prompt": "…"} or OpenAI's batch form with
custom_id, method, url and body; lines of output have the batch form. Model,
endpoint and key are those of the coder: CODER_MODEL, CODER_ENDPOINT,
CODER_API_KEY or OPENAI_API_KEY. The batch is a run of this folder: agentbatch
status, logs -f, stop, pause, unpause and set concurrency work with it.

examples:
  agentbatch requests run questions.jsonl -o answers.jsonl --concurrency 50
  agentbatch requests run questions.jsonl -o answers.jsonl --resume --ordered
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "requests", help="batches of plain model requests", description="Batches of plain model requests."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = commands.add_parser(
        "run",
        help="send the requests of a file",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument("input", metavar="IN.jsonl", help="the requests, one a line; -: standard input")
    run.add_argument(
        "-o", "--output", metavar="OUT.jsonl", dest="out", type=Path, help="the answers, one a line"
    )
    _add_ask(run.add_argument_group("what is asked (of requests that do not say it themselves)"))
    _add_pace(run.add_argument_group("pace"))
    _add_again(run.add_argument_group("going on, and output"))
    run.set_defaults(command=run_requests)
    add_make(commands)


def _add_ask(group: Any) -> None:
    group.add_argument("--model", dest="ask_model", metavar="NAME", help="the model [CODER_MODEL]")
    group.add_argument("--endpoint", dest="ask_endpoint", metavar="URL", help="where it is [CODER_ENDPOINT]")
    group.add_argument("--system", dest="ask_system", metavar="FILE", type=Path, help="a system message")
    group.add_argument("--temperature", dest="ask_temperature", metavar="T", type=float)
    group.add_argument(
        "--max-tokens", dest="ask_max_tokens", metavar="N", type=_whole(1, 10_000_000), help="of an answer"
    )
    group.add_argument(
        "--json-schema", dest="ask_schema", metavar="FILE", type=Path,
        help="answers keep to it; one that does not is asked for once more",
    )  # fmt: skip


def _add_pace(group: Any) -> None:
    group.add_argument(
        "--concurrency",
        metavar="N",
        type=_whole(1, 10_000),
        default=10,
        help="requests at once, at most [10]",
    )
    group.add_argument(
        "--batch-size",
        metavar="N",
        type=_whole(1, 10),
        default=1,
        help="short requests that share a call, 1 to 10 [1]",
    )
    group.add_argument(
        "--rpm", dest="most_rpm", metavar="N", type=_whole(1, 10_000_000), help="requests a minute"
    )
    group.add_argument("--tpm", dest="most_tpm", metavar="N", type=_whole(1, 10**10), help="tokens a minute")
    group.add_argument(
        "--throttle-ms",
        dest="pause_ms",
        metavar="MS",
        type=_whole(0, 2_000),
        help="between two starts [0]",
    )
    group.add_argument(
        "--max-retries", dest="retries", metavar="N", type=_whole(0, 5), help="of a request [3]"
    )
    group.add_argument(
        "--retry-delay",
        dest="delay",
        metavar="SECONDS",
        type=_seconds,
        help="before the first retry [5]",
    )
    group.add_argument(
        "--request-timeout",
        dest="patience",
        metavar="SECONDS",
        type=_seconds,
        help="for each attempt [120]",
    )
    group.add_argument(
        "--timeout", dest="whole_timeout", metavar="SECONDS", type=_seconds, help="for the whole batch"
    )
    group.add_argument(
        "--max-cost", dest="most_cost", metavar="USD", type=_seconds, help="US dollars for this session"
    )
    group.add_argument(
        "--max-failures", dest="most_failures", metavar="N|P%",
        help="end it after N failed requests, or P percent of those that ended (from 20 on)",
    )  # fmt: skip


def _add_again(group: Any) -> None:
    group.add_argument(
        "--resume", dest="go_on", action="store_true", help="go on with the batch of this input"
    )
    group.add_argument(
        "--retry-failed", dest="again", action="store_true", help="go on, and ask what failed again"
    )
    group.add_argument("--force", dest="anew", action="store_true", help="begin anew; pays everything again")
    group.add_argument(
        "--no-dedupe", dest="each", action="store_true", help="pay requests that ask the same each"
    )
    group.add_argument(
        "--cache",
        dest="use_cache",
        action="store_true",
        help="take answers of earlier batches, and keep these",
    )
    group.add_argument(
        "--provider-batch",
        dest="through_provider",
        action="store_true",
        help="through the provider's batch service: half the price, within a day",
    )
    group.add_argument(
        "--ordered", action="store_true", help="the output in the order of the input, at the end"
    )
    group.add_argument(
        "--dry-run", dest="only_plan", action="store_true", help="count, and estimate; send nothing"
    )
    group.add_argument(
        "--json", dest="as_json", action="store_true", help="a launch and a done record on stdout"
    )
    group.add_argument(
        "--notify", dest="addresses", metavar="URL", action="append", default=[],
        help="tell this apprise URL of the end and of the first failure; again for more",
    )  # fmt: skip
    group.add_argument("--quiet", action="store_true", help="only what went wrong")
    group.add_argument(
        "--daemon",
        dest="in_background",
        action="store_true",
        help="in the background; agentbatch status tells",
    )
    group.add_argument("--prices", dest="own_prices", metavar="FILE", help="your own prices [./prices.toml]")
    group.add_argument("--env-file", dest="keys_file", metavar="FILE", type=Path, help="instead of ./.env")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {text!r:.40}"
            )
        return int(text)

    return check


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r:.40}")
    return value


def parse_run(words: Sequence[str]) -> argparse.Namespace:
    """The words of an earlier `agentbatch requests run`, from `requests` on."""
    parser = argparse.ArgumentParser(prog="agentbatch")
    add_parser(parser.add_subparsers())
    return parser.parse_args(list(words))
