"""What a Dockerfile puts into the directory that its container works in, as far as that are files of its own folder."""

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from agentbatch.tasks.imports.imported import CannotImport

WORKDIR = "/app"
"""Where none is named: terminal-bench's images work there."""


MAX_STEPS = 500
"""Instructions; each COPY looks at all files."""


class Build(NamedTuple):
    workdir: str
    copies: tuple[tuple[str, str], ...]
    """Path in the Dockerfile's folder, and below the working directory."""
    left_out: tuple[str, ...]
    """Instructions that were not carried out, by name, each once."""


def read_dockerfile(text: str, files: Sequence[str], workdir: str = "") -> Build:
    """`files`: those of its folder; `workdir`: where the task says one. Raises CannotImport."""
    steps = [*_instructions(text)]
    if len(steps) > MAX_STEPS:
        raise CannotImport(f"its Dockerfile has more than {MAX_STEPS} instructions.")
    place = "/"
    places = []
    for name, rest in steps:
        if name == "WORKDIR":
            place = posixpath.join(place, rest.strip("\"'"))
        places.append(place)
    named = any(name == "WORKDIR" for name, _ in steps)
    work = absolute(workdir or (place if named else WORKDIR))
    copies: list[tuple[str, str]] = []
    left = []
    for (name, rest), at in zip(steps, places, strict=True):
        if name in ("COPY", "ADD"):
            found = [*_copied(rest, at if named else work, files, work)]
            copies += [pair for pair in found if pair is not None]
            left += [name] * (None in found)
        elif name not in ("FROM", "WORKDIR", "CMD", "ENTRYPOINT", "LABEL", "EXPOSE"):
            left.append(name)
    return Build(work, tuple(copies), tuple(dict.fromkeys(left)))


def absolute(place: str) -> str:
    """Begins with one `/`, and has no `..`."""
    return posixpath.normpath("/" + place.lstrip("/"))


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and rest of each; lines that go on are joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).split("\n"):
        name, _, rest = line.strip().partition(" ")
        if re.fullmatch("[A-Za-z]+", name):
            yield name.upper(), rest.strip()


def _copied(rest: str, at: str, files: Sequence[str], work: str) -> Iterator[tuple[str, str] | None]:
    """The files of one COPY; None: something of it cannot be copied. Raises CannotImport."""
    words = _words(rest)
    options = [word for word in words if word.startswith("--")]
    *sources, goal = [word for word in words if not word.startswith("--")] or [""]
    if any(word.startswith("--from") for word in options) or not sources or "<<" in rest or "$" in rest:
        yield None
        return
    place = posixpath.join(at, goal)
    for source in sources:
        if ".." in source.split("/"):
            raise CannotImport(f"its Dockerfile copies {source[:80]!r}, which is not in its folder.")
        pairs = [*_matches(posixpath.normpath(source.lstrip("/")) if source.strip("/") else ".", files)]
        into = goal.endswith(("/", ".")) or len(sources) > 1 or len(pairs) > 1
        if not pairs:
            yield None
        for path, inner in pairs:
            name = inner or (posixpath.basename(path) if into else "")
            reached = posixpath.normpath(posixpath.join(place, name))
            below = posixpath.relpath(reached, work)
            yield None if below.split("/")[0] in ("..", ".") else (path, below)


def _words(rest: str) -> list[str]:
    try:
        found = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
    except (ValueError, RecursionError):
        return []
    return [word for word in found if isinstance(word, str)]


def _matches(source: str, files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The files that a source stands for: the file, with ""; of a folder all, with their paths in it."""
    depth = 0 if source == "." else len(source.split("/"))
    for path in files:
        parts = path.split("/")
        if depth == 0:
            yield path, path
        elif fnmatchcase("/".join(parts[:depth]), source):
            yield path, "/".join(parts[depth:])
