"""The folder of one run, `.agentbatch/runs/<run-id>/`, and the lock that keeps a second engine out of it."""

import fcntl
import os
import secrets
import socket
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TextIO

from agentbatch.errors import UserError

STATE_FOLDER = ".agentbatch"


class RunFolder:
    """Paths of a run, and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self._lock: TextIO | None = None

    @property
    def database(self) -> Path:
        return self.path / "run.db"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    def task(self, task_id: str) -> Path:
        """Folder of a task's transcript, patch and long outputs; made by whoever writes into it first."""
        return self.path / "tasks" / task_id

    def lock(self) -> None:
        """Keep other engines out until `unlock` or the end of the process. Raises UserError naming the holder."""
        handle = open(self.path / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - held until unlock
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            handle.close()
            raise UserError(
                f"The run {self.run_id} is already being worked on by {holder}. Wait for it, or stop it first."
            ) from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def refuse_overlap(base: Path, roots: Collection[Path]) -> None:
    """Two runs must not work in the same directories either. Raises UserError naming a living run below `base`
    that works in one of `roots`, or above or below one."""
    mine = set(roots)
    above = {parent for root in mine for parent in root.parents}
    for folder in sorted((base / STATE_FOLDER / "runs").glob("*/roots")):
        holder = _holder(folder.parent / "lock")
        if not holder:
            continue
        for line in folder.read_text(encoding="utf-8", errors="surrogateescape").split("\0"):
            theirs = Path(line)
            if line and (theirs in mine or theirs in above or mine.intersection(theirs.parents)):
                raise UserError(
                    f"The run {folder.parent.name} ({holder}) is working in {theirs}, as this one would. "
                    "Wait for it, or stop it first."
                )


def _holder(lock: Path) -> str:
    """Who holds the lock; empty when nobody does."""
    try:
        with open(lock, encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return handle.read().strip() or "another process"
    except OSError:
        pass
    return ""


def create_run_folder(base: Path, now: datetime, roots: Collection[Path] = ()) -> RunFolder:
    """A new run folder below `base`/.agentbatch/runs, named after the time (readable, sortable, unique).

    `roots`: the directories that the run works in, for `refuse_overlap` of the next one.
    """
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    path = base / STATE_FOLDER / "runs" / run_id
    try:
        path.mkdir(parents=True)
        names = "\0".join(str(root) for root in roots)
        (path / "roots").write_text(names, encoding="utf-8", errors="surrogateescape")
        ignore = base / STATE_FOLDER / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"The run's folder {path} cannot be made: {error.strerror or error}.") from None
    return RunFolder(path)
