"""What git obeys in the repositories of a directory: their settings, hooks and attributes, by which it runs programs.

A task may commit; what it leaves here would run as the user, outside of any sandbox, at the user's next `git status`.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from agentbatch.files import open_own
from agentbatch.patterns import regex
from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.paths import walk

OBEYED = ("config", "config.worktree", "commondir", "hooks", "info", "modules")
"""In a repository's folder: looked at after every task."""
READ_ONLY = (*OBEYED, "worktrees")
"""And read-only for a task in the sandbox, where it is there. Tasks in worktrees of the repository change the last."""
ADDED = ("commondir", "config.worktree")
"""Names that change which settings hold, that a repository seldom has, and whose making no mount can prevent."""

OTHERS = (
    ".hg/hgrc",
    ".hg/hgrc-not-shared",
    ".hg/sharedpath",
    ".jj/repo/config.toml",
    ".jj/workspace-config.toml",
)
"""What Mercurial and Jujutsu obey in a repository at the top of the directory: the same for them."""

MAX_REPOSITORIES = 50
MAX_FILES = 500
"""Of one repository; of more the names are kept alone."""
MAX_READ = 1024 * 1024
"""Bytes of one file."""
MAX_SETTINGS = 20_000
"""Bytes of those that a new repository has; more are not read, and told."""
MAX_FOLDERS = 50_000

_HARMLESS = regex(
    rb"(?i)[^\S\n]*+(?:"
    rb"[#;].*"
    rb"|\[(?:core|init|user|color|commit|tag|pull|push|(?:branch|remote)[^\S\n]+\"[^\"\n]*\")\]"
    rb"|(?:repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|safecrlf"
    rb"|eol|quotepath|defaultbranch|name|email|ui|gpgsign|rebase|ff|default|url|fetch|remote|merge)"
    rb"[^\S\n]*=(?!.*::).*"
    rb")?[^\S\n]*"
)
"""A line of settings by which git runs no program, and takes none from elsewhere (`ext::…`, git-remote-ext(1)): what
else there is, nobody can list. Sections of others, and a setting behind its section's name, are not."""

Control = Mapping[str, str]
"""A digest by path, relative to the task's directory."""


def repositories(root: Path) -> list[Path]:
    """Every `.git` in the directory, the top one first; no link is followed."""
    found = []
    for folder in islice(walk(root), MAX_FOLDERS):
        place = root / folder.path
        found += [place / n for n in (*folder.folders, *folder.others) if n.casefold() == ".git"]
        folder.folders[:] = [name for name in folder.folders if not is_ignored(place / name)]
    return sorted(found, key=lambda place: (len(place.parts), place))[:MAX_REPOSITORIES]


def read_only_in(root: Path) -> list[Path]:
    """What there is of it now, for the sandbox. Of a `.git` that is a file, the file."""
    found = []
    for place in repositories(root):
        if place.is_symlink():
            continue
        if place.is_dir():
            named = (place / name for name in READ_ONLY)
            found += [path for path in named if path.exists() and not path.is_symlink()]
        else:
            found.append(place)
    others = (os.path.join(root, name) for name in OTHERS)
    return found + [Path(place) for place in others if os.path.isfile(place) and not os.path.islink(place)]


def control(root: Path) -> Control:
    """What git obeys in the directory now."""
    found: dict[str, str] = {}
    for place in repositories(root):
        for path in _obeyed(place):
            found[path.relative_to(root).as_posix()] = digest(path)
    others = (name for name in OTHERS if os.path.lexists(os.path.join(root, name)))
    return found | {name: digest(root / name) for name in others}


def told(root: Path, before: Control, now: Control) -> list[str]:
    """What is new or different of it, by path. A new repository that can run nothing is no news."""
    made = {path for path in now if path not in before}
    fresh = {path for path in made if not any(known.startswith(f"{_top(path)}/") for known in before)}
    changed = [path for path in now if path in before and now[path] != before[path]]
    lost = [path for path in before if path not in now]
    return sorted({*changed, *lost, *(p for p in made if p not in fresh or _can_run(root / p))})


def set_aside(root: Path, paths: list[str], folder: Path) -> list[str]:
    """Move what was added beside a repository's own settings into `folder`; returns the paths."""
    moved: list[str] = []
    for path in paths:
        if path.rsplit("/", 1)[-1] in ADDED and _top(path) != path:
            folder.mkdir(parents=True, exist_ok=True)
            os.replace(root / path, folder / f"{len(moved)}-{path.replace('/', '-')[-100:]}")
            moved.append(path)
    return moved


def _top(path: str) -> str:
    """Of a path in a repository's folder, that folder; those of OTHERS lie at the top."""
    parts = path.split("/")
    at = next((number for number, part in enumerate(parts) if part.casefold() == ".git"), 0)
    return "/".join(parts[: at + 1])


def _obeyed(place: Path) -> Iterator[Path]:
    if place.is_symlink() or not place.is_dir():
        yield place
        return
    files = 0
    for name in OBEYED:
        for path in _files(place / name):
            if path.suffix == ".sample" or (name == "modules" and path.name not in ("config", *ADDED) and
                                            path.parent.name not in ("hooks", "info")):  # fmt: skip
                continue
            files += 1
            if files > MAX_FILES:
                return
            yield path


def _files(place: Path) -> Iterator[Path]:
    if place.is_symlink() or not place.is_dir():
        if os.path.lexists(place):
            yield place
        return
    for folder in walk(place):
        yield from (place / folder.path / name for name in folder.others)


def digest(path: Path) -> str:
    """Of a file's beginning, whether it may be run, and of a large one its stamps; of a link's target."""
    return hashlib.sha256(_read(path)).hexdigest()


def _can_run(path: Path) -> bool:
    if path.name in ("config", "config.worktree"):
        text = _read(path)[1:]
        return len(text) > MAX_SETTINGS or not all(map(_HARMLESS.fullmatch, text.split(b"\n")))
    return path.name != "exclude"


def _read(path: Path) -> bytes:
    """A sign for its mode and the beginning of a file; of a link its target; of anything else nothing."""
    try:
        if path.is_symlink():
            return b"link " + os.fsencode(os.readlink(path))
        with open(path, "rb", opener=open_own) as file:
            status = os.fstat(file.fileno())
            mode = b"x" if status.st_mode & stat.S_IXUSR else b"-"
            rest = (
                f"{status.st_size} {status.st_ino} {status.st_ctime_ns}" if status.st_size > MAX_READ else ""
            )
            return mode + file.read(MAX_READ) + rest.encode()
    except OSError:
        return b""
