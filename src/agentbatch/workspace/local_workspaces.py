"""The workspaces of a run on this machine: opened, isolated where that is asked for, and left."""

import asyncio
import shlex
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.replace import remove_unfinished
from agentbatch.workspace.isolation.apply_back import Applied
from agentbatch.workspace.isolation.isolated_dir import RECORD, IsolatedDir, read_isolated_dir
from agentbatch.workspace.isolation.isolation import WORK, Isolation, is_disposable
from agentbatch.workspace.isolation.removal import remove_tree
from agentbatch.workspace.local_workspace import LocalWorkspace, SandboxRules
from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.tools.toolbox import choose_hands
from agentbatch.workspace.workspace import Ending, Left, Order

MAY_GO = "may-go"
"""Lies beside an isolated directory whose files are of no use any more: a kill between a task's end and their removal
leaves them."""

SCRATCH = "scratch"
"""Name of the folder of forks and checkpoints in the task's folder. It does not outlive its session."""

MAX_NAMED = 5
"""Files in the way that a notice names."""


class LocalWorkspaces:
    """See `Workspaces` for the protocol."""

    def __init__(
        self,
        run_id: str,
        tasks: Path,
        environ: Mapping[str, str],
        rules: SandboxRules,
        *,
        secret_names: Collection[str],
        redact: Redactor,
    ) -> None:
        """`tasks`: the folder with a folder for each task of the run. `environ`: the process's variables;
        `secret_names`: those that no command gets. `redact` masks keys in what commands print."""
        self._tasks = tasks
        self._environ = environ
        self.rules = rules
        self._secret_names = secret_names
        self.redact = redact
        self.disk = DiskWork()
        self.isolation = Isolation(run_id, environ, self.disk)

    async def open(self, order: Order) -> "LocalTaskWorkspace":
        folder = self._tasks / order.task_id
        isolated = await self._isolated(order, folder / WORK)
        root = Path(order.directory) if isolated is None else isolated.root
        root.mkdir(parents=True, exist_ok=True)
        if (folder / SCRATCH).exists():  # of an attempt that was killed
            await self.disk.run(partial(remove_tree, folder / SCRATCH))
        if order.repair:
            await asyncio.to_thread(remove_unfinished, root)
        env = shell_environment(self._environ, order.env, self._secret_names)
        readable = [folder / "outputs"]
        if isolated is not None:
            env |= isolated.env
            readable += isolated.readable
        sandbox = self.rules.sandbox(root, env, readable, [root / ".env"])
        return LocalTaskWorkspace(self, order, folder, root, sandbox, env, isolated)

    async def remove_leftovers(self, ended: Sequence[str]) -> None:
        over = frozenset(ended)
        for scratch in sorted(self._tasks.glob(f"*/{SCRATCH}")):
            await self.disk.run(partial(remove_tree, scratch))
        for marker in sorted(self._tasks.glob(f"*/{WORK}/{MAY_GO}")):
            if marker.parent.parent.name in over:
                await self.isolation.discard(marker.parent)

    async def close(self) -> None:
        """Nothing outlives the workspaces themselves on this machine."""

    async def _isolated(self, order: Order, folder: Path) -> IsolatedDir | None:
        if order.isolation == "none":
            return None
        if not order.resume:
            await self.isolation.discard(folder)
        elif read_isolated_dir(folder)[0] is None:  # before anything there is taken for rubbish
            raise UserError(
                f"The {order.isolation} that it was at work in cannot be found by {folder / RECORD}. "
                "--retry-failed begins it again, and removes what is there."
            )
        (folder / MAY_GO).unlink(missing_ok=True)
        isolated = await self.isolation.make(
            order.isolation,
            Path(order.directory),
            folder,
            task_id=order.task_id,
            leave_out=self.rules.hidden_files,
        )
        if isolated.fresh and order.resume:
            await self.isolation.remove(isolated)
            raise UserError(
                f"The {isolated.kind} that it was at work in is gone; --retry-failed begins it again."
            )
        return isolated


class LocalTaskWorkspace(LocalWorkspace):
    """See `TaskWorkspace` for the protocol."""

    def __init__(
        self,
        run: LocalWorkspaces,
        order: Order,
        folder: Path,
        root: Path,
        sandbox: Sandbox,
        env: Mapping[str, str],
        isolated: IsolatedDir | None,
    ) -> None:
        super().__init__(
            root,
            rules=run.rules,
            sandbox=sandbox,
            env=env,
            outputs=folder / "outputs",
            scratch=folder / SCRATCH,
            hands=choose_hands(order.tools, order.command_timeout),
            redact=run.redact,
            disk=run.disk,
        )
        self._order = order
        self._isolation = run.isolation
        self._isolated = isolated
        self._may_go = False
        """The isolated directory's files are of no use any more."""

    async def leave(self, ending: Ending) -> Left:
        isolated, task_id = self._isolated, self._order.task_id
        if isolated is None or ending.resumable:
            return Left()
        notices = []
        try:
            kept = await self._isolation.keep(isolated, ending.message)
            applied = None
            if self._order.apply and ending.completed and isolated.kind == "copy":
                applied = await self._isolation.apply_back(isolated, ending.before, ending.after)
                if not applied.done:
                    notices.append(_not_applied(task_id, applied, ending.patch))
            self._may_go = is_disposable(
                isolated,
                completed=ending.completed,
                before=ending.before,
                after=ending.after,
                kept=kept,
                applied=applied,
            )
            if self._may_go:
                (isolated.folder / MAY_GO).touch()
            else:
                notices.append(f"The files of task {task_id} stay in {isolated.root}.")
        except (OSError, UserError) as error:
            return Left("", (*notices, f"The work of task {task_id} stays in {isolated.root}: {error}"))
        return Left(kept.branch, (*notices, *kept.notes))

    async def close(self) -> tuple[str, ...]:
        problems = await super().close()
        if not self._may_go or self._isolated is None:
            return problems
        try:
            await self._isolation.remove(self._isolated)
            (self._isolated.folder / MAY_GO).unlink(missing_ok=True)
        except (OSError, UserError) as error:
            return (*problems, f"{self._isolated.folder} could not be removed: {error}")
        return problems


def _not_applied(task_id: str, applied: Applied, patch: str) -> str:
    shown = "; ".join(applied.in_the_way[:MAX_NAMED])
    more = len(applied.in_the_way) - MAX_NAMED
    return (
        f"The changes of task {task_id} were not applied: {shown}{f'; and {more} more' if more > 0 else ''}. "
        f"Apply them by hand: git apply --3way {shlex.quote(patch)}"
    )
