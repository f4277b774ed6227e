"""`agentbatch requests run`: a batch of plain requests in this process, or in the background."""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.cli.flags import read_settings
from agentbatch.cli.runs import daemon
from agentbatch.cli.runs.choice import latest_of, recorded
from agentbatch.cli.runs.signals import SignalStopper
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.text import clip

if TYPE_CHECKING:
    from agentbatch.config import Settings
    from agentbatch.display.requests.face import RequestsFace
    from agentbatch.requests.run.engine import RequestsEngine
    from agentbatch.requests.run.prepare import PreparedRequests, RequestsOptions
    from agentbatch.requests.run.run_requests import RequestsOutcome

ONCE = ("--resume", "--retry-failed", "--force", "--daemon")
"""Words of one session, not of the batch."""

NOTIFY = "--notify"
"""Has an address behind it."""

SETTINGS = {
    "ask_endpoint": "coder_endpoint",
    "most_rpm": "rpm",
    "most_tpm": "tpm",
    "pause_ms": "throttle_ms",
    "retries": "max_retries",
    "delay": "retry_delay",
    "patience": "request_timeout",
    "own_prices": "prices",
    "most_failures": "max_failures",
}
"""What stands in the settings' table too: variables and .env count where the word was not given."""


def run_requests(args: argparse.Namespace, folder: RunFolder | None = None) -> int:
    """`folder`: go on with this run."""
    from agentbatch.requests.run.prepare import STDIN, check_output, check_words, prepare_requests  # heavy

    if args.through_provider:
        check_words(args.words, args.batch_size)
    settings = _settings(args)
    options = _options(args)
    if options.output is None and not args.only_plan:
        raise UserError("Say where the answers go: -o OUT.jsonl.")
    if options.output is not None:
        check_output(options.output, Path(options.source))
    if args.in_background and not args.only_plan:
        if options.source == STDIN and folder is None:
            raise UserError("--daemon: a process in the background has no standard input; name a file.")
        return daemon.start(_again(args, folder))
    if folder is None and not args.only_plan:
        folder = _earlier(args, options)
    prepared = prepare_requests(
        settings, options, Path.cwd(), os.environ, stdin=sys.stdin.buffer, resumed=folder
    )
    try:
        if args.only_plan:
            return _plan(prepared)
        return asyncio.run(_run(args, prepared))
    finally:
        prepared.cleanup()


def resume_requests(folder: RunFolder, given: dict[str, Any]) -> int:
    """`agentbatch resume` of such a run. `given`: the settings that its command line named."""
    from agentbatch.cli.requests.requests import parse_run

    words = recorded(folder).flags.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError(f"The run {folder.run_id} does not tell the command that it was started with.")
    args = parse_run(words)
    args.words = words
    other = sorted(given.keys() - {"resume", "retry_failed", "daemon", "env_file", "display", "notify"})
    if other:
        raise UserError(
            f"--{other[0].replace('_', '-')} is not for going on with a batch of plain requests; say its whole command "
            f"again: {shlex.join(['agentbatch', *words])} --resume"
        )
    args.again = bool(given.get("retry_failed"))
    args.go_on = not args.again
    args.in_background = bool(given.get("daemon"))
    args.as_json = args.as_json or given.get("display") == "json"
    args.addresses = [given["notify"]] if "notify" in given else []
    if "env_file" in given:
        args.keys_file = Path(given["env_file"])
    return run_requests(args, folder)


def _settings(args: argparse.Namespace) -> "Settings":
    flags: dict[str, Any] = {
        setting: getattr(args, name) for name, setting in SETTINGS.items() if getattr(args, name) is not None
    }
    flags["judge"] = "none"  # nobody judges here, so that nobody needs that key
    if args.addresses:
        flags["notify"] = " ".join(args.addresses)
    if args.keys_file is not None:
        flags["env_file"] = str(args.keys_file)
    return read_settings(flags)[0]


def _options(args: argparse.Namespace) -> "RequestsOptions":
    from agentbatch.requests.run.prepare import RequestsOptions

    return RequestsOptions(
        source=args.input,
        output=args.out,
        model=args.ask_model,
        system=args.ask_system,
        temperature=args.ask_temperature,
        max_tokens=args.ask_max_tokens,
        json_schema=args.ask_schema,
        concurrency=args.concurrency,
        batch_size=args.batch_size,
        timeout=args.whole_timeout,
        max_cost=args.most_cost,
        dedupe=not args.each,
        cache=args.use_cache,
        ordered=args.ordered,
        provider_batch=args.through_provider,
    )


