"""Where an isolated task works: a copy of its directory, or a git worktree on a branch of its own."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from types import MappingProxyType
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.diff.file_diff import describable
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.begun import Commits, Sources, look_at_copy
from agentbatch.workspace.isolation.copy.apply_back import ApplyResult, apply_back
from agentbatch.workspace.isolation.included import IncludedFiles, bring_included
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.making import discard, make_copy, make_worktree, remove, remove_unmade
from agentbatch.workspace.isolation.worktree.commit_work import KeptWork, commit_work
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.judged import Judged
from agentbatch.workspace.isolation.worktree.worktree import branch_name
from agentbatch.workspace.workspace import Snapshot

WORK = "work"
"""Name of the folder of an isolated directory in the task's folder, `<run folder>/tasks/<id>/work`."""


class Isolation:
    """The directories of a run's isolated tasks. Only a copy stops in the middle when it is cancelled."""

    def __init__(
        self,
        run_id: str,
        environ: Mapping[str, str],
        disk: DiskWork | None = None,
        contents: Contents | None = None,
        settled: Mapping[Path, Path] = MappingProxyType({}),
        mark: str = "",
    ) -> None:
        """`settled`: the repository of each source, where that was found out before the run. `mark`: the run's."""
        self._run_id = run_id
        self._settled = settled
        self._git = Git(environ, mark)
        self._disk = disk or DiskWork()
        self._contents = contents or Contents()
        self._sources: Sources = Sources()
        self._commits = Commits(self._git, self._contents)
        self._latest: Snapshot | None = None
        """A fresh copy: the next one is likely to hold the same."""
        self._applying = asyncio.Lock()
        self._repositories: dict[Path, Lock] = {}

    async def make(
        self,
        kind: Literal["copy", "worktree"],
        source: Path,
        folder: Path,
        *,
        task_id: str,
        leave_out: Collection[Path] = (),
    ) -> IsolatedDir:
        """A directory for the task whose own is `source` (resolved), in `folder`: WORK in the task's folder.

        One that was made earlier is found again, with all that was done in it (`fresh` is False then); one that was
        half made when its process was killed is made again. `leave_out`: what a copy must not hold (absolute paths:
        env files with keys). Raises UserError in a sentence, OSError.
        """
        folder = folder.resolve()  # as git writes it down
        if kind == "copy":
            stop = Event()
            return await self._disk.run(lambda: self._copy(source, folder, leave_out, stop), stop)
        name = branch_name(self._run_id, task_id)
        return await self._disk.run(lambda: self._worktree(source, folder, name))

    def _copy(self, source: Path, folder: Path, leave_out: Collection[Path], stop: Event) -> IsolatedDir:
        before = self._sources.get(source) or take_snapshot(source, contents=self._contents, stop=stop)
        isolated = make_copy(self._git, source, folder, leave_out, stop)
        if not isolated.fresh:
            return isolated
        after = self._sources[source] = take_snapshot(source, before, contents=self._contents, stop=stop)
        self._latest = begun = look_at_copy(isolated, before, after, self._contents)
        return replace(isolated, begun=begun, seen=after)

    def _worktree(self, source: Path, folder: Path, name: str) -> IsolatedDir:
        isolated = make_worktree(self._git, source, folder, name, self._lock, self._settled.get(source))
        if isolated.worktree is None or not isolated.fresh:
            return isolated
        try:
            begun = self._commits.look(isolated, isolated.worktree)
        except (OSError, UserError):
            remove_unmade(self._git, isolated)
            raise
        return replace(isolated, begun=begun)

    async def include(self, isolated: IsolatedDir, include: Sequence[str], redact: Redactor) -> IncludedFiles:
        """Bring into a fresh worktree what `include`, patterns of the task's, and the repository's `.worktreeinclude`
        mean; a copy has it. Raises UserError, OSError."""
        if isolated.worktree is None:
            return IncludedFiles(())
        worktree, stop = isolated.worktree, Event()
        return await self._disk.run(
            lambda: bring_included(self._git, isolated, worktree, include, redact, stop), stop
        )

    async def keep(self, isolated: IsolatedDir, message: str, judged: Judged | None = None) -> KeptWork:
        """Commit what was done in a worktree on its branch: of a completed task what was `judged`, else all of it.
        Nothing is removed yet, and it may be repeated. Raises WorkAltered, UserError, OSError.

        For a copy there is nothing to do: its changes are in changes.patch, or brought back by `apply_back`.
        """
        if isolated.worktree is None:
            return KeptWork()
        worktree = isolated.worktree
        return await self._disk.run(
            lambda: commit_work(self._git, worktree, message, isolated.folder, judged)
        )

    async def apply_back(
        self, isolated: IsolatedDir, before: Snapshot, after: Snapshot, own_files: Sequence[Path] = ()
    ) -> ApplyResult:
        """Bring a copy's changes back into the task's directory, all or nothing; one task after another. `own_files`:
        files and folders of the user's, from which the next run reads its settings: they do not come back."""
        async with self._applying:
            return await self._disk.run(
                lambda: apply_back(isolated.root, isolated.source, before, after, own_files)
            )

    async def remove(self, isolated: IsolatedDir) -> None:
        """Remove the files of one whose work is kept. `make` starts from a worktree's branch then; safe to repeat."""
        await self._disk.run(lambda: remove(self._git, isolated))

    async def discard(self, folder: Path) -> None:
        """Remove the one in `folder`, if there is one, and forget it: `make` starts from `source` again, and
        on another branch when one with work on it is left. Safe to repeat."""
        await self._disk.run(lambda: discard(self._git, folder.resolve()))

    def _lock(self, repository: Path) -> Lock:
        return self._repositories.setdefault(repository, Lock())


def is_disposable(
    isolated: IsolatedDir,
    *,
    completed: bool,
    superseded: bool = False,
    before: Snapshot,
    after: Snapshot,
    kept: KeptWork,
    applied: ApplyResult | None = None,
) -> bool:
    """Whether the directory can be discarded without losing anything: its work is whole on the branch, in the
    directory, or, of a completed task and of an attempt that is not taken, in changes.patch. Pure."""
    if isolated.worktree is not None and not superseded:
        return kept.whole
    if applied is not None and applied.done:
        return True
    return (completed or superseded) and _patch_is_whole(before, after)


def _patch_is_whole(before: Snapshot, after: Snapshot) -> bool:
    """changes.patch has no content of binary and large files."""
    touched = changes(before, after)
    paths = (*touched.added, *touched.modified, *touched.deleted)
    known = all(describable(side.files.get(path)) for path in paths for side in (before, after))
    return known and not (before.truncated or after.truncated)
