"""What of a Dockerfile's folder goes into its build, and so decides whether there is an image of it already: what it
names, and neither what runs leave there nor, unless it is named, the directories that tasks work in."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from agentbatch.patterns import regex

ALL = "."
"""The whole folder, as a place in it."""
_GLOB = regex(r"[*?\[]")
_UNREADABLE = regex(r"""[$"'\\`]""")
"""In a source: what it means is found out by the engine."""
_SYNTAX = regex(r"(\s*#.*\n)*\s*#\s*syntax\s*=\s*(?!\s|docker/dockerfile\b)", re.IGNORECASE)
_ESCAPE = regex(r"(\s*#.*\n)*\s*#\s*escape\s*=\s*`", re.IGNORECASE)


def named(dockerfile: str) -> frozenset[str] | None:
    """Places in its folder that it copies something from (Dockerfile reference, COPY and ADD); None: that cannot be
    told. Of a pattern the folder that it is looked for in. Pure."""
    found: set[str] = set()
    if _SYNTAX.match(dockerfile):
        return None
    for line in _instructions(dockerfile):
        name, _, rest = line.partition(" ")
        if name.upper() == "RUN" and "--mount" in rest:
            return None
        if name.upper() not in ("COPY", "ADD"):
            continue
        flags, words = _words(rest)
        if any(flag.startswith("--from=") for flag in flags):
            continue
        for source in words[:-1]:
            if source.startswith(("<<", "git@")) or "://" in source:
                continue
            if _UNREADABLE.search(source):
                return None
            found.add(_place(source))
    return frozenset(found)


def _instructions(dockerfile: str) -> Iterator[str]:
    """Each in one line. What a here-document holds is taken for more of them."""
    escape = "`" if _ESCAPE.match(dockerfile) else "\\"
    line = ""
    for part in map(str.rstrip, dockerfile.splitlines()):
        if not part or part.lstrip().startswith("#"):
            continue
        line += part.removesuffix(escape)
        if not part.endswith(escape):
            yield " ".join(line.split())
            line = ""
    yield " ".join(line.split())


def _words(rest: str) -> tuple[list[str], list[str]]:
    words = rest.split()
    flags = []
    while words and words[0].startswith("--"):
        flags.append(words.pop(0))
    if words and words[0].startswith("["):
        try:
            return flags, [str(word) for word in json.loads(" ".join(words))]
        except ValueError:
            pass
    return flags, words


def _place(source: str) -> str:
    parts = PurePosixPath(os.path.normpath(source).lstrip("/") or ALL).parts
    plain = next((at for at, part in enumerate(parts) if part == ".." or _GLOB.search(part)), len(parts))
    return "/".join(parts[:plain]) or ALL


class Chosen:
    """Which of the files below a folder go into a build."""

    def __init__(self, folder: Path, dockerfile: Path, out: Iterable[Path], apart: Iterable[Path]) -> None:
        """`out`: what never does, `apart`: what does where it, or something in it, is named; absolute places. Raises
        OSError."""
        self._folder = folder
        places = named(dockerfile.read_text("utf-8", errors="surrogateescape"))
        self._named = frozenset({ALL} if places is None else _through_links(folder, places))
        ignores = (".dockerignore", ".containerignore")
        self._always = {dockerfile.name, *ignores, *(dockerfile.name + one for one in ignores)}
        self._out = {*out} - {dockerfile}
        self._apart = (
            frozenset() if places is None else frozenset(map(self._name, filter(self._is_below, apart)))
        )
        self._apart -= {one for one in self._apart for place in self._named if _is_in(place, one)}

    def files(self) -> Iterator[Path]:
        """Folders before what is in them, in order. Raises OSError."""
        return self._below(self._folder)

    def _below(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            leads_on = path.is_dir()
            if path not in self._out and self._is_chosen(self._name(path), leads_on):
                yield path
                if leads_on and not path.is_symlink():
                    yield from self._below(path)

    def _is_chosen(self, name: str, leads_on: bool) -> bool:
        if name in self._always:
            return True
        if name in self._apart:
            return False
        return any(_is_in(name, place) or (leads_on and _is_in(place, name)) for place in self._named)

    def _is_below(self, place: Path) -> bool:
        return place != self._folder and place.is_relative_to(self._folder)

    def _name(self, place: Path) -> str:
        return place.relative_to(self._folder).as_posix()


def _is_in(name: str, place: str) -> bool:
    """Whether the one is the other or lies in it."""
    return place == ALL or name == place or name.startswith(f"{place}/")


def _through_links(folder: Path, places: Iterable[str]) -> Iterator[str]:
    """Them, and where they are behind links."""
    for place in places:
        yield place
        real = (folder / place).resolve()
        if real.is_relative_to(folder):
            yield real.relative_to(folder).as_posix()
