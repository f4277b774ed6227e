"""A batch of coding tasks in this process: prepared, shown, run."""

import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from agentbatch.cli.complaints import complain
from agentbatch.cli.runs.signals import SignalStopper
from agentbatch.cli.runs.terminal import asks_for_mode
from agentbatch.cli.tasks.at_the_end import choose_places, exit_code, write_reports
from agentbatch.config import TEST_MODE_TASKS, Settings
from agentbatch.config.reports import ReportRequest
from agentbatch.display.display import Display, make_display
from agentbatch.display.reports.dry_run import render_dry_run
from agentbatch.display.reports.summary import Summary
from agentbatch.runs.events import Event, TaskResumed, TaskStarted
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.services.parent_watch import tell_ready, watch_lifeline
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.resume.resume import what_runs
from agentbatch.tasks.run.run_batch import RunOutcome, run_batch
from agentbatch.tasks.spec.plan import Plan
from agentbatch.tasks.spec.selection import NothingToDo


def run(settings: Settings, flags: dict[str, Any], env_file: Path | None, folder: RunFolder | None) -> int:
    """Run it to its end, or show its plan. Returns the exit code."""
    try:
        prepared = prepare(settings, env_file=env_file, flags=flags, resume=folder)
        if settings.dry_run:
            prepared, told = what_runs(prepared)
            sys.stdout.write(told)
            sys.stdout.write("\n".join(render_dry_run(prepared.dry_run())) + "\n")
            return 0
        if folder is None and asks_for_mode(settings):  # a terminal that cannot draw
            chosen = choose_mode(prepared.plan, settings.parallel, sys.stdin, sys.stdout)
            settings = settings.model_copy(update=chosen)
            prepared = prepare(settings, env_file=env_file, flags={**flags, **chosen})
    except NothingToDo as nothing:  # --stale, --missing: all is up to date
        sys.stdout.write(f"{nothing}\n")
        return 0
    roots = [task.root for task in prepared.plan.tasks if task.changes_directory]
    reports = choose_places(settings.report, prepared.folder, roots, compared=bool(settings.models))
    display = make_display(settings.display, verbose=settings.verbose, out=sys.stdout, err=sys.stderr)
    try:
        return asyncio.run(_run(prepared, display, reports))
    except asyncio.CancelledError:
        complain("stopped while the model was loading; no task has begun.")
        raise KeyboardInterrupt from None


async def _run(prepared: PreparedRun, display: Display, reports: Sequence[ReportRequest]) -> int:
    stopper = SignalStopper(loading=prepared.local is not None)
    watch_lifeline(stopper.stop)

    def begun(engine: Engine) -> None:
        gc.freeze()
        gc.enable()
        stopper.attach(engine)
        tell_ready(engine.run_folder)

    worked = False

    def note(event: Event, _: RunState) -> None:
        nonlocal worked
        worked = worked or isinstance(event, TaskStarted | TaskResumed)

    outcome: RunOutcome | None = None
    code, problems = 1, list[str]()
    display.open()
    try:
        outcome = await run_batch(prepared, listeners=[note, display.on_event], on_start=begun)
        code = exit_code(outcome, prepared.settings.fail_under)
        problems = await asyncio.to_thread(write_reports, reports, outcome, time.time())
        code = code or int(bool(problems))
    finally:
        display.close(
            Summary(
                outcome.state,
                outcome.comparison,
                outcome.results_file,
                outcome.run_folder,
                code,
                nothing_ran=prepared.resumed is not None and not worked,
            )
            if outcome is not None
            else None
        )
    for problem in filter(None, (outcome.problem, *problems)):
        complain(problem)
    return code


def choose_mode(plan: Plan, parallel: int, source: TextIO, out: TextIO) -> dict[str, Any]:
    """The chosen `mode` and `parallel`. Raises KeyboardInterrupt at the end of input."""
    count = len(plan.tasks)
    out.write(f"{count} task{'s' if count != 1 else ''} to run. How?\n\n")
    out.write("  1  serial    one after another\n")
    out.write(f"  2  parallel  {parallel} at the same time\n")
    first = (
        f"the first {TEST_MODE_TASKS} only"
        if count > TEST_MODE_TASKS
        else "all of them: there are no more than 3"
    )
    out.write(f"  3  test      {first}\n\n")
    names = {"1": "serial", "2": "parallel", "3": "test", "": "parallel"}
    names |= {name: name for name in ("serial", "parallel", "test")}
    while (mode := names.get(_ask("Mode [2]: ", source, out).lower())) is None:
        out.write("Answer 1, 2 or 3.\n")
    if mode != "parallel":
        return {"mode": mode}
    while True:
        answer = _ask(f"How many at the same time [{parallel}]: ", source, out)
        if not answer:
            return {"mode": mode}
        if answer.isdecimal() and 1 <= int(answer) <= 1000:
            return {"mode": mode, "parallel": int(answer)}
        out.write("Answer with a whole number from 1 to 1000.\n")


def _ask(question: str, source: TextIO, out: TextIO) -> str:
    out.write(question)
    out.flush()
    line = source.readline()
    if not line:
        out.write("\n")
        raise KeyboardInterrupt
    return line.strip()
