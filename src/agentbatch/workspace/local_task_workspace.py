"""Where one task works on this machine: started, isolated where that is asked for, and left."""

import asyncio
import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from agentbatch.errors import UserError
from agentbatch.workspace.containers.leftovers import note_engine
from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.files.paths import check_unlinked, make_unlinked
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.files.replace import remove_unfinished
from agentbatch.workspace.files.snapshot.snapshot import is_small
from agentbatch.workspace.isolation.copy.apply_back import ApplyResult
from agentbatch.workspace.isolation.included import shown_env_files
from agentbatch.workspace.isolation.isolated_dir import (
    RECORD,
    IsolatedDir,
    find_isolated_dir,
    read_isolated_dir,
)
from agentbatch.workspace.isolation.isolation import WORK, is_disposable
from agentbatch.workspace.isolation.making import readable_of
from agentbatch.workspace.isolation.worktree.commit_work import KeptWork
from agentbatch.workspace.isolation.worktree.judged import Judged, WorkAltered
from agentbatch.workspace.local_run import LocalRun
from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.programs.homes import HOMES
from agentbatch.workspace.sandbox.limits import TaskLimits, group_name
from agentbatch.workspace.sandbox.toolchains import machine_first, programs_inside, programs_named
from agentbatch.workspace.sandbox.walls import Walls
from agentbatch.workspace.setup_cache import PlaceCache
from agentbatch.workspace.tools.toolbox import choose_hands
from agentbatch.workspace.watch.changed_since import changed_since
from agentbatch.workspace.watch.git_control import read_only_in
from agentbatch.workspace.watch.privileges import take_privileges
from agentbatch.workspace.watch.watch import begin_watch, end_watch
from agentbatch.workspace.workspace import Ending, Order, RecalledSetup, WorkLeft

MAY_GO = "may-go"
"""Lies beside an isolated directory whose files are of no use any more: a kill between a task's end and their removal
leaves them."""

BRINGING = "bringing"
"""Folder of a task in which what its image holds lies for a moment, on its way to its directory."""
SCRATCH = "scratch"
"""Name of the folder of forks and checkpoints in the task's folder. It does not outlive its session."""

OUTPUTS = "outputs"
"""Name of the folder of what commands printed, where that is long."""

CONTAINER = "container"
"""Name of the folder of a container in the scratch folder."""

T = TypeVar("T")

MAX_NAMED = 5
"""Files in the way that a notice names."""


