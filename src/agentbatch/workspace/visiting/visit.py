"""A shell for a person in the place of a task, inside its walls, while nobody works there."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.shell.environment import UNATTENDED
from agentbatch.workspace.shell.shell import limited
from agentbatch.workspace.visiting.terminal import attend
from agentbatch.workspace.workspace import Order

SCRATCH = "visit"
"""In the task's folder; it does not outlive the shell."""
SHELL = ("bash", "--noprofile", "--norc")
FOR_PEOPLE = ("TERM", "COLORTERM", "COLUMNS", "LINES")
"""What a shell has of the person's own variables."""


@dataclass(frozen=True)
class ShellEnd:
    """What came of it."""

    exit_code: int
    seconds: float
    changed: tuple[str, ...]
    """Files of the directory that were added, modified or deleted meanwhile, by whomever."""


async def open_shell(
    run: LocalWorkspaces,
    order: Order,
    folder: Path,
    environ: Mapping[str, str],
    begins: Callable[[], None],
) -> ShellEnd:
    """Until it is left. `run`: with a mark of its own; `folder`: the task's; `environ`: the person's variables;
    `begins` is called when it is about to begin. Raises UserError, OSError."""
    scratch, begun = folder / SCRATCH, time.monotonic()
    root, walls, env = await run.make(order).visit(scratch)
    before = await asyncio.to_thread(take_snapshot, root)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        await walls.enter()
        argv = limited([*SHELL, *(["-i"] if terminal else [])])
        with walls.lend(argv, _for_a_person(env, order, environ), terminal=terminal) as wrapped:
            begins()
            guard = run.guard if walls.name == "none" else None
            code = await attend(wrapped, str(walls.outside or root), guard)
    finally:
        await walls.leave()
        await walls.close()
        if os.path.lexists(scratch):
            await asyncio.to_thread(remove_tree, scratch)
        await run.end_visit()
    done = changes(before, await asyncio.to_thread(take_snapshot, root, before))
    changed = tuple(sorted((*done.added, *done.modified, *done.deleted)))
    return ShellEnd(code, time.monotonic() - begun, changed)


def _for_a_person(env: Mapping[str, str], order: Order, environ: Mapping[str, str]) -> dict[str, str]:
    """The task's variables, but for those that keep programs from talking with anybody; its own `env` stays."""
    kept = {name: value for name, value in env.items() if UNATTENDED.get(name) != value or name in order.env}
    own = {name: environ[name] for name in FOR_PEOPLE if name in environ}
    # A shell that starts another one takes PS1 away.
    prompt = f"PS1='({order.task_id}) \\w\\$ '; unset PROMPT_COMMAND"
    return {**kept, **own, "PROMPT_COMMAND": prompt, "HISTFILE": ""}
