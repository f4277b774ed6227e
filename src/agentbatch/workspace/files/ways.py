"""Ways to the folders of a directory that a coder has filled: no link is followed, and no depth is too much."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from agentbatch.files import FOLDER
from agentbatch.workspace.files.removal import open_up

KEPT = 64
"""Handles of one way that stay open: whoever goes to one folder after another, in order, opens each of them about
once."""

_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Ways:
    def __init__(self, root: Path) -> None:
        """Raises OSError."""
        self._handles = {0: os.open(root, FOLDER)}
        """By depth, of the way to the last folder: the directory itself, and the deepest."""
        self._depth = 0
        self._path = ""
        """Of the last folder."""

    def to(self, path: str) -> int:
        """A handle of the folder (relative, `/`-separated; empty: the directory), good until the next one is asked for.
        Raises OSError."""
        while self._path and not f"{path}/".startswith(f"{self._path}/"):
            self._path = self._path.rpartition("/")[0]
            self._close([self._depth])
            self._depth -= 1
        rest = path[len(self._path) + 1 :] if self._path else path
        names = rest.split("/") if rest else []
        if ".." in names:
            raise PermissionError(errno.EPERM, "It leads out of the directory", path)
        depth = max(self._handles)
        if depth < self._depth:
            names = path.split("/")[depth:]
        for name in names:
            inner = os.open(name, FOLDER, dir_fd=self._handles[depth])
            depth += 1
            self._handles[depth] = inner
            if depth > self._depth:
                self._depth, self._path = depth, f"{self._path}/{name}" if self._path else name
            if len(self._handles) > KEPT:
                self._close([min(kept for kept in self._handles if kept)])
        return self._handles[depth]

    @contextmanager
    def entries(self, path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """What is in the folder. One that the coder has closed to its owner is opened. Raises OSError."""
        at = self.to(path)
        try:
            handle = os.open(".", _LISTED, dir_fd=at)
        except PermissionError:
            open_up(Path(f"/proc/self/fd/{at}"))
            handle = os.open(".", _LISTED, dir_fd=at)
        try:
            with os.scandir(handle) as found:
                yield found
        finally:
            os.close(handle)

    def _close(self, depths: list[int]) -> None:
        for depth in depths:
            if depth in self._handles:
                with suppress(OSError):
                    os.close(self._handles.pop(depth))

    def __enter__(self) -> "Ways":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(list(self._handles))
