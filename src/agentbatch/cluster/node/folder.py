"""Where tasks of a run work on a node: a folder of the run below the system's temporary one, with a folder a task."""

import fcntl
import os
import platform
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.workspace.containers.leftovers import remove_containers
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.local_workspaces import mark_of

TASKS = "tasks"
LOCAL = "local"
"""In a task's: what its workspace has of its own."""
STORE = "store"
FENCE = "fence"
LOCK = "lock"

TAKEN_OVER_WITHIN = 45.0
"""Seconds until a task's folder is free whose earlier holder ends itself."""
LOOK_AGAIN = 0.25
FORGOTTEN_AFTER = 7 * 24 * 3600.0
"""Seconds after which what a killed node has left of a run is nobody's."""


def base_folder() -> Path:
    """Of this user's runs; made. Raises UserError where somebody else has it."""
    base = Path(tempfile.gettempdir()) / f"agentbatch-{os.getuid()}"
    with suppress(FileExistsError):
        base.mkdir(mode=0o700)
    status = os.lstat(base)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UserError(f"{base} is somebody else's: tasks of this user cannot work on this node.")
    base.chmod(0o700)
    return base


def node_address() -> str:
    """As Ray has it, in whose process this runs."""
    ray = sys.modules.get("ray")
    return str(ray.util.get_node_ip_address()) if ray is not None else platform.node()


def own_places() -> list[Path]:
    """Where Ray has its sockets and its log here, by which whoever reaches them is asked for no token."""
    ray = sys.modules.get("ray")
    return [Path(ray.get_runtime_context().get_temp_dir()).resolve()] if ray is not None else []


class NodeFolder:
    """A task's, from its making to its end. One process at a time has it: that of the latest session."""

    def __init__(self, mark: str, task_id: str, fence: int) -> None:
        self.run = base_folder() / mark
        self.path = self.run / TASKS / task_id
        self.fence = fence
        self._lock = -1

    @property
    def store(self) -> Path:
        """Contents that tasks of the run have had here: what they have in common arrives once."""
        return self.run / STORE

    def take(self) -> None:
        """Slow where an earlier holder has to end first. Raises OSError, UserError."""
        until = time.monotonic() + TAKEN_OVER_WITHIN
        while not self._take_once(until):
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = -1

    def _take_once(self, until: float) -> bool:
        """False: whoever had it has removed it in the end, with what was written into it meanwhile."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if not self.raise_fence():
                raise UserError("A later session of this run has this task.")
            lock = self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise UserError(
                        f"{self.path} is still at work for an earlier lease of this task."
                    ) from None
                time.sleep(LOOK_AGAIN)
            else:
                return os.fstat(lock).st_nlink > 0 and (self.path / FENCE).exists()

    def raise_fence(self) -> bool:
        """Whether no later one is there already."""
        if self.fenced():
            return False
        beside = self.path / f"{FENCE}.{os.getpid()}"
        beside.write_text(str(self.fence))
        beside.replace(self.path / FENCE)
        return True

    def fenced(self) -> bool:
        """A later lease of the task is here, or its session has removed all."""
        try:
            return int((self.path / FENCE).read_text()) > self.fence
        except (FileNotFoundError, ValueError):
            return self._lock >= 0

    def remove(self) -> None:
        """It, and the run's where it is the last one and the run is not at work here any more. Raises OSError."""
        if self._lock >= 0:
            remove_tree(self.path)
            os.close(self._lock)
            self._lock = -1


def remove_run(mark: str) -> None:
    """All that is left of a run here; also runs that nobody has touched for a week. Raises OSError, UserError."""
    base = base_folder()
    for folder in base.iterdir():
        old = time.time() - folder.lstat().st_mtime > FORGOTTEN_AFTER
        if folder.name == mark or old:
            for tasks in folder.glob(f"{TASKS}/*/{LOCAL}"):  # containers of a machine that was killed
                remove_containers(tasks, mark_of(tasks), os.environ)
            remove_tree(folder)
    with suppress(OSError):
        base.rmdir()  # the last one


def remove_if_last(run: Path) -> None:
    """A run's folder in which no task is at work any more, whose engine is gone."""
    with suppress(OSError):
        (run / TASKS).rmdir()
        shutil.rmtree(run, ignore_errors=True)
