"""What changed between two snapshots, for the judge, for the patch and for the counts."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from agentbatch.text import list_names
from agentbatch.workspace.files.diff.file_diff import (
    FileChange,
    described,
    file_change,
    file_diff,
    named,
    quoted,
)
from agentbatch.workspace.workspace import FileEntry, Snapshot


class Changes(NamedTuple):
    """Paths that differ. False when nothing does."""

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return len(self.added) + len(self.modified) + len(self.deleted)

    def __bool__(self) -> bool:
        return self.total > 0


def changes(before: Snapshot, after: Snapshot) -> Changes:
    old, new = before.files, after.files
    # Most of it is the same entry in both.
    unlike = [path for path, entry in new.items() if old.get(path) is not entry]
    added = tuple(path for path in unlike if path not in old)
    return Changes(
        added=added,
        modified=tuple(path for path in unlike if path in old and not same(old[path], new[path])),
        deleted=tuple(path for path in old if path not in new) if len(new) - len(added) < len(old) else (),
    )


def altered_work(before: Snapshot, after: Snapshot, now: Snapshot) -> list[str]:
    """Which of the changes between `before` and `after` are not in `now` as they are in `after`, by path."""
    made = changes(before, after)
    return sorted(
        path
        for path in (*made.added, *made.modified, *made.deleted)
        if not same(after.files.get(path), now.files.get(path))
    )


def changed_since(paths: Sequence[str]) -> str:
    """Of `altered_work`, as a sentence."""
    return f"Changed after it was judged, so it is not what was accepted: {list_names(paths, 5, 80)}."


def file_changes(before: Snapshot, after: Snapshot) -> list[FileChange]:
    """Every file that differs, by path."""
    found = changes(before, after)
    touched = sorted((*found.added, *found.modified, *found.deleted))
    compared = [file_change(path, before.files.get(path), after.files.get(path)) for path in touched]
    return [change for change in compared if change is not None]


def render_patch(files: Iterable[FileChange]) -> str:
    """Everything, for `git apply`; files whose text is not known are named in a comment at its head."""
    files = list(files)
    comment = [f"# {line}" for file in files if file.note for line in named(file).splitlines()]
    if comment:
        comment.insert(0, "# Not in this patch, because they are binary or large:")
    return "".join([*(f"{line}\n" for line in comment), *map(file_diff, files)])


def tree(snapshot: Snapshot, limit_lines: int = 200) -> str:
    """The files, one a line with its size; where they are too many, the rest by folder."""
    if not snapshot.files:
        return "(empty)"
    paths = list(snapshot.files)
    lines = [f"{quoted(path)} ({described(snapshot.files[path])})" for path in paths[:limit_lines]]
    if len(paths) > limit_lines:
        lines = lines[: limit_lines - 1]
        left = len(paths) - len(lines)
        more = "more than " if snapshot.truncated else ""
        lines.append(f"[... {more}{left:,} more files, {_by_folder(paths[len(lines) :])} ...]")
    return "\n".join(lines)


def same(one: FileEntry | None, other: FileEntry | None) -> bool:
    """Kind, content and permission to run it are."""
    if one is None or other is None:
        return one is other
    facts = attrgetter("sha256", "size", "kind", "executable")
    return bool(facts(one) == facts(other))


def _by_folder(paths: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for path in paths:
        folder = path.rsplit("/", 1)[0] + "/" if "/" in path else "./"
        counts[folder] = counts.get(folder, 0) + 1
    largest = sorted(counts, key=lambda folder: -counts[folder])[:5]
    return "most of them in " + ", ".join(f"{quoted(folder)} ({counts[folder]:,})" for folder in largest)
