"""Glob patterns of a task file: one dialect, matched against a path or searched for on the disk.

A pattern is relative and `/`-separated. `*` and `?` match within a name, `[abc]`, `[a-z]` and `[!a]` one character
(a `[` without its `]` stands for itself), `**` as a whole name any folders, also none; at the end it matches all below.
What the fields of a task make of it:

- `protected_paths` (`matcher`): a folder means all below it; hidden names match.
- `foreach` (`FileSearch`): hidden names match only where the pattern has the dot; folders of version control, installed
  packages and caches are left out.
- `inputs`, `outputs` (`FileSearch`, `everything`): whatever is there; a folder stands for all files below it.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.workspace.files.ignored import is_ignored

Kind = Literal["files", "folders"]

MAX_ASKED = 16
"""Names that are looked up in a folder one by one before it is read."""


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a relative path, `/`-separated, is meant by one of `patterns`. A folder means all below it.

    Raises UserError for a pattern that means nothing, such as `[z-a]`.
    """
    expressions = [_compiled(_below(pattern), pattern) for pattern in patterns]
    return lambda path: any(expression.fullmatch(path) for expression in expressions)


def _below(pattern: str) -> str:
    """The expression for what it names, and for all below that."""
    first, *others = _split(_parts(pattern))
    expression = "/".join(map(_name, first))
    if not others:
        return f"{expression}(?:/.*)?" if first else ".*"
    *middle, last = ("/".join(map(_name, names)) for names in others)
    # The first place where it fits is as good as any: there is no way back.
    between = "".join(f"(?>(?:[^/]+/)*?{chunk}/)" for chunk in middle)
    return f"{expression}{'/' if first else ''}{between}" + (f"(?:[^/]+/)*?{last}(?:/.*)?" if last else ".*")


def _split(names: Sequence[str]) -> list[list[str]]:
    """What stands between the `**`; of several that follow each other, one."""
    chunks: list[list[str]] = [[]]
    for place, name in enumerate(names):
        if name != "**":
            chunks[-1].append(name)
        elif place == 0 or names[place - 1] != "**":
            chunks.append([])
    return chunks


class FileSearch:
    """What lies below a folder, each folder read once. Symlinks to folders are never followed, nor are those to files
    that lie outside."""

    def __init__(self, base: Path, *, everything: bool = False) -> None:
        """`everything`: hidden names and ignored folders too. Otherwise hidden ones only where the pattern has the dot,
        and version control, installed packages and caches never."""
        self._base = base
        self._everything = everything
        self._read: dict[str, dict[str, bool]] = {}
        self._asked: Counter[str] = Counter()

    def find(self, pattern: str, kind: Kind) -> list[str]:
        """Paths relative to the folder, `/`-separated, in order. Raises UserError for a pattern that is not valid."""
        found = (path for path, is_folder in self._found(pattern) if is_folder == (kind == "folders"))
        return sorted(found, key=lambda path: path.split("/"))

    def newest_and_oldest(self, pattern: str) -> tuple[int, int] | None:
        """Times of change of the files that match, in ns; a folder stands for all files in it. None: there are none."""
        files: set[str] = set()
        for path, is_folder in self._found(pattern):
            files.update(self.find(f"{_literally(path)}/**", "files") if is_folder else (path,))
        times = [time for path in files if (time := self._changed(path)) is not None]
        return (max(times), min(times)) if times else None

    def _found(self, pattern: str) -> set[tuple[str, bool]]:
        """What matches, and whether it is a folder."""
        parts = _parts(pattern)
        found: set[tuple[str, bool]] = set()
        seen: set[tuple[str, int]] = set()
        ways = [("", 0)]
        while ways and parts:
            way = ways.pop()
            if way in seen:
                continue
            seen.add(way)
            where, at = way
            last = at == len(parts) - 1
            if parts[at] == "**" and not last:
                ways.append((where, at + 1))
            for name, is_folder in self._matching(where, parts[at]):
                path = f"{where}/{name}" if where else name
                if last:
                    found.add((path, is_folder))
                if is_folder and parts[at] == "**":
                    ways.append((path, at))
                elif is_folder and not last:
                    ways.append((path, at + 1))
        return found

    def _matching(self, where: str, part: str) -> Iterator[tuple[str, bool]]:
        """The members of a folder that one part of a pattern means, and whether they are folders."""
        if part == "**":
            yield from (member for member in self._members(where).items() if self._shown(member[0], ""))
        elif re.search(r"[*?\[]", part):
            fits = _one_name(part).fullmatch
            members = self._members(where).items()
            yield from (member for member in members if self._shown(member[0], part) and fits(member[0]))
        else:
            is_folder = self._look_up(where, part)
            if is_folder is not None:
                yield part, is_folder

    def _shown(self, name: str, part: str) -> bool:
        return self._everything or not name.startswith(".") or part.startswith(".")

    def _look_up(self, where: str, name: str) -> bool | None:
        """Neither a large folder is read for one name, nor is it asked for each of many."""
        self._asked[where] += 1
        if where in self._read or self._asked[where] > MAX_ASKED:
            return self._members(where).get(name)
        return self._is_folder(os.path.join(self._base, where, name))

    def _members(self, where: str) -> dict[str, bool]:
        """The names in a folder that count, and whether they are folders."""
        known = self._read.get(where)
        if known is None:
            folder = os.path.join(self._base, where)
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            kinds = ((name, self._is_folder(os.path.join(folder, name))) for name in names)
            known = self._read[where] = {name: kind for name, kind in kinds if kind is not None}
        return known

    def _is_folder(self, path: str) -> bool | None:
        """None: it is not there, or does not count."""
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                target = Path(path).resolve()
                return False if target.is_relative_to(self._base.resolve()) and target.is_file() else None
        except (OSError, ValueError, RuntimeError):  # gone, no possible name, a loop of links
            return None
        if stat.S_ISDIR(mode):
            return True if self._everything or not is_ignored(Path(path)) else None
        return False if stat.S_ISREG(mode) else None

    def _changed(self, path: str) -> int | None:
        try:
            return os.stat(os.path.join(self._base, path)).st_mtime_ns
        except OSError:
            return None


def _literally(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)


@lru_cache(maxsize=256)
def _one_name(name: str) -> re.Pattern[str]:
    """For one name of a path. Raises UserError."""
    return _compiled(_name(name), name)


def _compiled(expression: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.DOTALL)
    except re.error as error:
        raise UserError(f"The pattern {pattern!r} is not valid: {error.msg}.") from None


def _parts(pattern: str) -> list[str]:
    return [name for name in pattern.split("/") if name not in ("", ".")]


def _name(name: str) -> str:
    """Of what stands between two `*`, the first place where it fits is as good as any: there is no way back."""
    first, *others = _fixed(name)
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{part})" for part in middle if part) + f"[^/]*{last}"


def _fixed(name: str) -> list[str]:
    """The expressions for what stands between the `*`."""
    parts, at = [""], 0
    while at < len(name):
        character = name[at]
        negated = name[at : at + 2] == "[!"
        close = name.find("]", at + 2 + negated) if character == "[" else -1
        if character == "*":
            parts.append("")
        elif character == "?":
            parts[-1] += "[^/]"
        elif close > 0:
            inside = re.sub(r"([\\\[\]&~|^])", r"\\\1", name[at + 1 + negated : close])
            parts[-1] += f"(?!/)[^{inside}]" if negated else f"[{inside}]"
            at = close
        else:
            parts[-1] += re.escape(character)
        at += 1
    return parts
