"""What a patch says of each file: how it changed, by how many lines, and the lines themselves. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

ChangeKind = Literal["added", "changed", "deleted", "renamed"]

SIGNS: dict[ChangeKind, str] = {"added": "+", "changed": "~", "deleted": "-", "renamed": ">"}
"""Beside its word; ASCII, as in every diff."""

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_NAMED = re.compile(r'# ("(?:[^"\\]|\\.)*"|.*?): (added|changed|deleted), (.*)')
_KINDS: dict[str, ChangeKind] = {"added": "added", "changed": "changed", "deleted": "deleted"}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SIDES = re.compile(r'("(?:[^"\\]|\\.)*"|a/.*?) ("(?:[^"\\]|\\.)*"|b/.*)')


@dataclass(frozen=True)
class ChangedFile:
    """One file of a patch. Names and lines are as they are in it, foreign text."""

    path: str
    """Bytes that are no UTF-8 are surrogates."""
    kind: ChangeKind
    added: int | None = 0
    """Lines; None: nobody counted them."""
    removed: int | None = 0
    lines: tuple[str, ...] = ()
    """From the first `@@` on, without line ends."""
    notes: tuple[str, ...] = ()
    """What there is to say beside, or instead of, its lines."""
    before: str = ""
    """Its name before it was renamed."""


def parse_patch(text: str) -> list[ChangedFile]:
    """The files of a unified diff as git, or agentbatch, writes it, by path. What is damaged is left out."""
    found: dict[str, ChangedFile] = {}
    for file in (*_named(text), *_sections(text)):
        known = found.get(file.path)
        found[file.path] = _joined(known, file) if known is not None else file
    return [found[path] for path in sorted(found)]


def _named(text: str) -> Iterator[ChangedFile]:
    """Files that the comment at the patch's head only names."""
    start = 0
    while text.startswith("#", start):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        match = _NAMED.fullmatch(text, start, end)
        if match is not None:
            yield ChangedFile(unquoted(match[1]), _KINDS[match[2]], None, None, notes=(match[3],))
        start = end + 1


def _sections(text: str) -> Iterator[ChangedFile]:
    """Each file that has a `diff --git` line."""
    section: _Section | None = None
    for line in text.split("\n"):
        if section is not None and section.takes(line):
            continue
        if line.startswith("diff --git "):
            if section is not None:
                yield section.file()
            section = _Section(line)
        elif section is not None:
            section.head(line)
    if section is not None:
        yield section.file()


class _Section:
    """Reads one file's part, line by line."""

    def __init__(self, line: str) -> None:
        self._old, self._new = _both_names(line.removeprefix("diff --git "))
        self._kind: ChangeKind = "changed"
        self._lines: list[str] = []
        self._notes: list[str] = []
        self._added = self._removed = 0
        self._left_old = self._left_new = 0
        """Lines of the hunk that are still to come: a line of a file may look like anything."""
        self._binary = False

    def takes(self, line: str) -> bool:
        """Whether the line is part of a hunk, which then has it."""
        sign = line[:1]
        if sign == "\\" and self._lines:
            self._lines.append(line)
            return True
        if self._left_old <= 0 and self._left_new <= 0:
            return False
        if sign not in ("+", "-", " ", ""):
            self._left_old = self._left_new = 0  # damaged: what follows is no part of it
            return False
        self._left_old -= sign != "+"
        self._left_new -= sign != "-"
        self._added += sign == "+"
        self._removed += sign == "-"
        self._lines.append(line or " ")
        return True

    def head(self, line: str) -> None:
        hunk = _HUNK.match(line)
        word, _, rest = line.partition(" ")
        if hunk is not None:
            self._left_old, self._left_new = (int(count or 1) for count in hunk.groups())
            self._lines.append(line)
        elif word in ("---", "+++"):
            self._name(word, rest)
        elif word in ("new", "deleted") and rest.startswith("file mode "):
            self._kind = "added" if word == "new" else "deleted"
            self._tell_mode(rest.removeprefix("file mode "), self._kind)
        elif word in ("old", "new") and rest.startswith("mode "):
            self._notes.append(f"{word} {rest}")
        elif word in ("rename", "copy"):
            self._moved(word, rest)
        elif line.startswith(("Binary files ", "GIT binary patch")):
            self._binary = True

    def _name(self, word: str, rest: str) -> None:
        name = unquoted(rest.partition("\t")[0])
        if name == "/dev/null":
            self._kind = "added" if word == "---" else "deleted"
        elif word == "---":
            self._old = _without_side(name)
        else:
            self._new = _without_side(name)

    def _moved(self, word: str, rest: str) -> None:
        way, _, name = rest.partition(" ")
        if way == "from" and word == "rename":
            self._kind, self._old = "renamed", unquoted(name)
        elif way == "to":
            self._new = unquoted(name)
            self._kind = "renamed" if word == "rename" else "added"

    def _tell_mode(self, mode: str, kind: str) -> None:
        if mode == "120000":
            self._notes.append("a symlink")
        elif mode == "100755" and kind == "added":
            self._notes.append("executable")

    def file(self) -> ChangedFile:
        path = self._old if self._kind == "deleted" else self._new
        if self._binary:
            self._notes.append("binary")
        return ChangedFile(
            path,
            self._kind,
            None if self._binary else self._added,
            None if self._binary else self._removed,
            tuple(self._lines),
            tuple(self._notes),
            self._old if self._kind == "renamed" else "",
        )


def _joined(first: ChangedFile, second: ChangedFile) -> ChangedFile:
    """A file that was deleted and made anew under its name: a symlink that became a file."""
    return replace(
        second,
        kind="changed",
        added=_sum(first.added, second.added),
        removed=_sum(first.removed, second.removed),
        lines=first.lines + second.lines,
        notes=tuple(dict.fromkeys([f"was {note}" for note in first.notes] + [*second.notes])),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _both_names(names: str) -> tuple[str, str]:
    """The two names of a `diff --git` line. Without quotes they are told apart by being the same."""
    half = (len(names) - 1) // 2
    first, second = unquoted(names[:half]), unquoted(names[half + 1 :])
    if first.startswith("a/") and second == f"b/{first[2:]}":
        return first[2:], first[2:]
    if first == second:  # written without a/ and b/
        return first, second
    match = _SIDES.fullmatch(names)
    if match is None:
        return names, names
    return _without_side(unquoted(match[1])), _without_side(unquoted(match[2]))


def _without_side(name: str) -> str:
    return name[2:] if name.startswith(("a/", "b/")) else name


def unquoted(name: str) -> str:
    """A path as git quotes it where it has to; others are as they are."""
    if len(name) < 2 or not (name.startswith('"') and name.endswith('"')):
        return name

    parts: list[bytes] = []
    last = 0
    inner = name[1:-1]
    for match in _ESCAPE.finditer(inner):
        parts.append(inner[last : match.start()].encode("utf-8", "surrogateescape"))
        parts.append(_escaped(match[1]))
        last = match.end()
    parts.append(inner[last:].encode("utf-8", "surrogateescape"))
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _escaped(code: str) -> bytes:
    """A byte in octal, a letter's control character, or the character itself."""
    if code[0] in "01234567":
        return bytes([int(code, 8) & 0xFF])
    return _LETTERS.get(code, code).encode("utf-8", "surrogateescape")


def total_lines(files: Iterable[ChangedFile]) -> tuple[int, int]:
    """Lines added and removed, of those files that tell."""
    told: Sequence[ChangedFile] = list(files)
    return sum(file.added or 0 for file in told), sum(file.removed or 0 for file in told)
