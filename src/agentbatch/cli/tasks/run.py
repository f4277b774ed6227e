"""`agentbatch` without a command: run the batch in a headless display."""

import argparse
import asyncio
import difflib
import gc
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.cli.flags import GROUPS, add_setting_flags, given_settings
from agentbatch.cli.runs import daemon
from agentbatch.cli.runs.app import can_draw, open_launch
from agentbatch.cli.runs.earlier_runs import latest_run
from agentbatch.cli.runs.signals import SignalStopper
from agentbatch.cli.tasks.mode_choice import choose_mode
from agentbatch.config import Settings, load_settings, options
from agentbatch.errors import UserError

if TYPE_CHECKING:
    from agentbatch.api import PreparedRun, RunOutcome
    from agentbatch.display.display import Display
    from agentbatch.runs.folder import RunFolder
    from agentbatch.runs.session import Engine


def add_flags(parser: argparse.ArgumentParser) -> None:
    modes = parser.add_argument_group("mode").add_mutually_exclusive_group()
    suppress = argparse.SUPPRESS
    modes.add_argument(
        "--serial", dest="mode", action="store_const", const="serial", default=suppress,
        help="one task after another, 2 s rest between starts",
    )  # fmt: skip
    modes.add_argument(
        "--parallel", dest="parallel", metavar="N", nargs="?", default=suppress,
        help="N tasks at the same time [3] (AGENTBATCH_PARALLEL)",
    )  # fmt: skip
    modes.add_argument(
        "--test", dest="mode", action="store_const", const="test", default=suppress,
        help="the first 3 tasks only",
    )  # fmt: skip
    add_setting_flags(parser, GROUPS)


OWN_FLAGS = ("-h", "--help", "--version", "--serial", "--parallel", "--test", "--json", "--env-file")


def check_flags(words: Sequence[str], commands: Collection[str]) -> None:
    """Name an unknown flag before a command; argparse would take the word behind it for a command.

    Raises UserError with the nearest known flag.
    """
    known = {name for option in options().values() if option.flag for name in option.flag.split("/")}
    known |= set(OWN_FLAGS)
    for word in words:
        if word in commands or word == "--":
            return
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in known:
            close = difflib.get_close_matches(flag, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "see agentbatch --help."
            raise UserError(f"There is no option {flag}; {hint}")


def first_word(words: Sequence[str]) -> str | None:
    """The first word that is neither a flag nor the value of one: a command, or a path."""
    takes_value = {
        name
        for field, option in options().items()
        if option.flag and Settings.model_fields[field].annotation is not bool
        for name in option.flag.split("/")
    } | {"--env-file"}
    rest = iter(words)
    before = ""
    for word in rest:
        before, latest = word, before
        if latest == "--parallel" and not word.startswith("-"):
            continue  # its number, right or wrong
        if word in takes_value:
            next(rest, None)
        elif word == "--":
            return next(rest, None)
        elif not word.startswith("-") or word == "-":
            return word
    return None


def given_flags(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line named; `env_file` and the mode that a flag implies among them."""
    flags: dict[str, Any] = given_settings(args)
    if "parallel" in flags:
        flags["mode"] = "parallel"
        if flags["parallel"] is None:
            del flags["parallel"]
    env_file: Path | None = getattr(args, "env_file", None)
    return {**flags, **({"env_file": str(env_file)} if env_file is not None else {})}


def read_settings(flags: Mapping[str, Any]) -> tuple[Settings, Path | None]:
    """Settings from flags, environment and env file; and the env file that was named, if any."""
    env_file = Path(flags["env_file"]) if "env_file" in flags else None
    named = {name: value for name, value in flags.items() if name != "env_file"}
    return load_settings(named, os.environ, env_file), env_file


def run(args: argparse.Namespace) -> int:
    return start(given_flags(args))


def start(flags: dict[str, Any], folder: "RunFolder | None" = None) -> int:
    """Run the batch that the flags ask for; `folder`: go on with this run."""
    settings, env_file = read_settings(flags)
    if folder is None and (settings.resume or settings.retry_failed or settings.force):
        folder = latest_run(settings)
        if folder is None:
            sys.stderr.write(
                "agentbatch: there is no run of this task file to go on with: a new one starts.\n"
            )
    if settings.daemon:
        return daemon.start(sys.argv[1:])
    if folder is not None and settings.display == "tui":
        raise UserError(
            "The app goes on with a run by Resume on its launch screen (agentbatch); or: agentbatch resume --daemon, "
            "then agentbatch attach --control."
        )
    if settings.display == "tui" or (folder is None and _asks(settings) and can_draw()):
        return open_launch(settings, sys.argv[1:])
    gc.disable()  # until the run begins: what is loaded here stays, and looking for garbage in it doubles the time
    from agentbatch.tasks.run.prepare.prepare import prepare  # heavy: only when a batch really runs
    from agentbatch.tasks.spec.selection import NothingToDo

    try:
        prepared = prepare(settings, env_file=env_file, flags=flags, resume=folder)
        if settings.dry_run:
            from agentbatch.display.reports.dry_run import render_dry_run
            from agentbatch.tasks.run.resume.resume import what_runs

            prepared, told = what_runs(prepared)
            sys.stdout.write(told)
            sys.stdout.write("\n".join(render_dry_run(prepared.dry_run())) + "\n")
            return 0
        if folder is None and _asks(settings):  # a terminal that cannot draw
            chosen = choose_mode(prepared.plan, settings.parallel, sys.stdin, sys.stdout)
            settings = settings.model_copy(update=chosen)
            prepared = prepare(settings, env_file=env_file, flags={**flags, **chosen})
    except NothingToDo as nothing:  # --stale, --missing: all is up to date
        sys.stdout.write(f"{nothing}\n")
        return 0

    from agentbatch.display.display import make_display

    display = make_display(settings.display, verbose=settings.verbose, out=sys.stdout, err=sys.stderr)
    try:
        return asyncio.run(_run(prepared, display))
    except asyncio.CancelledError:
        sys.stderr.write("agentbatch: stopped while the model was loading; no task has begun.\n")
        raise KeyboardInterrupt from None


def _asks(settings: Settings) -> bool:
    """Nobody has said how to run, and there is somebody to ask."""
    here = sys.stdin.isatty() and sys.stdout.isatty()
    return here and settings.mode is None and settings.display == "auto" and not settings.dry_run


async def _run(prepared: "PreparedRun", display: "Display") -> int:
    stopper = SignalStopper(loading=prepared.local is not None)
    # Before anything else is loaded: a signal must find us from here on.
    from agentbatch.api import run_batch
    from agentbatch.display.reports.summary import Summary
    from agentbatch.runs.services.parent_watch import tell_ready, watch_lifeline

    watch_lifeline(stopper.stop)

    def begun(engine: "Engine") -> None:
        gc.freeze()
        gc.enable()
        stopper.attach(engine)
        tell_ready(engine.run_folder)

    outcome: RunOutcome | None = None
    display.open()
    try:
        outcome = await run_batch(prepared, listeners=[display.on_event], on_start=begun)
    finally:
        display.close(
            Summary(
                outcome.state, outcome.comparison, outcome.results_file, outcome.run_folder, outcome.exit_code
            )
            if outcome is not None
            else None
        )
    if outcome.problem:
        sys.stderr.write(f"agentbatch: {outcome.problem}\n")
    return outcome.exit_code
