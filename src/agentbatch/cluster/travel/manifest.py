"""What a directory holds, as it travels between the engine's machine and a node. Pure; a manifest may be forged."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.text import clip
from agentbatch.workspace.files.paths import MAX_NAME, MAX_PATH
from agentbatch.workspace.files.replace import is_unfinished

UNSENT = "unsent"
"""As the digest of a file or folder whose content stays where it is: it cannot be read there, or is too much."""

MAX_ENTRIES = 500_000
"""Files, links and folders of a directory that travels."""
MAX_PATHS = 64 * 1024 * 1024
"""Characters of all their paths together: each is a way to be gone."""
MAX_BYTES = 16 * 1024 * 1024 * 1024
"""Bytes of all its files together."""


@dataclass(frozen=True, slots=True)
class Entry:
    kind: Literal["file", "link", "folder"]
    mode: int
    """Permission bits, nobody else's rights among them; 0 for a link."""
    size: int
    """Bytes of a file; 0 for all others."""
    digest: str
    """sha256 of a file's content, a link's target, empty for a folder; or UNSENT."""
    mtime: int = field(default=0, compare=False)
    """Of a file, in nanoseconds since the epoch: builds go by it. What differs by it alone does not travel. 0: not
    known."""


Manifest = Mapping[str, Entry]
"""By path relative to the root, `/`-separated; bytes in a name that are no UTF-8 are surrogates, as Python has them.
All that is there, also version control, packages and empty folders; no special files, no state folder of ours. Owners,
extended attributes and the times of folders do not travel, and hard links come as files of their own."""


def check_size(entries: int, paths: int, size: int) -> None:
    """Raises UserError for a directory that is too much to travel. `paths`: characters of all paths; `size`: bytes."""
    for what, count, most in (
        ("files and folders", entries, MAX_ENTRIES),
        ("characters of paths", paths, MAX_PATHS),
        ("bytes", size, MAX_BYTES),
    ):
        if count > most:
            raise UserError(
                f"The directory holds {count:,} {what}, and {most:,} are the most that travel to a node or back: "
                "remove what the task does not need, or use a directory that all nodes share."
            )


def check_whole(manifest: Manifest) -> None:
    """`check_size` of all of it, before anything is done for it."""
    check_size(len(manifest), 0, 0)
    sent = sum(entry.size for entry in manifest.values() if entry.digest != UNSENT)
    check_size(len(manifest), sum(map(len, manifest)), sent)


def checked(manifest: Manifest, *, folds: bool = False) -> tuple[dict[str, Entry], list[str]]:
    """What of a manifest can be, in order, and why each of the rest cannot, a sentence each. `folds`: for this disk
    names are the same that differ in case alone."""
    good: dict[str, Entry] = {}
    problems = []
    seen: dict[str, str] = {}
    for path in sorted(manifest):
        entry = manifest[path]
        why = refusal(path, entry, good)
        if not why and folds:
            same = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
            why = "" if same == path else f"this disk takes {shown(same)} for the same name"
        if why:
            problems.append(f"{shown(path)} cannot be brought: {why}.")
        else:
            good[path] = entry
    return good, problems


def refusal(path: str, entry: Entry, good: Mapping[str, Entry]) -> str:
    """Why there can be no such entry in a directory beside `good`; empty: there can."""
    folder, slash, name = path.rpartition("/")
    if slash and (folder not in good or good[folder].kind != "folder"):
        return "it lies in no folder of the directory"
    if not is_path(name):
        return "it is no path in a directory"
    try:
        if len(_raw(path)) > MAX_PATH or len(_raw(name)) > MAX_NAME:
            return "its name is too long"
    except UnicodeEncodeError:
        return "its name is none that a file can have"
    if is_ours(name):
        return "agentbatch itself uses that name"
    return "" if _can_be(entry) else "it is said to be no file, link or folder"


def _can_be(entry: Entry) -> bool:
    match entry.kind:
        case "file":
            return entry.size >= 0 and (entry.digest == UNSENT or is_digest(entry.digest))
        case "folder":
            return entry.digest in ("", UNSENT)
        case "link":
            return _is_target(entry.digest)
    return False


def is_path(path: str) -> bool:
    """Whether it leads into a directory, and not out of it again."""
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def is_ours(name: str) -> bool:
    """A name in a task's directory that belongs to agentbatch: it neither leaves nor comes."""
    return name.casefold() == STATE_FOLDER or is_unfinished(name)


def is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _is_target(text: str) -> bool:
    try:
        return 0 < len(_raw(text)) <= MAX_PATH and "\0" not in text
    except UnicodeEncodeError:
        return False


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def shown(path: str) -> str:
    """In a sentence."""
    return clip(path, 200) or "A file without a name"
