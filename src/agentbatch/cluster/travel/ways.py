"""Ways to the folders of a directory that a coder has filled: no link is followed, and no depth is too much."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from agentbatch.files import FOLDER

KEPT = 64
"""Handles of one way that stay open: whoever goes to one folder after another, in order, opens each of them about
once."""


class Ways:
    def __init__(self, root: Path) -> None:
        """Raises OSError."""
        self._handles = {0: os.open(root, FOLDER)}
        """By depth, of the way to the last folder: the directory itself, and the deepest."""
        self._parts: list[str] = []

    def to(self, path: str) -> int:
        """A handle of the folder (relative, `/`-separated; empty: the directory), good until the next one is asked for.
        Raises OSError."""
        parts = path.split("/") if path else []
        if ".." in parts:
            raise PermissionError(errno.EPERM, "It leads out of the directory", path)
        pairs = enumerate(zip(parts, self._parts, strict=False))
        same = next((n for n, (one, other) in pairs if one != other), min(len(parts), len(self._parts)))
        self._close([depth for depth in self._handles if depth > same])
        self._parts = parts[:same]
        depth = max(self._handles)
        for name in parts[depth:]:
            inner = os.open(name, FOLDER, dir_fd=self._handles[depth])
            depth += 1
            self._handles[depth] = inner
            if depth > len(self._parts):
                self._parts.append(name)
            if len(self._handles) > KEPT:
                self._close([min(kept for kept in self._handles if kept)])
        return self._handles[depth]

    def _close(self, depths: list[int]) -> None:
        for depth in depths:
            with suppress(OSError):
                os.close(self._handles.pop(depth))

    def __enter__(self) -> "Ways":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(list(self._handles))