class LocalTaskWorkspace:
    """See `TaskWorkspace` for the protocol."""

    def __init__(self, run: LocalRun, order: Order, folder: Path) -> None:
        """`folder`: the task's own in the run's folder."""
        self._run = run
        self._order = order
        self._folder = folder
        self._isolated: IsolatedDir | None = None
        self._workspace: LocalWorkspace | None = None
        self._env = run.environment(order)
        self._path = self._env.get("PATH", "")
        self._may_go = False
        """The isolated directory's files are of no use any more."""
        self._inside = ""
        """Where its directory is in a container."""
        self._of_image: list[str] = []
        """What a person must know of what has come out of an image with the work."""
        self._over = False
        """It is not resumed: nor are the sessions of its programs."""
        self._notices: tuple[str, ...] = ()
        self._brought = ""
        """A digest of what was included in its worktree; empty: nothing was."""
        self._shown: frozenset[str] = frozenset()
        """Env files of its directory that it may have all the same."""
        self._setup = PlaceCache(run.setups, run.disk, order)
        self._limits = TaskLimits(order.limits, group_name(run.mark, order.task_id))

    async def start(self) -> LocalWorkspace:
        run, order, folder = self._run, self._order, self._folder
        isolated = self._isolated = (
            None if order.isolation == "none" else await self._isolate(order.isolation)
        )
        root = Path(order.directory) if isolated is None else isolated.root
        make_unlinked(root)
        scratch, outputs = folder / SCRATCH, folder / OUTPUTS
        if scratch.exists():  # of an attempt that was killed
            await run.disk.run(partial(remove_tree, scratch))
        if run.containers is not None and order.image is not None:
            await asyncio.to_thread(note_engine, folder.parent, run.containers.engine.name)
        if not order.resume:
            await self._remove_homes()
        if order.repair:
            await asyncio.to_thread(remove_unfinished, root)
        begun = isolated.begun if isolated is not None else None
        filled = await self._filled(root, folder)
        if filled:
            begun = None
        walls, env = await self._inside_walls(root, scratch, watched=filled)
        self._workspace = LocalWorkspace(
            root,
            rules=run.rules,
            sandbox=walls,
            around=lambda fork, env, outputs, folder: self._walls(fork, env, [outputs], folder),
            env=env,
            outputs=outputs,
            scratch=scratch,
            hands=choose_hands(order.tools, order.command_timeout),
            homes=folder / HOMES,
            redact=run.redact,
            disk=run.disk,
            contents=run.contents,
            begun=begun,
            touched=bool(self._brought),
            guard=run.guard,
            notices=self._notices,
        )
        return self._workspace

    async def visit(self, scratch: Path) -> tuple[Path, Walls, dict[str, str]]:
        """For a person, while nobody works in it: the directory, its walls, and the variables of what runs there.
        Nothing is made or changed. Raises UserError, OSError."""
        order = self._order
        root = Path(order.directory)
        if order.isolation != "none":
            isolated = find_isolated_dir(self._folder / WORK)
            if isolated is None:
                raise UserError(f"The {order.isolation} that it worked in is not there any more.")
            self._isolated = replace(isolated, readable=readable_of(isolated, isolated.worktree))
            await self._show_env_files(root)
            root = isolated.root
        check_unlinked(root)
        if not root.is_dir():
            raise UserError(f"{root} is not there.")
        return root, *await self._inside_walls(root, scratch, watched=True)

    async def _inside_walls(
        self, root: Path, scratch: Path, *, watched: bool
    ) -> tuple[Walls, dict[str, str]]:
        """And the variables of what runs inside."""
        order, isolated = self._order, self._isolated
        env = dict(self._env) if order.image is None else self._run.environment_inside(order)
        if order.image is None and "PATH" in env:
            env["PATH"] = machine_first(env["PATH"], root)
        readable = [self._folder / OUTPUTS]
        if isolated is not None:
            env |= isolated.env
            readable += isolated.readable
        self._inside = (order.image and order.image.workdir) or str(root)
        top = isolated.worktree.top if isolated is not None and isolated.worktree is not None else root
        guarded, hidden = await _soon(top, partial(self._look, root, top, watched))
        return self._walls(root, env, readable, scratch, hidden, guarded), env

    async def _show_env_files(self, source: Path) -> None:
        if self._order.include:
            shown = await asyncio.to_thread(shown_env_files, source, self._order.include, self._run.redact)
            self._shown, self._notices = frozenset(shown.paths), shown.notices

    async def _filled(self, root: Path, folder: Path) -> bool:
        """Whether the directory, which was empty, has just got what the image holds at its place. `folder`: where what
        is under way lies meanwhile."""
        containers, image = self._run.containers, self._order.image
        if containers is None or image is None or not image.workdir:
            return False
        return await self._run.disk.run(partial(containers.fill, image, root, folder, self._watch_all))

    async def _bring_back(self, isolated: IsolatedDir, ending: Ending) -> ApplyResult:
        """A copy's changes into the directory, which gets first what the copy got of the image. Raises OSError,
        UserError."""
        folder = self._folder / BRINGING
        if self._order.image is not None and self._order.image.workdir:
            make_unlinked(isolated.source)
            if await self._filled(isolated.source, folder):
                seen = partial(end_watch, isolated.source, (), self._folder)
                self._of_image = await asyncio.to_thread(seen)
            await self._run.disk.run(partial(remove_tree, folder))
        return await self._run.isolation.apply_back(
            isolated, ending.before, ending.after, self._run.rules.own_files
        )

    def _watch_all(self, empty: Path) -> None:
        """What an image brings is told at the end as what the task itself makes is."""
        begin_watch(empty, (), self._folder, resume=self._order.resume)

    def _walls(
        self,
        root: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],
        scratch: Path,
        hidden: Sequence[Path] = (),
        guarded: Sequence[Path] = (),
    ) -> Walls:
        """Of the task's directory, or of a fork of it, which is at the same place in a container."""
        run, image = self._run, self._order.image
        if image is None:
            return replace(run.rules.sandbox(root, env, readable, hidden, guarded), limits=self._limits)
        if run.containers is None:
            raise UserError("It has an image, and this run has no container engine: --sandbox podman.")
        return run.containers.walls(
            image,
            self._order.limits,
            scratch / CONTAINER,
            root=root,
            inside=self._inside,
            readable=readable,
            hidden_files=(*run.rules.hidden_files, *hidden),
            guarded=guarded,
        )

    def _look(self, root: Path, top: Path, watched: bool) -> tuple[list[Path], list[Path]]:
        """What is read-only in the directory, and what is hidden in that and the rest of its worktree; its beginning is
        written down, unless it is `watched` already. Slow on a large one."""
        order, isolated = self._order, self._isolated
        if order.image is not None and self._run.containers is not None:
            self._path += f":{self._run.containers.path_here(order.image, root, self._inside)}"
        inside = programs_inside(root, self._path)
        if isolated is None and not watched:
            named = programs_named(root, self._path, inside)
            begin_watch(root, named, self._folder, resume=order.resume)
        built_of = (
            [Path(order.image.dockerfile)] if order.image is not None and order.image.dockerfile else []
        )
        guarded = [*inside, *read_only_in(root), *built_of]
        hidden = [] if order.isolation == "copy" else env_files_in(top)
        return guarded, [path for path in hidden if not self._is_shown(path, root)]

    def _is_shown(self, path: Path, root: Path) -> bool:
        """`path`: an env file in the worktree, or the copied directory, whose part of the task's is `root`."""
        return path.is_relative_to(root) and path.relative_to(root).as_posix() in self._shown

    async def _isolate(self, kind: Literal["copy", "worktree"]) -> IsolatedDir:
        order, folder, isolation = self._order, self._folder / WORK, self._run.isolation
        source = Path(order.directory)
        check_unlinked(source)
        await self._show_env_files(source)
        if not order.resume:
            earlier = None if order.untouched else find_isolated_dir(folder)
            if earlier is not None:  # of a task that was interrupted: it has never been left
                await isolation.keep(earlier, f"agentbatch: {order.task_id}, before it started again\n")
            await isolation.discard(folder)
        elif read_isolated_dir(folder)[0] is None:  # before anything there is taken for rubbish
            raise UserError(
                f"The {kind} that it was at work in cannot be found by {folder / RECORD}. "
                "--retry-failed begins it again, and removes what is there."
            )
        (folder / MAY_GO).unlink(missing_ok=True)
        isolated = await isolation.make(
            kind,
            source,
            folder,
            task_id=order.task_id,
            leave_out=await self._left_out(kind),
        )
        if isolated.fresh and order.resume:
            await isolation.remove(isolated)
            raise UserError(
                f"The {isolated.kind} that it was at work in is gone; --retry-failed begins it again."
            )
        if isolated.fresh:
            found = await isolation.include(isolated, order.include, self._run.redact)
            self._brought, self._notices = found.digest, (*self._notices, *found.notices)
        return isolated

    async def _left_out(self, kind: Literal["copy", "worktree"]) -> tuple[Path, ...]:
        """What a copy must not hold. A worktree holds what git keeps, whatever its name."""
        if kind == "worktree":
            return ()
        source = Path(self._order.directory)
        inside = await asyncio.to_thread(env_files_in, source)
        hidden = (*self._run.rules.hidden_files, *inside)
        return tuple(path for path in hidden if not self._is_shown(path, source))

    async def recall_setup(self) -> RecalledSetup:
        isolated, workspace = self._isolated, self._workspace
        if workspace is None or isolated is None or isolated.worktree is None or not isolated.fresh:
            return await self._setup.recall(Path(), None)
        order, image, containers = self._order, self._order.image, self._run.containers
        made_by = {
            "setup": order.setup,
            "env": dict(order.env),
            "system": [platform.system(), platform.machine(), *platform.libc_ver()],
            "walls": workspace.info.sandbox,
            "image": ""
            if image is None or containers is None
            else await asyncio.to_thread(containers.identity, image),
            "at": isolated.root.relative_to(isolated.worktree.top).as_posix(),
            "included": self._brought,
        }
        recalled = await self._setup.recall(isolated.root, made_by)
        if recalled.found:
            workspace.touched()
        return recalled

    async def keep_setup(self) -> str:
        return await self._setup.keep()

    async def leave(self, ending: Ending) -> WorkLeft:
        self._over = not ending.resumable
        if ending.resumable:
            return WorkLeft()
        if self._order.isolation == "none":
            return WorkLeft(notices=tuple(await self._seen_in_place()))
        # Cancelled in the middle of `start`, it is there all the same.
        isolated = self._isolated = self._isolated or find_isolated_dir(self._folder / WORK)
        if isolated is not None:
            return await self._leave_isolated(isolated, ending)
        if ending.superseded and read_isolated_dir(self._folder / WORK)[0] is not None:
            # A kill came while it was made, or removed.
            await self._run.isolation.discard(self._folder / WORK)
        return WorkLeft()

    async def _seen_in_place(self) -> list[str]:
        """What the task has left in its directory for git and PATH, a sentence each."""
        root = Path(self._order.directory)
        try:
            check_unlinked(root)
            named = programs_named(root, self._path)
            return await _soon(root, partial(end_watch, root, named, self._folder))
        except (OSError, UserError) as error:
            return [f"What task {self._order.task_id} has left for git and PATH cannot be seen: {error}"]

    async def _leave_isolated(self, isolated: IsolatedDir, ending: Ending) -> WorkLeft:
        task_id, isolation = self._order.task_id, self._run.isolation
        notices, unapplied = [], ""
        bring_back = self._order.apply and ending.completed and isolated.kind == "copy"
        try:
            judged = Judged(isolated.root, ending.before, ending.after, ending.completed)
            kept = KeptWork()
            if not (ending.superseded or ending.untouched):
                kept = await isolation.keep(isolated, ending.message, judged)
            applied = None
            if bring_back:
                applied = await self._bring_back(isolated, ending)
                notices += self._of_image
                if not applied.done:
                    unapplied = _not_applied(task_id, applied, ending.patch)
                    notices.append(unapplied)
            self._may_go = ending.untouched or is_disposable(
                isolated,
                completed=ending.completed,
                superseded=ending.superseded,
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
            stays = f"The work of task {task_id} stays in {isolated.root}: {error}"
            altered = str(error) if isinstance(error, WorkAltered) else ""
            return WorkLeft("", (*notices, stays), altered, stays if bring_back else "")
        return WorkLeft(kept.branch, (*notices, *kept.notes), unapplied=unapplied)

    async def _remove_homes(self) -> None:
        homes = self._folder / HOMES
        if os.path.lexists(homes):
            await self._run.disk.run(partial(remove_tree, homes))

    async def close(self) -> tuple[str, ...]:
        self._setup.end()
        problems = await self._workspace.close() if self._workspace is not None else ()
        await asyncio.to_thread(self._limits.close)
        if self._over:
            try:
                await self._remove_homes()
            except OSError as error:
                problems = (*problems, str(error))
        if self._isolated is not None and not self._may_go:
            folder = self._isolated.folder
            await asyncio.to_thread(take_privileges, folder, changed_since(folder, 0.0))
        if not self._may_go or self._isolated is None:
            return problems
        try:
            await self._run.isolation.remove(self._isolated)
            (self._isolated.folder / MAY_GO).unlink(missing_ok=True)
        except (OSError, UserError) as error:
            return (*problems, f"{self._isolated.folder} could not be removed: {error}")
        return problems


async def _soon(root: Path, look: Callable[[], T]) -> T:
    """A look at all of a directory: at once where there is little in it, as for a snapshot, else in a thread."""
    return look() if is_small(root, whole=True) else await asyncio.to_thread(look)


def _not_applied(task_id: str, applied: ApplyResult, patch: str) -> str:
    shown = "; ".join(applied.in_the_way[:MAX_NAMED])
    more = len(applied.in_the_way) - MAX_NAMED
    return (
        f"The changes of task {task_id} were not applied: {shown}{f'; and {more} more' if more > 0 else ''}. "
        f"Apply them by hand: git apply --3way {shlex.quote(patch)}"
    )
