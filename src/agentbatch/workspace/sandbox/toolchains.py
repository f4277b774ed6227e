"""What PATH reaches inside hidden trees: the toolchains under HOME that a sandboxed command still needs."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from agentbatch.files import real_folder

PROGRAM_FOLDERS = frozenset({"bin", "sbin", "shims", "Scripts"})
"""A folder of this name belongs to the toolchain in its parent: pyenv/shims, cargo/bin, a venv's bin."""

COMPANIONS = {
    ".cargo": (".rustup",),
    ".local": (".local/lib", ".local/share/uv", ".local/share/pipx", ".local/pipx", ".local/share/mise"),
}
"""Folders of HOME that belong to programs in another one of its folders but that no link leads to."""

PACKAGES = "node_modules"
"""Programs in such a folder of npm load what lies beside them in it, or in the one around it."""

MAX_PROGRAMS = 5_000
"""Entries of one PATH folder whose links are followed."""
MAX_LINKS = 40
"""Symlinks in one path before it counts as a loop (Linux's own limit)."""


@dataclass
class ExposedPaths:
    """What to show again of hidden trees, read-only."""

    trees: set[Path] = field(default_factory=set)
    """Folders and single files, resolved."""
    links: dict[Path, str] = field(default_factory=dict)
    """Symlinks on the way to them, with their targets as written."""

    def covers(self, path: Path) -> bool:
        return any(path.is_relative_to(tree) for tree in self.trees)

    def outermost(self) -> list[Path]:
        """The trees that lie in no other one, in order."""
        return [tree for tree in sorted(self.trees) if not any(p in self.trees for p in tree.parents)]


def programs_inside(root: Path, path_variable: str) -> list[Path]:
    """Folders in the task's directory whose programs are run by others than the task: those on PATH, with the virtual
    environment that such a one is the `bin` of, and the interpreter that we are run by; resolved."""
    folders = [entry for entry in path_variable.split(os.pathsep) if entry.startswith("/")]
    return _whole(root, map(real_folder, (*folders, sys.prefix)))


def programs_named(root: Path, path_variable: str, inside: Sequence[Path] | None = None) -> list[Path]:
    """The same with those that are not there yet, that a link stands for, or that PATH names from wherever one is
    (`node_modules/.bin`): a task may make such a one, or put another in its place. `inside`: what `programs_inside`
    has just found."""
    entries = (entry for entry in path_variable.split(os.pathsep) if entry)
    named = {os.path.normpath(os.path.join(root, entry)) for entry in entries}
    found = programs_inside(root, path_variable) if inside is None else inside
    return _whole(root, {*named, *map(str, found)})


def machine_first(path_variable: str, root: Path) -> str:
    """PATH for the task's own commands: what it can still make there comes last, so that no `python3` or `find` of its
    own stands for the machine's while its work is checked. Folders that are there stay in their place: they are
    read-only, as `programs_inside` has it."""
    within, first, last = os.path.join(root, ""), list[str](), list[str]()
    for entry in path_variable.split(os.pathsep):
        place = os.path.normpath(os.path.join(root, entry))
        ours = not os.path.isabs(entry) or f"{place}{os.sep}".startswith(within)
        fixed = os.path.isabs(entry) and os.path.isdir(place) and os.path.realpath(place) == place
        (last if ours and not fixed else first).append(entry)
    return os.pathsep.join([*first, *last])


def _whole(root: Path, places: Iterable[str]) -> list[Path]:
    within = os.path.join(root, "")  # texts: each task asks, and most of what is on PATH is elsewhere
    inside = {Path(place) for place in places if place.startswith(within)}
    whole = {folder.parent if (folder.parent / "pyvenv.cfg").is_file() else folder for folder in inside}
    return sorted(whole - {root})


def exposed_toolchains(
    path_variable: str, home: Path, hidden: Callable[[Path], bool], off_limits: Sequence[Path]
) -> ExposedPaths:
    """Follow PATH's folders, and the links and venvs in them, to what lies where `hidden` is true.

    A tree that contains HOME or one of `off_limits` (the task's directory, what must stay hidden) is never
    shown as a whole: then only the program folder itself is.
    """
    finder = _Finder(home, hidden, [home, *off_limits])
    for entry in path_variable.split(os.pathsep):
        if entry.startswith("/"):
            finder.add_folder(Path(entry))
    return finder.exposed


class _Finder:
    def __init__(self, home: Path, hidden: Callable[[Path], bool], off_limits: Sequence[Path]) -> None:
        self._home = home
        self._hidden = hidden
        self._off_limits = off_limits
        self._seen: set[Path] = set()
        self.exposed = ExposedPaths()

    def add_folder(self, folder: Path) -> None:
        """A folder of programs: its toolchain, and the toolchains that its entries point to."""
        real = self._reach(folder)
        if real is None or real in self._seen or not real.is_dir():
            return
        self._seen.add(real)
        if self._hidden(real):
            self._expose(self._toolchain(real))
            for program in _links_in(real):
                self._add_program(program)
        for start in _venv_homes(real):
            self.add_folder(start)

    def _add_program(self, program: Path) -> None:
        real = self._reach(program)
        if real is None or not self._hidden(real) or self.exposed.covers(real):
            return
        if real.parent.name in PROGRAM_FOLDERS:
            self.add_folder(real.parent)
        else:
            self._expose(real)

    def _reach(self, path: Path) -> Path | None:
        """Where `path` ends; notes the hidden links on the way."""
        walked = _walk(path)
        if walked is None:
            return None
        links, real = walked
        self.exposed.links.update({link: target for link, target in links if self._hidden(link)})
        return real

    def _toolchain(self, folder: Path) -> Path:
        parent = folder.parent
        whole = folder.name in PROGRAM_FOLDERS and parent != self._home / ".local" and self._allowed(parent)
        return parent if whole else folder

    def _allowed(self, tree: Path) -> bool:
        return not any(place.is_relative_to(tree) for place in self._off_limits)

    def _expose(self, tree: Path) -> None:
        packages = (place for place in (*reversed(tree.parents), tree) if place.name == PACKAGES)
        tree = next((place for place in packages if self._allowed(place)), tree)
        if not self._allowed(tree):
            return
        self.exposed.trees.add(tree)
        for name, companions in COMPANIONS.items():
            if tree.is_relative_to(self._home / name):
                extra = [self._home / companion for companion in companions]
                self.exposed.trees.update(t for t in extra if t.is_dir() and self._allowed(t))


def _links_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in islice(entries, MAX_PROGRAMS) if entry.is_symlink()]
    except OSError:
        return []  # a PATH entry that cannot be read serves no command either


def _venv_homes(folder: Path) -> Iterator[Path]:
    """Of a venv's bin: the folder of the Python that it was made from, also where that one was copied."""
    try:
        lines = (folder.parent / "pyvenv.cfg").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home" and value.strip().startswith("/"):
            yield Path(value.strip())


def _walk(path: Path) -> tuple[list[tuple[Path, str]], Path] | None:
    """The symlinks met in following `path`, with their targets, and where it ends; None: nowhere."""
    links: list[tuple[Path, str]] = []
    todo = list(reversed(path.parts[1:]))
    at = Path("/")
    while todo:
        part = todo.pop()
        if part == "..":
            at = at.parent
            continue
        step = at / part
        try:
            target = os.readlink(step)
        except OSError:
            if not step.exists():
                return None
            at = step
            continue
        links.append((step, target))
        if len(links) > MAX_LINKS:
            return None
        parts = Path(target).parts
        if parts and parts[0] == "/":
            at, parts = Path("/"), parts[1:]
        todo.extend(reversed(parts))
    return links, at
