"""`agentbatch compare`: the same tasks on several models, and what that says of them."""

import argparse
import sys
from pathlib import Path
from typing import Any

from agentbatch.cli.flags import add_run_flags, given_flags
from agentbatch.cli.tasks import run
from agentbatch.display.reports.bakeoff_text import render_bake_off
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.runs.listing import find_run
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.tasks.results.sources import read_results, run_source

DESCRIPTION = """\
Run the same tasks on several models, or with several coders, each attempt in a
copy of its own, and compare what they solved: nothing is chosen, nothing is
brought back. It is a run like others: watched, stopped and resumed in the same
ways.
"""

EPILOG = """\
Every other option of a run works here too: agentbatch --help-all.

examples:
  agentbatch compare --models gpt-5-mini,gpt-5 --attempts 5 --max-cost 10
  agentbatch compare --models rehearsal-coder,rehearsal-coder-70
  agentbatch compare --coders builtin,codex,claude:claude-sonnet-5
  agentbatch compare --run 20260102-0304
"""

ATTEMPTS = 3
"""Of each at each task, where nobody says how many."""

SHOWN = (
    "tasks", "attempts", "filter", "limit", "parallel", "max_iterations", "timeout", "dry_run", "daemon",
    "max_cost", "max_tokens", "max_time", "output", "display", "verbose",
)  # fmt: skip

SENSELESS = {
    "apply": "--apply: a comparison brings no work back.",
    "stop_at": "--stop-at: every attempt of a comparison comes to its own end.",
    "resume": "--resume: `agentbatch resume` goes on with a comparison.",
    "retry_failed": "--retry-failed: what was not solved counts; trying it again would favour a model.",
    "reason": "--reason: what was not solved counts; trying it again would favour a model.",
    "force": "--force: start a new comparison.",
}
"""Flags of a run that mean nothing here."""

SAID = {
    "coder_model": ("models", "--coder-model: --models names the coders' models."),
    "coder_name": ("coders", "--coder: --coders names them."),
}
"""Flags that mean nothing beside another."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compare",
        usage="agentbatch compare --models A,B | --coders A,B [OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument(
        "--models", metavar="A,B", default=argparse.SUPPRESS, help="coder models, comma-separated"
    )
    parser.add_argument(
        "--coders",
        metavar="A,B",
        default=argparse.SUPPRESS,
        help="coders, NAME or NAME:MODEL; with --models each with each",
    )
    parser.add_argument(
        "--run", dest="compared_run", metavar="RUN", help="show the table of an earlier comparison"
    )
    add_run_flags(parser, SHOWN)
    parser.set_defaults(command=compare)


def compare(args: argparse.Namespace) -> int:
    """Raises UserError."""
    flags = given_flags(args)
    if args.compared_run is not None:
        if flags:
            raise UserError("compare: --run shows an earlier comparison, and takes nothing else.")
        return _show(args.compared_run)
    for field, why in SENSELESS.items():
        if field in flags:
            raise UserError(f"{why} Leave it out.")
    for field, (other, why) in SAID.items():
        if field in flags and other in flags:
            raise UserError(f"{why} Leave it out.")
    if not any(flags.get(name, "").replace(",", "").strip() for name in ("models", "coders")):
        raise UserError("compare: say what: --models gpt-5-mini,gpt-5, or --coders builtin,codex.")
    return run.start(args.words, {"attempts": ATTEMPTS, "mode": "parallel", **flags})


def _show(name: str) -> int:
    found = bake_off(read_results(run_source(find_run(Path.cwd(), name))).state)
    if found is None:
        raise UserError(
            f"The run {name} compares nothing; `agentbatch compare --models A,B` starts one that does."
        )
    out = Writer(sys.stdout)
    out.line("\n".join(render_bake_off(found, out.columns)))
    return 0
