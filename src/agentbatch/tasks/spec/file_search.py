"""Finding files and folders by a pattern, without leaving the folder that it is relative to."""

import fnmatch
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from agentbatch.workspace.files.ignored import is_ignored

Kind = Literal["files", "folders"]


MAX_ASKED = 16
"""Names that are looked up in a folder one by one before it is read."""


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
        """Paths relative to the folder, `/`-separated, in order. `*` and `?` match within a name, `**` any folders."""
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
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
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
            fits = re.compile(fnmatch.translate(part)).match
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
