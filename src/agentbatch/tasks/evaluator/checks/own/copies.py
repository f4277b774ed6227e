"""Throw-away copies of a task's directory, in which checks of our own run."""

from types import TracebackType
from typing import Self

from agentbatch.tasks.evaluator.checks.copying import copy_of
from agentbatch.workspace.files.diff.left_out_diff import changed_left_out
from agentbatch.workspace.workspace import Snapshot, Workspace

_LISTING = "find . -name __pycache__ -prune -o -type d -print -o -exec stat -c '%n %s %z' {} + | cksum"
"""One line that is another once a file has changed anywhere, also in caches, which no snapshot holds: a change shows in
its time of change, which nobody can set."""
LISTING_TIMEOUT = 30.0


def is_untouched(before: Snapshot, after: Snapshot) -> bool:
    """Nothing has changed, as far as is known; that Python has compiled something is no change."""
    whole = after.left_out_whole and not after.truncated
    return whole and before.digest == after.digest and not changed_left_out(before, after)


class Copies:
    """One copy serves for check after check until one has changed it: no check sees what another has done."""

    def __init__(self, workspace: Workspace, checks: int = 1) -> None:
        """`checks`: how many are to run; after the last of them nobody asks what it has changed."""
        self._workspace = workspace
        self._left = checks
        self._copy: Workspace | None = None
        self._made = Snapshot({})
        self._listing = ""
        """Of the copy as it was made; empty: nobody asks, or it cannot be told."""

    async def take(self) -> Workspace:
        """A copy of the directory as it is. Raises what `copy_of` raises."""
        self._left -= 1
        if self._copy is not None and self._listing:
            now = await self._copy.snapshot(self._made)
            if is_untouched(self._made, now) and await self._listed(self._copy) == self._listing:
                return self._copy
        await self._drop()
        self._copy = await copy_of(self._workspace)
        if self._left > 0:
            self._made = await self._copy.snapshot()
            self._listing = await self._listed(self._copy)
        return self._copy

    async def _listed(self, copy: Workspace) -> str:
        done = await copy.run(_LISTING, LISTING_TIMEOUT)
        return done.output if done.exit_code == 0 else ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._drop()

    async def _drop(self) -> None:
        copy, self._copy, self._listing = self._copy, None, ""
        if copy is not None:
            await copy.close()
