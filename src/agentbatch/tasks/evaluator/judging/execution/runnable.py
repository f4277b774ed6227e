"""Which files of a change can be run here, as far as their names and first lines say so. Pure."""

from pathlib import PurePath

from agentbatch.patterns import regex
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.workspace import FileEntry, Snapshot

RUNNABLE = frozenset({".py", ".pyw", ".sh", ".bash", ".js", ".mjs", ".cjs"})
"""Suffixes of what is run here as it is."""
_SHEBANG = regex(r"#!.*\b(python|sh|bash|dash|node)")


def runnable(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """The files of the change that can be run here."""
    touched = changes(before, after)
    return tuple(path for path in (*touched.modified, *touched.added) if _runs(path, after.files[path]))


def _runs(path: str, entry: FileEntry) -> bool:
    suffix = PurePath(path).suffix.lower()
    shebang = (
        not suffix
        and entry.kind == "file"
        and _SHEBANG.match((entry.text or entry.excerpt)[:200]) is not None
    )
    return entry.kind == "file" and (suffix in RUNNABLE or shebang) and entry.size > 0
