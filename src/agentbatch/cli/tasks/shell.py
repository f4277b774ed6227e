"""`agentbatch shell`: the user's own shell in the place of a task, inside its sandbox."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.cli.complaints import complain
from agentbatch.cli.flags import read_settings
from agentbatch.cli.runs.choice import chosen_run, chosen_task
from agentbatch.cli.runs.control import RUN_HELP
from agentbatch.errors import UserError
from agentbatch.runs.control.commands import Answer, send_command
from agentbatch.runs.events import RunStarted
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import open_run, recorded
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.visits import Visit, note_visit, visiting
from agentbatch.tasks.run.user.visiting import why_not_visited
from agentbatch.text import clip, harmless, list_names

SHELL = """\
Open a shell where a task works, in its directory, copy or worktree, and in
its sandbox or container and with its environment: while the task is paused, or
when it has ended and its place is still there. What is changed there is told to
its coder and its judge when it goes on. Leave it with exit.
"""
STILL_WITHIN = 600.0
"""Seconds until the call or command under way has ended, after --pause."""
LOOK_EVERY = 0.5
MAX_NAMED = 5


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("shell", description=SHELL)
    parser.set_defaults(command=_shell)
    help_of_task = "its id, how that begins, or its number as in `task 3/10`; of an attempt: t@2"
    parser.add_argument("task", metavar="TASK", help=help_of_task)
    parser.add_argument("--run", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--pause", action="store_true", help="pause the task first, and let it go on when the shell is left"
    )


def _shell(args: argparse.Namespace) -> int:
    folder = chosen_run(args.run)
    info = recorded(folder)
    if info.kind != "tasks":
        raise UserError("Plain requests have no directory to open a shell in.")
    base = folder.path.resolve().parents[2]
    if base != Path.cwd().resolve():
        raise UserError(f"The run {folder.run_id} was started in {base}: cd there first.")
    task_id, _ = chosen_task(folder, args.task)
    if info.cluster:
        raise UserError(
            f"Task {clip(task_id, 60)} works on a machine of a cluster, and no shell is opened there. What it has done "
            "comes home after each call: see agentbatch show --diff."
        )
    paused = False
    try:
        with visiting(folder, task_id):
            paused = _stand_still(folder, task_id, pause=args.pause)
            return _visit(folder, info, task_id)
    finally:
        if paused:
            complain(send_command(folder, "unpause", {"task": task_id}).text)


def _stand_still(folder: RunFolder, task_id: str, *, pause: bool) -> bool:
    """Returns when nobody works there; whether it was paused here. Raises UserError where somebody does."""
    if not holder(folder):
        state = open_run(folder).state
        why = why_not_visited(
            state.by_id[task_id],
            tried=bool(state.attempts_of(task_id)),
            running=False,
            paused=True,
            still=True,
        )
        if why:
            raise UserError(why)
        return False
    answer = send_command(folder, "visit", {"task": task_id})
    task = open_run(folder).state.by_id[task_id]
    if answer.ok or task.paused or task.finished or not _wants_pause(task, pause):
        _need(answer)
        return False
    _need(send_command(folder, "pause", {"task": task_id}))
    sys.stdout.write(f"Task {harmless(task_id)} is paused; its call or command under way ends first.\n")
    deadline = time.monotonic() + STILL_WITHIN
    try:
        while not answer.ok and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
            answer = send_command(folder, "visit", {"task": task_id})
        _need(answer)
    except (UserError, KeyboardInterrupt):
        send_command(folder, "unpause", {"task": task_id})
        raise
    return True


def _wants_pause(task: TaskState, pause: bool) -> bool:
    if pause or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return pause
    sys.stdout.write(f"Task {harmless(task.id)} is being worked on. Pause it while the shell is open? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _need(answer: Answer) -> None:
    if not answer.ok:
        raise UserError(answer.text)


def _visit(folder: RunFolder, info: RunStarted, task_id: str) -> int:
    from agentbatch.tasks.run.prepare.prepare import prepare
    from agentbatch.tasks.run.user.open_shell import shell_in  # heavy: all that a run is prepared with

    settings, env_file = read_settings({**info.flags, "resume": True})
    prepared = prepare(settings, env_file=env_file, flags=info.flags, resume=folder)
    state = open_run(folder).state
    over = state.by_id[task_id].finished and not state.by_id[task_id].resumable

    def note(visit: Visit) -> None:
        if not over:
            note_visit(folder, task_id, visit)

    seen = asyncio.run(shell_in(prepared, folder, state, task_id, complain, lambda: note(Visit())))
    note(Visit(seen.seconds, seen.changed))
    changed = [harmless(path) for path in seen.changed]
    if changed:
        complain(f"changed: {list_names(changed, MAX_NAMED, 80)}.")
        complain(
            "the task is over: its results and its bill stay as they are."
            if over
            else "its coder and its judge are told of it when it goes on."
        )
    return seen.exit_code
