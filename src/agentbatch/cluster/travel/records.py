"""What has changed between two manifests, as bytes for the wire. Pure; what comes from a node may be forged."""

import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agentbatch.cluster.travel.manifest import MAX_ENTRIES, UNSENT, Entry, Manifest
from agentbatch.errors import UserError

_COUNT = struct.Struct("<Q")
_RECORD = struct.Struct("<cHQ32sQII")
"""Kind, mode, size, digest, mtime (modulo 2^64), bytes of the path, bytes of a link's target."""
_KINDS: dict[tuple[Literal["file", "folder"], bool], bytes] = {
    ("file", False): b"f",
    ("file", True): b"F",
    ("folder", False): b"d",
    ("folder", True): b"D",
}
_LINK, _GONE = b"l", b"x"
_BY_LETTER = {letter: kind for kind, letter in _KINDS.items()}
_64 = 2**64
_BROKEN = "What a node says of its directory cannot be read: another version of agentbatch, or it is forged."


@dataclass(frozen=True)
class Change:
    """From one manifest to another."""

    come: Mapping[str, Entry] = field(default_factory=dict)
    """What is new or different, by path."""
    gone: frozenset[str] = frozenset()


def between(old: Manifest, new: Manifest) -> Change:
    if old is new:
        return Change()
    come = {
        path: entry
        for path, entry in new.items()
        if (one := old.get(path)) is not entry and one != entry  # mostly it is the same
    }
    return Change(come, frozenset(old.keys() - new.keys()))


def differing(old: Manifest, new: Manifest) -> list[str]:
    """The paths of which they say different things."""
    change = between(old, new)
    return [*change.come, *change.gone]


def applied(change: Change, old: Manifest) -> Manifest:
    """In order, and what is the same shared. `old` itself where nothing has changed."""
    if not change.come and not change.gone:
        return old
    new = {path: entry for path, entry in old.items() if path not in change.gone}
    new.update(change.come)
    return new if change.come.keys() <= old.keys() else dict(sorted(new.items()))


def encoded(change: Change) -> bytes:
    parts = [_COUNT.pack(len(change.come) + len(change.gone))]
    for path, entry in change.come.items():
        raw, target, digest = _raw(path), b"", bytes(32)
        if entry.kind == "link":
            letter, target = _LINK, _raw(entry.digest)
        else:
            letter = _KINDS[entry.kind, entry.digest == UNSENT]
            if entry.kind == "file" and entry.digest != UNSENT:
                digest = bytes.fromhex(entry.digest)
        fields = (letter, entry.mode, entry.size, digest, entry.mtime % _64, len(raw), len(target))
        parts += (_RECORD.pack(*fields), raw, target)
    for path in sorted(change.gone):
        raw = _raw(path)
        parts += (_RECORD.pack(_GONE, 0, 0, bytes(32), 0, len(raw), 0), raw)
    return b"".join(parts)


def decoded(data: bytes) -> Change:
    """Raises UserError for what `encoded` would not have written."""
    try:
        (count,) = _COUNT.unpack_from(data)
        if count > 2 * MAX_ENTRIES:
            raise UserError(f"A node names {count:,} changed files; {2 * MAX_ENTRIES:,} are the most.")
        come: dict[str, Entry] = {}
        gone = set()
        at = _COUNT.size
        for _ in range(count):
            letter, mode, size, digest, mtime, named, targeted = _RECORD.unpack_from(data, at)
            at += _RECORD.size + named + targeted
            if at > len(data):
                raise UserError(_BROKEN)
            path = _text(data[at - named - targeted : at - targeted])
            if letter == _GONE:
                gone.add(path)
                continue
            target = _text(data[at - targeted : at])
            come[sys.intern(path)] = _entry(letter, mode, size, digest, mtime, target)
    except (struct.error, KeyError) as error:
        raise UserError(_BROKEN) from error
    if at != len(data):
        raise UserError(_BROKEN)
    return Change(come, frozenset(gone))


def _entry(letter: bytes, mode: int, size: int, digest: bytes, mtime: int, target: str) -> Entry:
    if letter == _LINK:
        return Entry("link", 0, 0, target)
    kind, unsent = _BY_LETTER[letter]
    named = UNSENT if unsent else sys.intern(digest.hex()) if kind == "file" else ""
    return Entry(kind, mode, size, named, mtime if mtime < _64 // 2 else mtime - _64)


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
