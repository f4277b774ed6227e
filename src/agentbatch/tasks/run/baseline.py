"""How a task's directory was when the task began, on disk: a resumed task is judged against the same beginning."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentbatch.files import write_atomic
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import FileEntry, Protected, ProtectedFile, Snapshot

NAME = "beginning.json"


@dataclass(frozen=True)
class Baseline:
    """The directory as it was, and the protected files in it."""

    snapshot: Snapshot
    protected: Protected | None = None

    def save(self, folder: Path, redact: Redactor) -> None:
        """Write it into the task's folder, in one step. Raises OSError.

        Names and texts are written without keys, which shows in the diff of a resumed task at most; protected files
        have to be put back as they were.
        """
        document = {
            "truncated": self.snapshot.truncated,
            "files": {redact(path): _entry(entry, redact) for path, entry in self.snapshot.files.items()},
            "left_out": {redact(path): digest for path, digest in self.snapshot.left_out.items()},
            "left_out_whole": self.snapshot.left_out_whole,
            "protected": _protected(self.protected),
        }
        write_atomic(folder / NAME, json.dumps(document))

    @classmethod
    def load(cls, folder: Path) -> "Baseline":
        """What `save` wrote. Raises OSError or ValueError when it cannot be read."""
        text = (folder / NAME).read_text(encoding="utf-8")
        try:
            document = json.loads(text)
            files = {path: FileEntry(*fields) for path, fields in document["files"].items()}
            kept = document["protected"]
            left_out, whole = document.get("left_out", {}), document.get("left_out_whole", False)
            snapshot = Snapshot(files, document["truncated"], left_out, whole)
            return cls(snapshot, _read_protected(kept) if kept else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder / NAME} is not what was written there: {error}.") from None


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
