"""`agentbatch requests run`: a batch of plain requests in this process, or in the background."""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentbatch.cli.complaints import complain
from agentbatch.cli.flags import read_settings
from agentbatch.cli.requests.flags import given_flags, recorded_flags
from agentbatch.cli.runs import daemon
from agentbatch.cli.runs.choice import latest_of
from agentbatch.cli.runs.signals import SignalStopper
from agentbatch.config.requests_settings import (
    SHARED,
    RequestsSettings,
    command_words,
    lasting,
    load_requests_settings,
)
from agentbatch.display.requests.display import RequestsDisplay, make_requests_display
from agentbatch.display.requests.dry_run import render_plan
from agentbatch.display.requests.summary import advice_of
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.requests.journal.reading import read_failed
from agentbatch.requests.run.engine import RequestsEngine
from agentbatch.requests.run.plan import plan
from agentbatch.requests.run.prepare import (
    STDIN,
    PreparedRequests,
    check_flags,
    check_output,
    prepare_requests,
)
from agentbatch.requests.run.run_requests import Callbacks, RequestsOutcome, run_requests
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import recorded
from agentbatch.runs.services.parent_watch import tell_ready, watch_lifeline
from agentbatch.text import clip

RESUME_TAKES = frozenset(
    {"resume", "retry_failed", "daemon", "env_file", "display", "notify", "alert", "metrics_port", "header"}
)
"""Flags of `agentbatch resume` that mean something for a batch of plain requests."""


def run(args: argparse.Namespace) -> int:
    return start(given_flags(args), args.words)


def start(flags: dict[str, Any], words: Sequence[str], folder: RunFolder | None = None) -> int:
    """Run the batch that the flags ask for. `words`: the command line; `folder`: resume this run."""
    check_flags(flags)
    own = load_requests_settings(flags)
    shared = {field: value for field, value in flags.items() if field in SHARED or field == "env_file"}
    settings, _ = read_settings({**shared, "judge": "none"})  # nothing is judged, so that key is not needed
    if own.output is None and not own.dry_run:
        raise UserError("Say where the answers go: -o OUT.jsonl.")
    if own.output is not None:
        check_output(own.output, Path(own.input))
    if own.daemon and not own.dry_run:
        if own.input == STDIN and folder is None:
            raise UserError("--daemon: a process in the background has no standard input; name a file.")
        return daemon.start(words)
    if folder is None and not own.dry_run:
        folder = _earlier(own)
    prepared = prepare_requests(settings, own, Path.cwd(), os.environ, stdin=sys.stdin.buffer, resumed=folder)
    try:
        if own.dry_run:
            return _plan(prepared)
        return asyncio.run(_run(prepared, lasting(flags)))
    finally:
        prepared.cleanup()


def resume_requests(folder: RunFolder, given: dict[str, Any], words: Sequence[str]) -> int:
    """`agentbatch resume` of such a run. `given`: the settings that its command line, `words`, named."""
    flags = recorded_flags(recorded(folder))
    other = sorted(given.keys() - RESUME_TAKES)
    if other:
        raise UserError(
            f"--{other[0].replace('_', '-')} cannot be changed when a batch of plain requests is resumed like this; "
            f"say its whole command again: {shlex.join(command_words({**flags, 'resume': True}))}"
        )
    return start({**flags, **given, "resume": True}, words, folder)


def _earlier(own: RequestsSettings) -> RunFolder | None:
    """The run of this input that is resumed; None: a new one begins. Raises UserError when the flags do not decide
    that."""
    assert own.output is not None  # it was checked

    going = own.resuming
    found = None
    if own.input != STDIN:
        found = latest_of("requests", Path(own.input), resuming=going)
    if own.input == STDIN and going:
        raise UserError("A batch from standard input is resumed by its run: agentbatch resume RUN.")
    other = holder(found) if found is not None else ""
    if found is not None and other:
        raise UserError(
            f"This batch is being worked on by {other}. Wait for it, or stop it first: agentbatch stop {found.run_id}"
        )
    if found is not None and not own.force:
        if going:
            _check_same_output(found, own.output)
            return found
        raise UserError(
            f"There is a batch of {own.input} already, run {found.run_id}: --resume resumes it (what was "
            "answered is not paid again), --retry-failed also asks again what failed, --force starts again."
        )
    if own.output.exists() and not own.force:
        raise UserError(f"{own.output} exists already: name another file, or say --force.")
    if going:
        complain("there is no batch of this input to resume: a new one starts.")
    return None


def _check_same_output(found: RunFolder, output: Path) -> None:
    """A batch that is resumed replaces its output: that must not be another file. Raises UserError."""
    before = recorded(found).output
    if output.exists() and str(output.resolve()) != before:
        raise UserError(
            f"{output} exists already, and is not the output of the run {found.run_id}, which is {clip(before, 300)}: "
            "name that one, or a new file."
        )


def _plan(prepared: PreparedRequests) -> int:
    sys.stdout.write("\n".join(render_plan(plan(prepared))) + "\n")
    return 0


async def _run(prepared: PreparedRequests, flags: dict[str, Any]) -> int:
    stopper = SignalStopper()
    watch_lifeline(stopper.stop)
    display = make_requests_display(
        prepared.settings.display,
        Writer(sys.stdout),
        Writer(sys.stderr),
        quiet=prepared.options.quiet,
        term=os.environ.get("TERM", ""),
    )

    def begun(engine: RequestsEngine) -> None:
        stopper.attach(engine)
        tell_ready(engine.run_folder)

    callbacks = Callbacks(begun, display.on_progress, display.on_failure, [display.on_event])
    outcome = await run_requests(prepared, callbacks, flags=flags)
    _end(display, prepared, outcome, flags)
    return outcome.exit_code


def _end(
    display: RequestsDisplay, prepared: PreparedRequests, outcome: RequestsOutcome, flags: dict[str, Any]
) -> None:
    settings, options, figures = prepared.settings, prepared.options, outcome.figures
    advice = advice_of(
        outcome.stats,
        concurrency=outcome.ceiling,
        batch_size=options.batch_size,
        limited=bool(settings.rpm or settings.tpm or settings.throttle_ms),
    )
    failed = read_failed(RunFolder(outcome.run_folder).journal) if figures.failed else []
    resume = ""
    if outcome.stopped or outcome.left:
        how = "retry_failed" if outcome.failures_ended_it else "resume"
        command = command_words({**flags, how: True})
        if options.input == STDIN:
            again = ["--retry-failed"] if outcome.failures_ended_it else []
            command = ["agentbatch", "resume", outcome.run_folder.name, *again]
        resume = shlex.join(command)
    display.end(outcome, failed, advice, resume=resume)
