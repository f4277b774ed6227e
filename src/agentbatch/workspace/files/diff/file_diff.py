"""How one file differs: as a structure, and as git writes it, so that `git apply` reads it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from agentbatch.workspace.files.diff.line_diff import hunks
from agentbatch.workspace.workspace import FileEntry

_ESCAPED = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def quoted(path: str) -> str:
    """`path` as git quotes it: as it is where that is safe, else in double quotes with C escapes."""
    if path.isprintable() and '"' not in path and "\\" not in path:
        return path
    return f'"{"".join(_escaped(character) for character in path)}"'


SYMLINK = "120000"
"""Mode of a symbolic link, as git has it."""

ChangeKind = Literal["added", "changed", "deleted"]


@dataclass(frozen=True)
class FileChange:
    """One file that differs between two snapshots. Its name and its lines are foreign text."""

    path: str
    """Relative, `/`-separated. Bytes that are not UTF-8 are surrogates."""
    before: str
    """Its mode, as git writes it: 100644, 100755, SYMLINK; empty: it was not there."""
    after: str
    """Its mode now; empty: it is gone."""
    lines: tuple[str, ...] = ()
    """Hunks, without line ends: from the first `@@` on. Of a file that became a link, or a link that became a file,
    the deletion first."""
    note: str = ""
    """What there is to say instead of lines: that its text is not known, because it is binary or large."""
    added: int | None = field(init=False, compare=False, repr=False)
    """Lines; None: nobody can count them. Counted when the change is made, which is rarely where it is shown."""
    removed: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, sign in (("added", "+"), ("removed", "-")):
            count = None if self.note else sum(line.startswith(sign) for line in self.lines)
            object.__setattr__(self, name, count)

    @property
    def kind(self) -> ChangeKind:
        return "added" if not self.before else "changed" if self.after else "deleted"

    def cleaned(self, redact: Callable[[str], str]) -> "FileChange":
        """The same without keys."""
        lines = tuple(redact("\n".join(self.lines)).split("\n")) if self.lines else ()
        return replace(self, path=redact(self.path), lines=lines, note=redact(self.note))


def file_change(path: str, before: FileEntry | None, after: FileEntry | None) -> FileChange | None:
    """None: it does not differ."""
    if before == after:
        return None
    modes = _mode(before), _mode(after)
    if not (describable(before) and describable(after)):
        return FileChange(path, *modes, note=_difference(before, after))
    if before and after and modes[0][:3] != modes[1][:3]:
        body = [*hunks(_text(before), ""), *hunks("", _text(after))]
    else:
        body = hunks(_text(before), _text(after))
    return FileChange(path, *modes, tuple(line.removesuffix("\n") for line in body))


def file_diff(change: FileChange) -> str:
    """Header and hunks for one file, for `git apply`; empty where its text is not known.

    A file that became a symlink, or a symlink a file, is a deletion and a creation, as in git.
    """
    if change.note:
        return ""
    if change.before and change.after and change.before[:3] != change.after[:3]:
        cut = next((at for at, line in enumerate(change.lines) if line.startswith("@@ -0,0 ")), None)
        cut = len(change.lines) if cut is None else cut
        gone = replace(change, after="", lines=change.lines[:cut])
        return file_diff(gone) + file_diff(replace(change, before="", lines=change.lines[cut:]))
    old_name, new_name = quoted(f"a/{change.path}"), quoted(f"b/{change.path}")
    lines = [f"diff --git {old_name} {new_name}", *_mode_lines(change.before, change.after)]
    if change.lines:
        lines.append(f"--- {_ended(old_name) if change.before else '/dev/null'}")
        lines.append(f"+++ {_ended(new_name) if change.after else '/dev/null'}")
    return "".join(f"{line}\n" for line in (*lines, *change.lines))


def named(change: FileChange) -> str:
    """The file in one line, for one whose text is not known."""
    return f"{quoted(change.path)}: {change.kind}, {change.note}\n"


def changes_document(changes: Iterable[FileChange]) -> list[dict[str, Any]]:
    """As `changes.json` has them."""
    names = [each.name for each in fields(FileChange) if each.init]
    return [{name: getattr(change, name) for name in names} for change in changes]


def changes_of(document: object) -> list[FileChange]:
    """From `changes_document`, after JSON. Raises ValueError where it is something else."""
    if not isinstance(document, list):
        raise ValueError("not a list of changed files")
    return [_read_change(entry) for entry in document]


def _read_change(entry: object) -> FileChange:
    match entry:
        case {
            "path": str(path),
            "before": str(before),
            "after": str(after),
            "lines": [*lines],
            "note": str(note),
        }:
            if all(isinstance(line, str) for line in lines):
                return FileChange(path, before, after, tuple(lines), note)
    raise ValueError("not a changed file")


def describable(entry: FileEntry | None) -> bool:
    """Whether a diff can show this side: it is absent, or its text is known."""
    return entry is None or entry.text is not None


def _text(entry: FileEntry | None) -> str:
    return (entry.text or "") if entry else ""


def _mode(entry: FileEntry | None) -> str:
    if entry is None:
        return ""
    if entry.kind == "symlink":
        return SYMLINK
    return "100755" if entry.executable else "100644"


def _mode_lines(before: str, after: str) -> list[str]:
    if not before:
        return [f"new file mode {after}"]
    if not after:
        return [f"deleted file mode {before}"]
    return [f"old mode {before}", f"new mode {after}"] if before != after else []


def _difference(before: FileEntry | None, after: FileEntry | None) -> str:
    """What can be said of a file whose text is not known."""
    if before is None or after is None:
        entry = before or after
        was = "was " if after is None else ""
        return f"{was}{described(entry)}" if entry is not None else ""
    return f"was {described(before)}, is {described(after)}"


def described(entry: FileEntry) -> str:
    """Size and kind of a file."""
    match entry.kind:
        case "special":
            return "a fifo, socket or device"
        case "unreadable":
            return f"{entry.size:,} bytes, unreadable"
        case "symlink":
            return f"a symlink to {quoted(entry.text or '?')}"
        case "file":
            executable = ", executable" if entry.executable else ""
            return f"{entry.size:,} bytes{executable}{'' if entry.text is not None else ', binary or large'}"


def _ended(name: str) -> str:
    """git ends a name that holds blanks with a tab, so that what follows is no part of it."""
    return f"{name}\t" if " " in name and not name.startswith('"') else name


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    if character.isprintable():
        return character
    raw = character.encode("utf-8", "surrogateescape")
    return "".join(f"\\{byte:03o}" for byte in raw)
