"""Glob patterns of a task file: one dialect, matched against a path or searched for on the disk.

The dialect is git's (its wildmatch.c, as in .gitattributes): a pattern is relative and `/`-separated; `*` and `?` match
within a name; `[abc]`, `[a-z]`, `[[:digit:]]`, and `[!a]` or `[^a]`, one character, of which a `]` that is first and
what follows a backslash are just that; a backslash takes its meaning from the next sign; `**` as a whole name is any
folders, also none, and at the end all that is below. What could match nothing is refused.

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

    Raises UserError for a pattern that can match nothing, such as `[z-a]`.
    """
    expressions = [re.compile(_below(pattern), re.DOTALL) for pattern in patterns]
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
            files.update(self.find(f"{literal(path)}/**", "files") if is_folder else (path,))
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
        elif re.search(r"[*?\[\\]", part):
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


def literal(path: str) -> str:
    """The pattern that means this path and no other."""
    return re.sub(r"([*?\[])", r"[\1]", path.replace("\\", r"\\"))


@lru_cache(maxsize=256)
def _one_name(name: str) -> re.Pattern[str]:
    """For one name of a path. Raises UserError."""
    return re.compile(_name(name), re.DOTALL)


def _parts(pattern: str) -> list[str]:
    """Its names, split at each `/` that stands in no bracket. Raises UserError."""
    names, at = [""], 0
    while at < len(pattern):
        end = at
        if pattern[at] == "[":
            _, end = _bracket(pattern, at)
        elif pattern[at] == "\\":
            end = at + (pattern[at + 1 : at + 2] not in ("", "/"))
        if pattern[at] == "/":
            names.append("")
        else:
            names[-1] += pattern[at : end + 1]
        at = end + 1
    return ["**" if len(name) > 1 and set(name) == {"*"} else name for name in names if name not in ("", ".")]


def _name(name: str) -> str:
    """Of what stands between two `*`, the first place where it fits is as good as any: there is no way back."""
    first, *others = _fixed(name)
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{part})" for part in middle if part) + f"[^/]*{last}"


def _fixed(name: str) -> list[str]:
    """The expressions for what stands between the `*`. Raises UserError."""
    parts, at = [""], 0
    while at < len(name):
        character = name[at]
        if character == "*":
            parts.append("")
        elif character == "?":
            parts[-1] += "[^/]"
        elif character == "[":
            expression, at = _bracket(name, at)
            parts[-1] += expression
        elif character == "\\":
            at += 1
            if at == len(name):
                raise _never(name, "it ends in a backslash; write two for the sign itself")
            parts[-1] += re.escape(name[at])
        else:
            parts[-1] += re.escape(character)
        at += 1
    return parts


_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": " \\t-\\r", "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""Of ASCII, as git has them."""


def _bracket(name: str, start: int) -> tuple[str, int]:
    """The expression for the `[…]` that begins at `start`, and where its `]` is. Raises UserError."""
    at = start + 1
    negated = name[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    first = at
    while name[at : at + 1] != "]" or at == first:
        if name.startswith("[:", at) and (end := name.find(":]", at + 2)) > 0:
            kind = name[at + 2 : end]
            if kind not in _CLASSES:
                raise _never(name, f"there is no class [:{kind}:]; there are {', '.join(_CLASSES)}")
            members.append(_CLASSES[kind])
            at = end + 2
            continue
        low, at = _member(name, at)
        high = low
        if name[at : at + 1] == "-" and name[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(name, at + 1)
        if low > high:
            raise _never(name, f"the range {low}-{high} is the wrong way round")
        members.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(members)
    return f"[^/{inside}]" if negated else f"(?!/)[{inside}]", at


def _member(name: str, at: int) -> tuple[str, int]:
    """The sign at `at` in a bracket, and where the next one is. Raises UserError."""
    at += name[at : at + 1] == "\\"
    if at >= len(name):
        raise _never(name, "a [ is without its ]; write \\[ for the sign itself")
    return name[at], at + 1


def _never(name: str, why: str) -> UserError:
    return UserError(f"The pattern {name!r} is not valid: {why}.")
