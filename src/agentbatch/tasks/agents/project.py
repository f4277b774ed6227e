"""What a project asks of whoever works in it (AGENTS.md), and the files that a task names as its context, as they were
before the work: what a coder writes there changes nothing of it. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import dirname, join, normpath
from typing import NamedTuple

from agentbatch.tasks.agents.named_files import named_paths
from agentbatch.tasks.agents.shorten import shares, shortened
from agentbatch.text import clip, list_names
from agentbatch.workspace.files.env_files import is_env_file
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.workspace import FileEntry, Snapshot

RULES = ("AGENTS.md", "CLAUDE.md")
"""The first that there is, in the task's directory or the nearest folder above it, holds."""

MAX_FILES = 50
MAX_TEXT = 60_000
"""Characters of all of it that a coder is told; a quarter of what a common context window takes."""
MAX_SHORT = 4_000
"""For a model with a small window."""
MAX_NAMED = 8_000
"""Characters of the files that its task names, which it is shown whole or not at all."""


class ProjectFile(NamedTuple):
    path: str
    """As it is shown: relative to the task's directory."""
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class Project:
    """Texts are without keys."""

    rules: ProjectFile | None = None
    context: tuple[ProjectFile, ...] = ()
    left_out: tuple[str, ...] = ()
    """What cannot be given, a sentence each."""
    named: tuple[ProjectFile, ...] = ()
    """Files that the task's text names. A small model is shown them: it writes a file whole, without having read it."""

    @property
    def files(self) -> tuple[ProjectFile, ...]:
        return (*((self.rules,) if self.rules else ()), *self.context)

    @property
    def digests(self) -> dict[str, str]:
        """By path."""
        return {one.path: one.digest for one in self.files}


def project_of(
    context: Sequence[str],
    before: Snapshot,
    above: Mapping[str, ProjectFile],
    redact: Callable[[str], str],
    task: str = "",
) -> Project:
    """`task`: its text; `context`: its patterns; `before`: its directory when it began; `above`: the nearest file of
    each of RULES in the folders above it, as it was before the run."""
    found, left_out = [], []
    for name in RULES:
        text = _text(name, before)
        if text is None and name in before.files:
            left_out.append(f"{name} is not read: it is no text, too large, or a link that leads elsewhere.")
        rules = ProjectFile(name, text) if text is not None else above.get(name)
        if rules is not None and rules.text.strip():
            found.append(rules)
    named = [path for path in before.files if context and matcher(context)(path)]
    texts = {path: _text(path, before) for path in named if not is_env_file(path.rpartition("/")[2])}
    unread = [path for path in named if texts.get(path) is None]
    for pattern in context:
        if not any(map(matcher([pattern]), before.files)):
            left_out.append(f"context: {clip(pattern, 80)} matches no file in its directory.")
    if unread:
        left_out.append(f"context: not given, no text that can be shown: {list_names(unread, 5, 80)}.")
    files = [ProjectFile(path, text) for path, text in texts.items() if text is not None]
    if len(files) > MAX_FILES:
        left_out.append(f"context: {len(files):,} files match; the first {MAX_FILES} are given.")
    first = found[0] if found else None
    return Project(
        first and first._replace(text=redact(first.text)),
        tuple(one._replace(text=redact(one.text)) for one in files[:MAX_FILES]),
        tuple(left_out),
        tuple(one._replace(text=redact(one.text)) for one in _named(task, before, {*named, *RULES})),
    )


def _named(task: str, before: Snapshot, known: Collection[str]) -> Iterator[ProjectFile]:
    """Small files that it names, without those that it is given anyway, as long as there is room."""
    room = MAX_NAMED
    for path in named_paths(task, before.files):
        entry = before.files[path]
        if path in known or is_env_file(path.rpartition("/")[2]) or entry.kind != "file" or not entry.text:
            continue
        if len(entry.text) <= room:
            room -= len(entry.text)
            yield ProjectFile(path, entry.text)


def unchanged(project: Project, before: Snapshot, known: Mapping[str, str] | None) -> tuple[Project, str]:
    """Without rules above the directory that are others now than when the task began, which a sentence says. `known`:
    digests of what it was given then; None: it begins."""
    rules = project.rules
    if known is None or rules is None or rules.path in before.files or known.get(rules.path) == rules.digest:
        return project, ""
    return replace(project, rules=None), (
        f"{rules.path} has changed since the task began, and is not read; it holds for tasks that begin now."
    )


def fitting(files: Sequence[ProjectFile], most: int) -> list[ProjectFile]:
    """In so many characters together: small files whole, of large ones the beginning and the end."""
    room = shares({one.path: len(one.text) for one in files}, most, {})
    return [one._replace(text=shortened(one.text, room[one.path])) for one in files]


def _text(path: str, before: Snapshot) -> str | None:
    """Of a file, or of one that a link in the same folder or below leads to; None: it cannot be shown."""
    entry = before.files.get(path)
    if entry is not None and entry.kind == "symlink":
        entry = before.files.get(normpath(join(dirname(path), entry.text or "")))
    return _shown(entry) if entry is not None and entry.kind == "file" else None


def _shown(entry: FileEntry) -> str | None:
    return entry.text if entry.text is not None else entry.excerpt or None
