"""The beginnings of a run's tasks on disk: what those in one repository have in common is written once, kept in memory
once, and removed when no task needs it any more: the latest not before another comes in its place, or the run is over,
since the next task is likely to lie on it too."""

import asyncio
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from agentbatch.files import PRIVATE, write_atomic
from agentbatch.patterns import regex
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.tasks.run.beginning.baseline import (
    GROUNDS,
    NAME,
    Baseline,
    SharedFiles,
    entries,
    ground_path,
    read_ground,
    unlike,
)
from agentbatch.workspace.workspace import Snapshot

FEW = 200
"""Files; with less text than LITTLE a beginning stands for itself."""
LITTLE = 64 * 1024
SHARE = 0.1
"""Of its files may be other ones than on a ground."""
TRIED = 8
"""Grounds that a beginning is compared with, the latest first."""
_HEAD = regex(rb'\{"ground": "([0-9a-f]{64})"')


class Beginnings:
    def __init__(self, folder: RunFolder, redact: Redactor) -> None:
        self._folder = folder
        self._redact = redact
        self._one = asyncio.Lock()
        self._grounds: dict[str, SharedFiles] = {}
        """In memory; not all that are on disk."""
        self._needed: dict[str, set[str]] = {}
        """Tasks by the name of the ground that their beginning lies on."""
        self._idle: SharedFiles | None = None
        """The latest that no task needs."""
        self._scanned = False

    async def save(self, task_id: str, baseline: Baseline) -> None:
        """Raises OSError."""
        folder = self._folder.task(task_id)
        async with self._one:
            self._scan()
            if _is_small(baseline.snapshot):
                self._release(task_id)
                baseline.save(folder, self._redact)
            else:
                # At once: a thread would be had only after the directories of all tasks that start now were read, and
                # until then none of them would begin.
                self._save(task_id, baseline)

    def _save(self, task_id: str, baseline: Baseline) -> None:
        files, folder = baseline.snapshot.files, self._folder.task(task_id)
        found = None
        for ground in reversed([*self._grounds.values()][-TRIED:]):
            few = SHARE * len(files)
            if abs(len(ground.files) - len(files)) <= few and len(unlike(files, ground.files)) <= few:
                found = ground
                break
        if found is None:
            text = json.dumps(entries(files, self._redact))
            found = SharedFiles(hashlib.sha256(text.encode()).hexdigest(), files)
            if not ground_path(folder, found.name).exists():
                write_atomic(ground_path(folder, found.name), text, mode=PRIVATE, follow=False)
        self._release(task_id, but=found.name)
        self._hold(task_id, found)
        baseline.save(folder, self._redact, found)

    async def load(self, task_id: str) -> Baseline:
        """Raises OSError, ValueError."""
        async with self._one:
            self._scan()
            return await asyncio.to_thread(self._load, task_id)

    def _load(self, task_id: str) -> Baseline:
        folder = self._folder.task(task_id)
        name = _ground_of(folder)
        if not name:
            return Baseline.load(folder)
        ground = self._grounds.get(name) or SharedFiles(name, read_ground(folder, name))
        self._hold(task_id, ground)
        return Baseline.load(folder, ground)

    async def drop(self, *task_ids: str) -> None:
        """These tasks have ended and never continue from there; safe to repeat. What cannot be removed stays."""
        tasks = self._folder.task("")
        async with self._one:
            self._scan()
            for task_id in task_ids:
                with suppress(OSError):
                    self._release(task_id)
                    if os.path.lexists(kept := f"{tasks}/{task_id}/{NAME}"):  # of ten thousand, few have one
                        os.unlink(kept)

    async def close(self) -> None:
        """The run is over: what no task needs goes."""
        async with self._one:
            self._set_idle(None)

    def _hold(self, task_id: str, ground: SharedFiles) -> None:
        if self._idle is not None and self._idle.name == ground.name:
            self._idle = None
        self._grounds[ground.name] = ground
        self._needed.setdefault(ground.name, set()).add(task_id)

    def _release(self, task_id: str, but: str = "") -> None:
        for name in [name for name, tasks in self._needed.items() if task_id in tasks and name != but]:
            self._needed[name].discard(task_id)
            if not self._needed[name]:
                del self._needed[name]
                self._set_idle(self._grounds.get(name) or SharedFiles(name, {}))

    def _set_idle(self, ground: SharedFiles | None) -> None:
        old, self._idle = self._idle, ground
        if old is not None:
            self._grounds.pop(old.name, None)
            with suppress(OSError):
                (self._folder.path / GROUNDS / f"{old.name}.json").unlink(missing_ok=True)

    def _scan(self) -> None:
        """Once: what tasks of earlier sessions need; what a killed one has left goes."""
        if self._scanned:
            return
        self._scanned = True
        folder = self._folder.path / GROUNDS
        if not folder.is_dir():
            return
        for place in (self._folder.path / "tasks").glob(f"*/{NAME}"):
            name = _ground_of(place.parent)
            if name:
                self._needed.setdefault(name, set()).add(place.parent.name)
        for path in folder.iterdir():
            if path.stem not in self._needed:
                with suppress(OSError):
                    path.unlink()


def _is_small(snapshot: Snapshot) -> bool:
    files = snapshot.files
    return len(files) <= FEW and sum(len(entry.text or "") for entry in files.values()) <= LITTLE


def _ground_of(folder: Path) -> str:
    """The name of the ground that a task's beginning lies on; empty: of none."""
    try:
        with open(folder / NAME, "rb") as file:
            found = _HEAD.match(file.read(100))
    except OSError:
        return ""
    return found[1].decode() if found else ""
