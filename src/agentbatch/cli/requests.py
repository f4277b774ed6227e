"""`agentbatch requests run`: thousands of plain model requests, one answer each."""

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.cli.requests_make import add_make
from agentbatch.errors import UserError

if TYPE_CHECKING:
    from agentbatch.config import Settings
    from agentbatch.model.endpoint import Endpoint
    from agentbatch.model.pricing import Prices
    from agentbatch.requests import BatchProcessor
    from agentbatch.requests.batch_folder import BatchFolder
    from agentbatch.requests.stats import BatchStats

DESCRIPTION = """\
Send every request of a JSON lines file to the model, as many at once as the
endpoint takes, and write a line for each answer. A batch that ended early goes
on with --resume: what was answered is not paid again.
"""

EPILOG = """\
A line of input is {"id": "a", "prompt": "…"} or OpenAI's batch form with custom_id,
method, url and body; lines of output have the batch form. Model, endpoint and key
are those of the coder: CODER_MODEL, CODER_ENDPOINT, CODER_API_KEY or OPENAI_API_KEY.

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
    run.add_argument("input", metavar="IN.jsonl", type=Path, help="the requests, one a line")
    run.add_argument(
        "-o", "--output", metavar="OUT.jsonl", dest="out", type=Path, help="the answers, one a line"
    )
    _add_ask(run.add_argument_group("what is asked (of requests that do not say it themselves)"))
    _add_pace(run.add_argument_group("pace"))
    _add_again(run.add_argument_group("going on, and output"))
    run.set_defaults(command=_run)
    add_make(commands)


def _add_ask(group: Any) -> None:
    group.add_argument("--model", dest="ask_model", metavar="NAME", help="the model [CODER_MODEL]")
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
        "--rpm", dest="most_rpm", metavar="N", type=_whole(1, 10_000_000), help="requests a minute"
    )
    group.add_argument("--tpm", dest="most_tpm", metavar="N", type=_whole(1, 10**10), help="tokens a minute")
    group.add_argument(
        "--throttle-ms",
        dest="pause_ms",
        metavar="MS",
        type=_whole(0, 2_000),
        default=0,
        help="between two starts [0]",
    )
    group.add_argument(
        "--max-retries", dest="retries", metavar="N", type=_whole(0, 5), default=3, help="of a request [3]"
    )
    group.add_argument(
        "--retry-delay",
        dest="delay",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help="before the first retry [5]",
    )
    group.add_argument(
        "--request-timeout",
        dest="patience",
        metavar="SECONDS",
        type=_seconds,
        default=120.0,
        help="for each attempt [120]",
    )
    group.add_argument(
        "--timeout", dest="whole_timeout", metavar="SECONDS", type=_seconds, help="for the whole batch"
    )
    group.add_argument(
        "--max-cost", dest="most_cost", metavar="USD", type=_seconds, help="US dollars for this session"
    )


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
        "--ordered", action="store_true", help="the output in the order of the input, at the end"
    )
    group.add_argument(
        "--dry-run", dest="only_plan", action="store_true", help="count, and estimate; send nothing"
    )
    group.add_argument(
        "--json", dest="as_json", action="store_true", help="a launch and a done record on stdout"
    )
    group.add_argument("--quiet", action="store_true", help="no progress")
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


def _run(args: argparse.Namespace) -> int:
    from agentbatch.cli.run import read_settings
    from agentbatch.requests.batch_folder import BatchFolder
    from agentbatch.requests.input_file import check_requests

    settings, _ = read_settings({"env_file": str(args.keys_file)} if args.keys_file else {})
    if args.out is None and not args.only_plan:
        raise UserError("Say where the answers go: -o OUT.jsonl.")
    if args.out is not None and args.out.exists() and args.out.resolve() == args.input.resolve():
        raise UserError("The output cannot be the input.")
    processor_of = _maker(args, settings)
    total = check_requests(args.input, processor_of(None, None, None).defaults.apply)
    if args.only_plan:
        return _plan(args, settings, total)
    with BatchFolder(Path.cwd(), args.input) as folder:
        _check_earlier(args, folder)
        return asyncio.run(_Session(args, settings, folder, total).run())


def _plan(args: argparse.Namespace, settings: "Settings", total: int) -> int:
    from agentbatch.requests.input_file import read_requests
    from agentbatch.store.format import money

    estimate = _maker(args, settings)(None, _prices(settings), None).estimate(read_requests(args.input))
    sys.stdout.write(
        f"{total:,} requests, about {estimate.input:,} tokens in and at most {estimate.output:,} out, "
        f"at most {money(estimate.cost)}. Nothing was sent.\n"
    )
    return 0


def _check_earlier(args: argparse.Namespace, folder: "BatchFolder") -> None:
    """A batch that is there already goes on, or begins anew, when somebody says so."""
    if args.anew:
        folder.forget()
        return
    if folder.journal.exists() and not (args.go_on or args.again):
        raise UserError(
            f"There is a batch of {args.input} already: --resume goes on with it (what was answered is not paid "
            "again), --retry-failed asks what failed again too, --force begins anew."
        )
    if not folder.journal.exists() and args.out.exists() and not (args.go_on or args.again):
        raise UserError(f"{args.out} exists already: name another file, or say --force.")


def _prices(settings: "Settings") -> "Prices | None":
    from agentbatch.model.pricing import Prices

    if settings.rehearsal:
        return None
    own = Path(settings.prices or "prices.toml")
    return Prices.load(own if own.is_file() else None)


def _maker(args: argparse.Namespace, settings: "Settings") -> "Callable[..., BatchProcessor]":
    """What makes a processor of the flags, for an endpoint."""
    from agentbatch.requests import BatchProcessor, ResponseCache
    from agentbatch.requests.structured import check_schema

    schema = None
    if args.ask_schema is not None:
        schema = json.loads(_text(args.ask_schema))
        check_schema(schema, str(args.ask_schema))
    system = _text(args.ask_system) if args.ask_system is not None else None
    model = args.ask_model or ("rehearsal-plain" if settings.rehearsal else settings.coder_model)

    def make(endpoint: "Endpoint | None", prices: "Prices | None", journal: Path | None) -> "BatchProcessor":
        cache = ResponseCache(_cache_file()) if args.use_cache and journal is not None else None
        return BatchProcessor(
            endpoint=endpoint, base_url=settings.coder.base_url, api_key="-", model=model,
            concurrency=args.concurrency, timeout=args.whole_timeout, max_cost=args.most_cost, system=system,
            temperature=args.ask_temperature, max_tokens=args.ask_max_tokens, json_schema=schema, prices=prices,
            dedupe=not args.each, cache=cache, journal=journal,
        )  # fmt: skip

    return make


def _cache_file() -> Path:
    from agentbatch.model.remembered import memory_file

    return memory_file(os.environ).with_name("answers.db")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8.") from None


class _Session:
    """One session of a batch: endpoint, processor, output, signals."""

    def __init__(
        self, args: argparse.Namespace, settings: "Settings", folder: "BatchFolder", total: int
    ) -> None:
        self._args = args
        self._settings = settings
        self._folder = folder
        self._total = total
        self._signals = 0
        self._processor: BatchProcessor | None = None

    async def run(self) -> int:
        from agentbatch.requests.input_file import read_requests
        from agentbatch.requests.journal import Journal
        from agentbatch.requests.output_file import OutputFile

        args = self._args
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)
        if args.again:
            journal = Journal(self._folder.journal)
            journal.reopen("failed")
            journal.close()
        async with AsyncExitStack() as stack:
            endpoint = await self._endpoint(stack)
            prices = _prices(self._settings)
            self._processor = processor = _maker(args, self._settings)(endpoint, prices, self._folder.journal)
            processor.on_progress = self._progress()
            self._launch()
            out = OutputFile(args.out)
            try:
                async for result in processor.stream(read_requests(args.input), total=self._total):
                    out.add(result.line())
            finally:
                out.close()
        return self._end(processor)

    async def _endpoint(self, stack: AsyncExitStack) -> "Endpoint":
        from agentbatch.model.endpoint import Endpoint
        from agentbatch.model.limits import EndpointLimits
        from agentbatch.model.retry import RetryPolicy
        from agentbatch.redaction import Redactor

        args, settings = self._args, self._settings
        url, key = settings.coder.base_url, settings.coder.api_key.get_secret_value()
        if settings.rehearsal:
            from agentbatch.rehearsal.server import RehearsalServer

            url = (
                await stack.enter_async_context(RehearsalServer(plain=True, latency=0.05, record=0))
            ).base_url
        endpoint = Endpoint(
            url,
            key,
            identity="rehearsal" if settings.rehearsal else url,
            limits=EndpointLimits(args.concurrency, args.most_rpm, args.most_tpm, args.pause_ms),
            retry=RetryPolicy(max_retries=args.retries, delay=args.delay),
            request_timeout=args.patience,
            pool=args.concurrency,
            stream=False,
            redact=Redactor(settings.secrets),
        )
        return await stack.enter_async_context(endpoint)

    def _stop(self) -> None:
        self._signals += 1
        if self._processor is not None:
            self._processor.stop("It was interrupted.", now=self._signals > 1)
            if self._signals == 1 and not self._args.quiet:
                sys.stderr.write("\nStopping: calls under way end first; another Ctrl-C cuts them off.\n")

    def _progress(self) -> "Callable[[Any], None] | None":
        from agentbatch.requests.progress import ProgressLogger, progress_line

        if self._args.quiet:
            return None
        if not sys.stderr.isatty():
            return ProgressLogger(10.0)

        def draw(progress: Any) -> None:
            sys.stderr.write(f"\r\x1b[K{progress_line(progress)[:79]}")
            sys.stderr.flush()

        return draw

    def _launch(self) -> None:
        from agentbatch.store.lines import REHEARSAL

        assert self._processor is not None
        model = self._processor.defaults.model
        host = self._processor.endpoint.host
        if self._args.as_json:
            record = {
                "type": "launch",
                "total": self._total,
                "model": model,
                "endpoint": host,
                "output": str(self._args.out),
            }
            sys.stdout.write(json.dumps(record) + "\n")
            sys.stdout.flush()
        elif not self._args.quiet:
            sys.stderr.write(f"{self._total:,} requests to {model} at {host}\n")
            if self._settings.rehearsal:
                sys.stderr.write(f"{REHEARSAL}\n")

    def _end(self, processor: "BatchProcessor") -> int:
        from agentbatch.display.requests_summary import summary_document, summary_lines
        from agentbatch.requests.journal import Journal
        from agentbatch.requests.output_file import write_ordered

        args, stats, stopped = self._args, processor.stats, processor.stopped
        if args.ordered and not stopped:
            journal = Journal(self._folder.journal)
            write_ordered(args.out, journal.answers_of_last_session())
            journal.close()
        if args.as_json:
            sys.stdout.write(
                json.dumps(summary_document(stats, stopped=stopped, output=str(args.out))) + "\n"
            )
        else:
            if sys.stderr.isatty() and not args.quiet:
                sys.stderr.write("\n")
            told = summary_lines(stats, 80, concurrency=args.concurrency, peak=processor.peak)
            sys.stdout.write("\n".join([*told, f"output {args.out}"]) + "\n")
        if stopped:
            sys.stderr.write(f"agentbatch: {stopped}\nGo on with: {self._command()}\n")
        return self._code(stats, stopped)

    def _command(self) -> str:
        words = [word for word in sys.argv[1:] if word not in ("--force", "--resume", "--retry-failed")]
        return shlex.join(["agentbatch", *words, "--resume"])

    def _code(self, stats: "BatchStats", stopped: str) -> int:
        if stopped:
            return 130 if self._signals else 1
        return 1 if stats.failed else 0