def _earlier(args: argparse.Namespace, options: "RequestsOptions") -> RunFolder | None:
    """The run of this input that goes on; None: a new one begins. Raises UserError when somebody has to say which."""
    from agentbatch.requests.run.prepare import STDIN

    assert options.output is not None  # it was asked for

    going = args.go_on or args.again
    found = None
    if options.source != STDIN:
        found = latest_of("requests", Path(options.source), resuming=going)
    if options.source == STDIN and going:
        raise UserError("What came from standard input goes on by its run: agentbatch resume RUN.")
    other = holder(found) if found is not None else ""
    if found is not None and other:
        raise UserError(
            f"This batch is being worked on by {other}. Wait for it, or stop it first: agentbatch stop {found.run_id}"
        )
    if found is not None and not args.anew:
        if going:
            _check_same_output(found, options.output)
            return found
        raise UserError(
            f"There is a batch of {options.source} already, run {found.run_id}: --resume goes on with it (what was "
            "answered is not paid again), --retry-failed asks what failed again too, --force begins anew."
        )
    if options.output.exists() and not args.anew:
        raise UserError(f"{options.output} exists already: name another file, or say --force.")
    if going:
        sys.stderr.write("agentbatch: there is no batch of this input to go on with: a new one starts.\n")
    return None


def _check_same_output(found: RunFolder, output: Path) -> None:
    """A batch that goes on begins its output anew: that must not be somebody else's file. Raises UserError."""
    before = recorded(found).output
    if output.exists() and str(output.resolve()) != before:
        raise UserError(
            f"{output} exists already, and is not the output of the run {found.run_id}, which is {clip(before, 300)}: "
            "name that one, or a new file."
        )


def lasting(words: Sequence[str]) -> list[str]:
    """The words of a command line that are for all sessions of a batch. Addresses to notify are secrets: they are not
    kept, and not shown."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == NOTIFY:
            next(rest, None)
        elif word not in ONCE and not word.startswith(f"{NOTIFY}="):
            kept.append(word)
    return kept


def _plan(prepared: "PreparedRequests") -> int:
    from agentbatch.display.requests.dry_run import render_plan
    from agentbatch.requests.run.plan import plan

    sys.stdout.write("\n".join(render_plan(plan(prepared))) + "\n")
    return 0


def _again(args: argparse.Namespace, folder: RunFolder | None) -> Sequence[str]:
    """The words that do the same in another process."""
    if folder is None:
        return list(args.words)
    told = ["--notify", " ".join(args.addresses)] if args.addresses else []
    return ["resume", folder.run_id, *(["--retry-failed"] if args.again else []), *told]


async def _run(args: argparse.Namespace, prepared: "PreparedRequests") -> int:
    stopper = SignalStopper()
    # Before anything else is loaded: a signal must find us from here on.
    from agentbatch.display.requests.face import choose_requests_face
    from agentbatch.display.writer import Writer
    from agentbatch.requests.run.run_requests import Callbacks, run_requests
    from agentbatch.runs.services.parent_watch import tell_ready, watch_lifeline

    watch_lifeline(stopper.stop)
    face = choose_requests_face(
        "json" if args.as_json else prepared.settings.display,
        Writer(sys.stdout),
        Writer(sys.stderr),
        quiet=args.quiet,
        term=os.environ.get("TERM", ""),
    )

    def begun(engine: "RequestsEngine") -> None:
        stopper.attach(engine)
        tell_ready(engine.run_folder)

    callbacks = Callbacks(begun, face.on_progress, face.on_failure, [face.on_event])
    words = lasting(args.words)
    outcome = await run_requests(prepared, callbacks, retry_failed=args.again, flags={"words": words})
    _end(face, prepared, outcome, words)
    return outcome.exit_code


def _end(
    face: "RequestsFace", prepared: "PreparedRequests", outcome: "RequestsOutcome", words: Sequence[str]
) -> None:
    from agentbatch.display.requests.summary import advice_of
    from agentbatch.requests.journal.failed_requests import read_failed
    from agentbatch.requests.run.prepare import STDIN

    settings, options, figures = prepared.settings, prepared.options, outcome.figures
    told = advice_of(
        outcome.stats,
        concurrency=outcome.ceiling,
        batch_size=options.batch_size,
        limited=bool(settings.rpm or settings.tpm or settings.throttle_ms),
    )
    failed = read_failed(RunFolder(outcome.run_folder).journal) if figures.failed else []
    resume = ""
    if outcome.stopped or outcome.left:
        command = ["agentbatch", *words, "--retry-failed" if outcome.failures_ended_it else "--resume"]
        if options.source == STDIN:
            again = ["--retry-failed"] if outcome.failures_ended_it else []
            command = ["agentbatch", "resume", outcome.run_folder.name, *again]
        resume = shlex.join(command)
    face.end(outcome, failed, told, resume=resume)
