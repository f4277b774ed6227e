"""Where the command line keeps a batch's journal: one folder an input file, and one process at a time in it."""

import fcntl
import hashlib
import os
import socket
from pathlib import Path
from typing import Self, TextIO

from agentbatch.errors import UserError
from agentbatch.store.run_folder import STATE_FOLDER


class BatchFolder:
    """`.agentbatch/requests/<name>-<digest of the input's path>/`; `with` it to keep others out."""

    def __init__(self, base: Path, source: Path) -> None:
        digest = hashlib.sha256(str(source.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        self.path = base / STATE_FOLDER / "requests" / f"{source.stem[:40]}-{digest}"
        self._lock: TextIO | None = None

    @property
    def journal(self) -> Path:
        return self.path / "journal.db"

    def __enter__(self) -> Self:
        """Raises UserError when another process works on the batch, or when the folder cannot be made."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ignore = self.path.parents[1] / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            lock = open(self.path / "lock", "a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self.path} cannot be made: {error.strerror or error}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            other = lock.read(200).strip() or "another process"
            lock.close()
            raise UserError(
                f"This batch is being worked on by {other}. Wait for it, or stop it first."
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        self._lock = lock
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def forget(self) -> None:
        """Begin the batch anew."""
        for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
            (self.path / name).unlink(missing_ok=True)
