"""Finding files and folders by a pattern, without leaving the folder that it is relative to."""

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.workspace.ignored import is_ignored

Kind = Literal["files", "folders"]


class _Member(NamedTuple):
    name: str
    is_folder: bool


class FileSearch:
    """What lies below a folder, each folder read once. Symlinks to folders are never followed, nor are those to files
    that lie outside."""

    def __init__(self, base: Path, *, everything: bool = False) -> None:
        """`everything`: hidden names and ignored folders too. Otherwise hidden ones only where the pattern has the dot,
        and version control, installed packages and caches never."""
        self._base = base
        self._everything = everything
        self._read: dict[str, list[_Member]] = {}

    def find(self, pattern: str, kind: Kind) -> list[str]:
        """Paths relative to the folder, `/`-separated, in order. `*` and `?` match within a name, `**` any folders."""
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        found: set[str] = set()
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
            for member in self._matching(where, parts[at]):
                path = f"{where}/{member.name}" if where else member.name
                if last and member.is_folder == (kind == "folders"):
                    found.add(path)
                if member.is_folder and parts[at] == "**":
                    ways.append((path, at))
                elif member.is_folder and not last:
                    ways.append((path, at + 1))
        return sorted(found, key=lambda path: path.split("/"))

    def newest_and_oldest(self, pattern: str) -> tuple[int, int] | None:
        """Times of change of the files that match, in ns; a folder stands for all files in it. None: there are none."""
        paths = self.find(pattern, "files")
        for folder in self.find(pattern, "folders"):
            paths += self.find(f"{_literally(folder)}/**", "files")
        times = [time for path in paths if (time := self._changed(path)) is not None]
        return (max(times), min(times)) if times else None

    def _matching(self, where: str, part: str) -> Iterator[_Member]:
        if part == "**":
            yield from (member for member in self._members(where) if self._shown(member.name, ""))
        elif not re.search(r"[*?\[]", part):
            # Ten thousand tasks that name a file each must not read ten thousand times what lies beside it.
            member = self._member(f"{where}/{part}" if where else part, part)
            if member is not None:
                yield member
        else:
            fits = re.compile(fnmatch.translate(part)).match
            yield from (m for m in self._members(where) if self._shown(m.name, part) and fits(m.name))

    def _shown(self, name: str, part: str) -> bool:
        return self._everything or not name.startswith(".") or part.startswith(".")

    def _members(self, where: str) -> list[_Member]:
        known = self._read.get(where)
        if known is None:
            try:
                names = os.listdir(self._base / where)
            except OSError:
                names = []
            found = (self._member(f"{where}/{name}" if where else name, name) for name in names)
            known = self._read[where] = [member for member in found if member is not None]
        return known

    def _member(self, path: str, name: str) -> _Member | None:
        place = self._base / path
        try:
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                target = place.resolve()
                inside = target.is_relative_to(self._base.resolve())
                return _Member(name, False) if inside and target.is_file() else None
        except (OSError, ValueError, RuntimeError):  # gone, no possible name, a loop of links
            return None
        if stat.S_ISDIR(mode):
            return _Member(name, True) if self._everything or not is_ignored(place) else None
        return _Member(name, False) if stat.S_ISREG(mode) else None

    def _changed(self, path: str) -> int | None:
        try:
            return os.stat(self._base / path).st_mtime_ns
        except OSError:
            return None


def _literally(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)
