"""How a task's directory was when the task began, on disk: a resumed task is judged against the same beginning."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentbatch.files import PRIVATE, write_atomic
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import FileEntry, Protected, ProtectedFile, Snapshot

NAME = "beginning.json"


@dataclass(frozen=True)
class Baseline:
    """The directory as it was, and the protected files in it."""

    snapshot: Snapshot
    protected: Protected | None = None

    def save(self, folder: Path, redact: Redactor, ground: "SharedFiles | None" = None) -> None:
        """Write it into the task's folder, in one step. Raises OSError.

        Names and texts are written without keys, which shows in the diff of a resumed task at most; protected files
        have to be put back as they were. `ground`: written already, what is like there is left out.
        """
        files, gone = self.snapshot.files, []
        if ground is not None:
            gone = [redact(path) for path in ground.files if path not in files]
            files = unlike(files, ground.files)
        document = {
            "ground": ground.name if ground is not None else "",  # first: it is looked for there
            "files": entries(files, redact),
            "gone": gone,
            "truncated": self.snapshot.truncated,
            "left_out": {redact(path): digest for path, digest in self.snapshot.left_out.items()},
            "left_out_whole": self.snapshot.left_out_whole,
            "protected": _protected(self.protected),
        }
        write_atomic(folder / NAME, json.dumps(document), mode=PRIVATE, follow=False)

    @classmethod
    def load(cls, folder: Path, ground: "SharedFiles | None" = None) -> "Baseline":
        """What `save` wrote; `ground` where it has been read already. Raises OSError or ValueError when it cannot be
        read."""
        text = (folder / NAME).read_text(encoding="utf-8")
        try:
            document = json.loads(text)
            files = read_entries(document["files"])
            name = document.get("ground", "")
            if name:
                below = (
                    ground.files if ground is not None and ground.name == name else read_ground(folder, name)
                )
                gone = frozenset(document["gone"])
                files = {**{path: entry for path, entry in below.items() if path not in gone}, **files}
                files = dict(sorted(files.items()))
            kept = document["protected"]
            left_out, whole = document.get("left_out", {}), document.get("left_out_whole", False)
            snapshot = Snapshot(files, document["truncated"], left_out, whole)
            return cls(snapshot, _read_protected(kept) if kept else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder / NAME} is not what was written there: {error}.") from None


@dataclass(frozen=True)
class SharedFiles:
    """Files that the beginnings of many tasks have in common, written once."""

    name: str
    """A digest of what was written: by it the beginnings mean it."""
    files: Mapping[str, FileEntry]


GROUNDS = "beginnings"
"""The folder of grounds, in the run's folder."""


def ground_path(folder: Path, name: str) -> Path:
    """`folder`: that of a task."""
    return folder.parent.parent / GROUNDS / f"{name}.json"


def read_ground(folder: Path, name: str) -> dict[str, FileEntry]:
    """Raises OSError, ValueError."""
    if not name.isalnum():
        raise ValueError(f"{name!r} names no file")
    path = ground_path(folder, name)
    try:
        return read_entries(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not what was written there: {error}.") from None


def unlike(files: Mapping[str, FileEntry], ground: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """Those that `ground` does not have, or has otherwise."""
    return {
        path: entry
        for path, entry in files.items()
        if (known := ground.get(path)) is not entry and known != entry
    }


def entries(files: Mapping[str, FileEntry], redact: Redactor) -> dict[str, list[Any]]:
    return {redact(path): _entry(entry, redact) for path, entry in files.items()}


def read_entries(document: Mapping[str, Any]) -> dict[str, FileEntry]:
    return {path: FileEntry(*fields) for path, fields in document.items()}


def _entry(entry: FileEntry, redact: Redactor) -> list[Any]:
    text = None if entry.text is None else redact(entry.text)
    return [entry.sha256, entry.size, text, entry.executable, entry.kind]


def _protected(protected: Protected | None) -> dict[str, Any] | None:
    if protected is None:
        return None
    kept = {
        path: [base64.b64encode(file.content).decode(), file.mode] for path, file in protected.files.items()
    }
    return {"patterns": list(protected.patterns), "kept": kept}


def _read_protected(document: dict[str, Any]) -> Protected:
    kept = {
        path: ProtectedFile(base64.b64decode(content), mode)
        for path, (content, mode) in document["kept"].items()
    }
    return Protected(tuple(document["patterns"]), kept)
