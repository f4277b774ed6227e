"""The folder of one run, `.agentbatch/runs/<run-id>/`, and the lock that keeps a second engine out of it."""

import fcntl
import os
import secrets
import socket
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


def create_run_folder(base: Path, now: datetime) -> RunFolder:
    """A new run folder below `base`/.agentbatch/runs, named after the time (readable, sortable, unique)."""
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    path = base / STATE_FOLDER / "runs" / run_id
    try:
        path.mkdir(parents=True)
        ignore = base / STATE_FOLDER / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"The run's folder {path} cannot be made: {error.strerror or error}.") from None
    return RunFolder(path)
