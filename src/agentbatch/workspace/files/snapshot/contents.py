"""What the snapshots of a run have in common: kept once, and gone with the last snapshot that has it."""

from dataclasses import replace
from weakref import WeakValueDictionary

from agentbatch.workspace.workspace import FileEntry


class Contents:
    """Used by many threads: each operation is one of a dictionary's."""

    def __init__(self) -> None:
        self._entries: WeakValueDictionary[tuple[object, ...], FileEntry] = WeakValueDictionary()

    def share(self, entry: FileEntry, old: FileEntry | None) -> FileEntry:
        """The one that stands for all that are equal. `old`: what was at its place before, of which a text that was
        read from a run's folder is taken too."""
        key = (
            entry.sha256,
            entry.size,
            entry.kind,
            entry.executable,
            entry.text is None,
            entry.excerpt,
            entry.script,
        )
        known = self._entries.get(key)
        if known is not None:
            return known
        if old is not None and old.text is not None and old.text == entry.text:
            entry = replace(entry, text=old.text)
        return self._entries.setdefault(key, entry)
