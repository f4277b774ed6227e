"""The files of the change as pieces of evidence, and what the harness knows of them by their names. Pure."""

import re
from pathlib import PurePath
from posixpath import dirname, join, normpath

from agentbatch.patterns import regex
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.evaluator.judging.evidence.pieces import Piece
from agentbatch.tasks.evaluator.judging.execution.runnable import RUNNABLE
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.diff.file_diff import described, file_change, quoted
from agentbatch.workspace.workspace import FileEntry, Snapshot

MAX_COMPARED = 300
"""Files whose change is worked out; no judge reads more."""
MAX_PATH = 160
"""Characters of a path in a heading."""
HASH = 16
"""Digits of a hash that are shown."""

_WRITTEN = (
    "bat c cc clj cpp cs css cxx dart ex exs go h hpp hs htm html java jl jsx kt kts lua m ml php pl pm ps1 r rb rs "
    "scala sql svelte swift tcl ts tsx vue zig zsh"
)
_SETTINGS = frozenset({".json", ".yaml", ".yml", ".toml", ".ini", ".cfg"})
_LOCK = regex(r"(?:.*[-.])?lock\.\w+", re.IGNORECASE)
SOURCES = RUNNABLE | {f".{suffix}" for suffix in _WRITTEN.split()}
"""Suffixes of what people write and programs read."""


def file_pieces(before: Snapshot, after: Snapshot) -> tuple[Piece, ...]:
    """One of each file that differs: what was there already first, then new ones, sources first in both."""
    found = changes(before, after)
    old = sorted((*found.modified, *found.deleted), key=_sources_first)
    paths = [*old, *sorted(found.added, key=_sources_first)]
    return tuple(
        _piece(f"F{number}", path, before.files.get(path), after, number <= MAX_COMPARED)
        for number, path in enumerate(paths, 1)
    )


def _sources_first(path: str) -> tuple[bool, str]:
    return not is_source(path), path


def is_source(path: str) -> bool:
    return PurePath(path).suffix.lower() in SOURCES


def has_to_be_seen(path: str, entry: FileEntry) -> bool:
    """What is in it decides what the work does."""
    name = PurePath(path)
    settings = name.suffix.lower() in _SETTINGS and not _LOCK.fullmatch(name.name)
    return is_source(path) or settings or (entry.kind == "file" and entry.script)


def _leads_away(path: str, entry: FileEntry, snapshot: Snapshot) -> bool:
    """A symlink to what the snapshot does not show: outside, left out, or nowhere."""
    target = normpath(join(dirname(path), entry.text or "/"))
    if target.startswith(("/", "..")):
        return True
    return target not in snapshot.files and not any(name.startswith(f"{target}/") for name in snapshot.files)


def _piece(ref: str, path: str, before: FileEntry | None, snapshot: Snapshot, compared: bool) -> Piece:
    after = snapshot.files.get(path)
    name = f"file {shortened(quoted(path), MAX_PATH)}"
    if after is None:
        gone = _lines(path, before, None) if compared else ""
        return Piece(ref, f"{name} (deleted)", gone, outcome=("deleted",))
    kind = "added" if before is None else "modified"
    away = after.kind == "symlink" and (not compared or _leads_away(path, after, snapshot))
    source = path if away or has_to_be_seen(path, after) else ""
    if after.text is None:
        said = f"{described(after)}, sha256 {after.sha256[:HASH]}" if after.sha256 else described(after)
        text = after.excerpt or said
        heading = f"{name} ({kind}, {described(after)})" if after.excerpt else f"{name} ({kind})"
        return Piece(ref, heading, text, source=source, hidden=not after.excerpt)
    heading = f"{name} ({kind}{', a symlink' if after.kind == 'symlink' else ''})"
    known = before is not None and before.text is not None
    body = _lines(path, before, after) if known and compared else None
    empty = ("empty",) if not after.text.strip() else ()
    shown = "(empty)" if empty and not body else body
    return Piece(ref, heading, after.text, body=shown, outcome=empty, source=source, hidden=away)


def _lines(path: str, before: FileEntry | None, after: FileEntry | None) -> str:
    """What differs, as a diff has it; in words where that is only the mode."""
    change = file_change(path, before, after)
    if change is None:
        return ""
    if change.note:
        return change.note
    return "\n".join(change.lines) or f"mode {change.before} is now {change.after}"
