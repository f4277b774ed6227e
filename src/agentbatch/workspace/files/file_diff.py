"""The diff of one file as git writes it, so that `git apply` reads it."""

from agentbatch.workspace.files.line_diff import hunks
from agentbatch.workspace.workspace import FileEntry

_ESCAPED = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def quoted(path: str) -> str:
    """`path` as git quotes it: as it is where that is safe, else in double quotes with C escapes."""
    if path.isprintable() and '"' not in path and "\\" not in path:
        return path
    return f'"{"".join(_escaped(character) for character in path)}"'


def file_diff(path: str, before: FileEntry | None, after: FileEntry | None) -> str:
    """Header and hunks for one path; empty where it did not change. Both texts must be known.

    A file that became a symlink, or a symlink a file, is a deletion and a creation, as in git.
    """
    if before and after and _mode(before)[:3] != _mode(after)[:3]:
        return file_diff(path, before, None) + file_diff(path, None, after)
    if before == after:
        return ""
    old_name, new_name = quoted(f"a/{path}"), quoted(f"b/{path}")
    lines = [f"diff --git {old_name} {new_name}\n", *_mode_lines(before, after)]
    body = hunks(_text(before), _text(after))
    if body:
        lines.append(f"--- {_ended(old_name) if before else '/dev/null'}\n")
        lines.append(f"+++ {_ended(new_name) if after else '/dev/null'}\n")
    return "".join([*lines, *body])


def describable(entry: FileEntry | None) -> bool:
    """Whether a diff can show this side: it is absent, or its text is known."""
    return entry is None or entry.text is not None


def _text(entry: FileEntry | None) -> str:
    return (entry.text or "") if entry else ""


def _mode(entry: FileEntry) -> str:
    if entry.kind == "symlink":
        return "120000"
    return "100755" if entry.executable else "100644"


def _mode_lines(before: FileEntry | None, after: FileEntry | None) -> list[str]:
    if before is None and after is not None:
        return [f"new file mode {_mode(after)}\n"]
    if after is None and before is not None:
        return [f"deleted file mode {_mode(before)}\n"]
    if before and after and _mode(before) != _mode(after):
        return [f"old mode {_mode(before)}\n", f"new mode {_mode(after)}\n"]
    return []


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
