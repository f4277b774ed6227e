"""The folder of one run, `.agentbatch/runs/<run-id>/`, and the lock that keeps a second engine out of it."""

import fcntl
import os
import shutil
import socket
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import PRIVATE, STATE_FOLDER, open_own, resolved, write_atomic

KEPT_TASKS = "task.json"
"""The tasks of a run that were not read from a file of the user's."""
OWN_FILES = (
    *("lock", "run.db", "run.db-wal", "run.db-shm", "requests.db", "run.log", "roots", "results.json"),
    KEPT_TASKS,
)
LOCK_ATTEMPTS = 10
START_ATTEMPTS = 1000
LOCK_PAUSE = 0.02
"""Seconds. A process that asks for a run's `holder` has its lock for a moment, and keeps no engine out by that."""


class RunFolder:
    """Paths of a run, and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self._lock: TextIO | None = None
        self._place: Path | None = None

    @property
    def place(self) -> Path:
        """Where it is written: of a locked run, every link on the way as it was followed then. Nobody can turn it."""
        return self._place or self.path

    @property
    def database(self) -> Path:
        return self.path / "run.db"

    @property
    def journal(self) -> Path:
        """Of a batch of plain requests: what is asked, what was sent, what came."""
        return self.path / "requests.db"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    def task(self, task_id: str) -> Path:
        """Folder of a task's transcript, patch and long outputs; made by its first writer."""
        return self.place.joinpath("tasks", task_id)

    def write_roots(self, roots: Collection[Path]) -> None:
        """The directories that the run works in, for `refuse_overlap` of another. Raises OSError."""
        names = "\0".join(str(root) for root in roots)
        write_atomic(resolved(self.path) / "roots", names, mode=PRIVATE, follow=False)

    def lock(self) -> None:
        """Keep other engines out until `unlock` or the end of the process. Raises UserError naming the holder, and for
        a folder in which a file of ours is a link or no file; OSError."""
        self._refuse_planted()
        handle = os.fdopen(open_own(self.path / "lock", os.O_RDWR | os.O_CREAT), "r+", encoding="utf-8")
        if not _locked(handle):
            handle.seek(0)
            other = handle.read().strip() or "another process"
            handle.close()
            raise UserError(
                f"The run {self.run_id} is already being worked on by {other}. Wait for it, or stop it first."
            )
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        self._lock = handle
        self._place = resolved(self.path)

    def _refuse_planted(self) -> None:
        """A task that works without a sandbox can put anything in here."""
        for name in OWN_FILES:
            with suppress(FileNotFoundError):
                place = self.path / name
                if not stat.S_ISREG(place.lstat().st_mode):
                    raise UserError(
                        f"{place} is a link, or no file: a task may have put it there. Remove it to go on."
                    )

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def tasks_folder(task_file: Path) -> Path:
    """What the directories and patterns in a task file are relative to, resolved: its own folder; of tasks that a run
    has kept, the folder that it was started in."""
    return (task_file.absolute().parents[3] if is_kept(task_file) else task_file.resolve().parent).resolve()


def is_kept(task_file: Path) -> bool:
    """It is a run's own: its tasks stood in no file of the user's."""
    path = task_file.absolute()
    return path.name == KEPT_TASKS and path.parts[-4:-2] == (STATE_FOLDER, "runs")


def _locked(handle: TextIO) -> bool:
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(LOCK_PAUSE)
        else:
            return True
    return False


@contextmanager
def one_at_a_time(base: Path) -> Iterator[None]:
    """No other engine of this folder begins meanwhile. Raises UserError where that cannot be had."""
    try:
        (base / STATE_FOLDER).mkdir(exist_ok=True)
        handle = open_own(base / STATE_FOLDER / "starting", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise cannot_be("used", base / STATE_FOLDER, error) from None
    try:
        for _ in range(START_ATTEMPTS):
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(LOCK_PAUSE)
        else:
            raise UserError(f"Another run of {base} is beginning, and does not come to its end. Try again.")
        yield
    finally:
        os.close(handle)


def refuse_overlap(base: Path, roots: Collection[Path], but: RunFolder | None = None) -> None:
    """Two runs must not work in the same directories either. Raises UserError naming a living run below `base`, not
    `but`, that works in one of `roots`, or above or below one."""
    mine: set[Path] = set()
    above: set[Path] = set()  # made when it is needed: of ten thousand directories it takes its time
    for folder in sorted((base / STATE_FOLDER / "runs").glob("*/roots")):
        other = holder(RunFolder(folder.parent))
        if not other or (but is not None and folder.parent.name == but.run_id):
            continue
        mine = mine or set(roots)
        above = above or {parent for root in mine for parent in root.parents}
        for line in _read_roots(folder):
            theirs = Path(line)
            if line and (theirs in mine or theirs in above or mine.intersection(theirs.parents)):
                raise UserError(
                    f"The run {folder.parent.name} ({other}) is working in {theirs}, as this one would. "
                    "Wait for it, or stop it first."
                )


def _read_roots(path: Path) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape", opener=open_own) as file:
        return file.read().split("\0")


def holder(folder: RunFolder) -> str:
    """Who works on the run, like `process 4711 on host`; empty: no engine does."""
    try:
        with open(folder.path / "lock", encoding="utf-8", errors="replace", opener=open_own) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return handle.read(500).strip() or "another process"
    except OSError:
        pass
    return ""


def create_run_folder(base: Path, now: datetime, roots: Collection[Path] = ()) -> RunFolder:
    """A new run folder below `base`/.agentbatch/runs, named after the time (readable, sortable, unique).

    `roots`: the directories that the run works in, for `refuse_overlap` of the next one.
    """
    made: RunFolder | None = None
    try:
        made = _new_folder(base / STATE_FOLDER / "runs", now)
        made.write_roots(roots)
        ignore = base / STATE_FOLDER / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        if made is not None:
            shutil.rmtree(made.path, ignore_errors=True)
        raise cannot_be("made", f"The run's folder in {base / STATE_FOLDER}", error) from None
    return made


def _new_folder(runs: Path, now: datetime) -> RunFolder:
    """Its id ends in the fraction of the second, in 65536ths: runs of one second sort by when they began."""
    part = now.microsecond * 0x10000 // 1_000_000
    while True:
        path = runs / f"{now:%Y%m%d-%H%M%S}-{part:04x}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not path.is_dir():  # not a run of the same moment: a file stands where a folder should
                raise
            part = (part + 1) % 0x10000
            continue
        return RunFolder(path)
