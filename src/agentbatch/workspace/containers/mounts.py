"""What one container sees of this machine's disk. Pure but for what is looked at to tell files from folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.mounts import held, out_of_reach

ENVIRONMENTS = "/.agentbatch"
"""Where the files lie that commands take their variables from."""
HOME = "/tmp/home"
"""Empty for every command, as all that may be written outside of the task's directory."""
EMPTIED = {"tmp": "/tmp", "var-tmp": "/var/tmp", "run": "/run"}
"""By the name of a folder of ours, where it is inside: what a command has written there is gone after it."""

_OF_THE_SYSTEM = (
    *("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32"),
    *("proc", "run", "sbin", "sys", "tmp", "usr", "var"),
)
"""Folders of / that no task's directory may take the place of."""
_OF_THE_KERNEL = ("dev", "proc", "sys")


class Bind(NamedTuple):
    """One place of this machine at one place inside."""

    source: Path
    target: str
    writable: bool = False

    def arguments(self) -> list[str]:
        """For the engine, which reads it as a line of CSV."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        return ["--mount", ",".join(map(_quoted, fields if self.writable else [*fields, "readonly"]))]


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if set(field) & set('",') else field


@dataclass(frozen=True)
class Folders:
    """Of one container, on this machine: made by us, and gone with it."""

    path: Path

    @property
    def environments(self) -> Path:
        return self.path / "env"

    @property
    def blank(self) -> Path:
        """An empty folder, to lay over folders; an empty file lies beside it."""
        return self.path / "blank"

    @property
    def blank_file(self) -> Path:
        return self.path / "blank-file"

    @property
    def profile(self) -> Path:
        return self.path / "seccomp.json"

    @property
    def emptied(self) -> dict[Path, str]:
        return {self.path / name: place for name, place in EMPTIED.items()}

    @property
    def home(self) -> Path:
        return self.path / "tmp" / "home"


def check_place(inside: str) -> str:
    """What keeps a directory from being at that place in a container, as the end of a sentence; empty: nothing."""
    parts = Path(inside).parts
    if not inside.startswith("/") or ".." in parts or not inside.isprintable() or str(Path(inside)) != inside:
        return "is no plain absolute path"
    if len(parts) == 1:
        return "is the whole of the image"
    if parts[1] in _OF_THE_KERNEL or (len(parts) == 2 and parts[1] in _OF_THE_SYSTEM):
        return "is a place that the image's own programs need"
    if (
        any(Path(inside).is_relative_to(place) for place in (ENVIRONMENTS, HOME))
        or inside in EMPTIED.values()
    ):
        return "is a place of agentbatch's own"
    return ""


def plan_binds(
    root: Path,
    inside: str,
    folders: Folders,
    *,
    home: Path,
    hidden_dirs: Sequence[Path],
    hidden_files: Sequence[Path],
    readable: Sequence[Path],
    guarded: Sequence[Path],
) -> tuple[Bind, ...]:
    """The task's directory `root`, writable at `inside`, without what is hidden in it; `readable` at its own place;
    nothing else of this machine. All resolved; a place within another comes after it. Raises UserError."""
    hidden = out_of_reach(root, home, hidden_dirs, hidden_files)
    binds = [Bind(source, target, writable=True) for source, target in folders.emptied.items()]
    binds.append(Bind(folders.environments, ENVIRONMENTS))
    around = [place for place in readable if root != place and root.is_relative_to(place)]
    apart = [place for place in readable if place not in around and place.exists()]
    shown = [*around, *(place for place in apart if not place.is_relative_to(root))]
    binds += [Bind(place, str(place)) for place in shown]
    secret = (*hidden_dirs, *(path.resolve() for path in hidden_files))
    covered = [
        place
        for tree in shown
        for place in secret
        if place.is_relative_to(tree) and not place.is_relative_to(root) and not root.is_relative_to(place)
        if not any(one.is_relative_to(place) for one in apart)
    ]
    binds += [_blank(folders, place, str(place)) for place in sorted(set(covered))]
    binds.append(Bind(root, inside, writable=True))
    for place, writable in held(root, hidden, guarded):
        binds.append(Bind(place, _at(root, inside, place), writable))
    binds += [_blank(folders, place, _at(root, inside, place)) for place in hidden]
    binds += [
        Bind(place, str(place)) for place in apart if place.is_relative_to(root) and place not in hidden
    ]
    ours = {folders.environments, folders.blank, folders.blank_file, *folders.emptied}
    found = [bind for bind in binds if bind.source in ours or bind.source.exists()]
    _check_links(root, found)
    for bind in found:
        if not f"{bind.source}{bind.target}".isprintable():
            raise UserError(f"{bind.target!r} holds a character that no container can have in a place.")
    return tuple(found)


def _check_links(root: Path, binds: Sequence[Bind]) -> None:
    """Whoever works in the directory may have put a link where something of it is laid over: the engine would follow
    it, out of the directory. Raises UserError."""
    for bind in binds:
        if bind.source.is_relative_to(root) and bind.source.resolve() != bind.source:
            raise UserError(f"{bind.source} became a link while the task worked; nothing more is run there.")


def _blank(folders: Folders, place: Path, target: str) -> Bind:
    return Bind(folders.blank if place.is_dir() else folders.blank_file, target)


def _at(root: Path, inside: str, place: Path) -> str:
    return str(Path(inside) / place.relative_to(root))
