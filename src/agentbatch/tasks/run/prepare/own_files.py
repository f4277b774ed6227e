"""What a run reads its settings from, and which of it has changed since tasks could write there."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import read_given
from agentbatch.runs.listing import list_runs
from agentbatch.runs.store.database import load_info, reading
from agentbatch.tasks.coders.catalog.catalog import FILE as CODERS
from agentbatch.text import list_names

MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 1_000


def digests(paths: Iterable[Path], folder: Path) -> dict[str, str]:
    """By path relative to `folder`, of each file that is one of `paths` or below one; no link is followed below them.
    What cannot be read, or is very large, has an empty one."""
    found: dict[str, str] = {}
    for path in paths:
        inside = (Path(where, name) for where, _, names in os.walk(path) for name in sorted(names))
        for file in inside if path.is_dir() else [path] if path.is_file() else []:
            if len(found) < MAX_FILES:
                found[os.path.relpath(file, folder)] = _digest(file)
    return found


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(read_given(file, MAX_BYTES)).hexdigest()[:16]
    except OSError:
        return ""


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Paths that came, went or are others. Pure."""
    return sorted(path for path in {*before, *now} if before.get(path) != now.get(path))


def changed_since_last_run(folder: Path, now: Mapping[str, str]) -> str:
    """A sentence; empty where nothing has, or where the tasks of the latest run could not write there."""
    run, before = _of_latest_run(folder)
    paths = changed(before, now) if before else []
    if not paths:
        return ""
    return (
        f"Changed since run {run} began, whose tasks could write here: {list_names(paths, 5, 80)}. "
        "They hold for this run; look at them."
    )


def planted_coders(folder: Path) -> str:
    """A sentence, where agents/coders.toml, which says what is started, may be a task's work. Empty: it is the
    user's."""
    return planted(folder, os.path.join("agents", CODERS), "says what is started. Nothing of it is")


def planted(folder: Path, path: str, what: str) -> str:
    """A sentence, where the file at `path`, relative to `folder`, may be a task's work: it is not as it was when the
    latest run began, whose tasks could write there. Empty: it is the user's. `what`: it says that is at stake."""
    now = digests([folder / path], folder)
    run, before = _of_latest_run(folder)
    if not before or not now or now.get(path) == before.get(path, ""):
        return ""
    return (
        f"{path} was changed since run {run} began, whose tasks could write it, and {what}; look at it, and then give "
        "--trust-changes."
    )


def _of_latest_run(folder: Path) -> tuple[str, Mapping[str, str]]:
    """Its id and what its files were when it began; none where its tasks could not write there."""
    for latest in list_runs(folder):
        try:
            with reading(latest.database) as connection:
                info = load_info(connection)
        except UserError:
            continue
        if info is not None and info.kind == "tasks":
            return latest.run_id, info.own_files
    return "", {}
