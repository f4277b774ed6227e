"""Git in the worktrees of tasks on nodes: each node gets a bundle of the commit that they are at, once, and makes a
worktree of its own of that, into which the task's files come then. Commits that a task makes there come home as changed
files."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agentbatch.cluster.exchange.terms import Checkout
from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.repository import write_bundle
from agentbatch.cluster.travel.side import Side, bring
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.repository import find_repository


@dataclass(frozen=True)
class Bundle:
    """A worktree at home, as it is made on a node."""

    common: Path
    """The repository's folder of objects and branches."""
    checkout: Checkout


class Repositories:
    """Those of a run's tasks."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        """`environ`: for programs that we run ourselves; `folder`: for bundles, made when it is needed."""
        self._git = Git(environ)
        self._folder = folder
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def of(self, root: Path) -> Bundle:
        """`root`: a directory in a worktree. Raises UserError, OSError."""
        found = await asyncio.to_thread(find_repository, self._git, root)
        inside = root.relative_to(found.top).as_posix()
        return Bundle(found.common, Checkout(found.head, found.top.name or "root", inside))

    async def bring(self, bundle: Bundle, node: str, there: Side) -> None:
        """`there`: the folder of the bundle on `node`. Raises UserError, OSError."""
        commit = bundle.checkout.commit
        folder = self._folder / commit
        async with self._lock("", commit):
            await asyncio.to_thread(partial(write_bundle, self._git, bundle.common, commit, folder))
        async with self._lock(node, commit):
            moved = await bring(LocalSide(folder, self._folder / "store", max_bytes=0), there)
        if moved.problems:
            raise OSError(f"The repository could not be brought to {node}: {moved.problems[0]}")

    def _lock(self, node: str, commit: str) -> asyncio.Lock:
        """Tasks that begin together do not send the same twice."""
        return self._locks.setdefault((node, commit), asyncio.Lock())
