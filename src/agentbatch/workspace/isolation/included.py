"""Files that no commit holds, brought into a task's copy or worktree because the user has named them: in the task's
`include`, or in the repository's `.worktreeinclude`.

The directory that they come from may hold what a coder has written earlier: no link is followed on the way, none is
copied, and `.worktreeinclude` counts as it was committed.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER, make_missing
from agentbatch.redaction import Redactor
from agentbatch.text import clip, counted, list_names
from agentbatch.workspace.files.env_files import is_env_file
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.files.paths import open_parent, walk
from agentbatch.workspace.isolation.copy.copies import copy_open
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.worktree import Worktree

RULES = ".worktreeinclude"
"""At the top of a repository: patterns as in .gitignore, of files that git ignores."""

MAX_RULES = 64 * 1024
"""Characters of it that are read."""
MAX_FILES = 10_000
MAX_BYTES = 1024**3
MAX_LOOKED_AT = 100_000
"""Files in a directory that a pattern may mean."""
MAX_READ = 4 * 1024 * 1024
"""Bytes of a file in which a key is looked for."""
MAX_NAMED = 5

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What opening says of a way that is none, or leads over a link."""


class IncludedFiles(NamedTuple):
    paths: tuple[str, ...]
    """Relative, `/`-separated, in order."""
    notices: tuple[str, ...] = ()
    """What a person should know, a sentence each."""
    digest: str = ""
    """Of the paths with what they hold; empty: there are none, or nobody has read them."""


def shown_env_files(source: Path, include: Sequence[str], redact: Redactor) -> IncludedFiles:
    """The env files in the directory that a task may have all the same: those that its `include` names, each by
    itself, and that hold no key of agentbatch's own."""
    named = sorted({name for name in include if is_env_file(name.rpartition("/")[2])})
    keys = [name for name in named if _holds_key(source, name, redact)]
    notices = [
        f"include: {clip(name, 200)} holds a key of agentbatch's own, and stays hidden." for name in keys
    ]
    return IncludedFiles(tuple(name for name in named if name not in keys), tuple(notices))


def bring_included(
    git: Git, isolated: IsolatedDir, worktree: Worktree, include: Sequence[str], redact: Redactor, stop: Event
) -> IncludedFiles:
    """Copy them into a fresh worktree, beside what the commit has. Slow where there is much. Raises UserError,
    OSError; CopyStopped."""
    inside = isolated.root.relative_to(worktree.top).as_posix()
    prefix = "" if inside == "." else f"{inside}/"
    top = isolated.source.parents[prefix.count("/") - 1] if prefix else isolated.source
    meant = meant_by(isolated.source, include)
    wanted = [f"{prefix}{path}" for path in meant.paths]
    ruled = _ruled(git, top, worktree, isolated.folder / "include-rules", wanted)
    wanted += [path for path in ruled.paths if path not in wanted]
    whole = hashlib.sha256()
    brought, notices = [], [*meant.notices, *ruled.notices]
    room, links = MAX_BYTES, []
    for path in wanted:
        try:
            size = _bring(top, worktree.top, path, redact, room, stop)
        except FileExistsError:
            continue  # the commit has it
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            links.append(path)
            continue
        if size is None:
            notices.append(f"include: {clip(path, 200)} holds a key of agentbatch's own: not included.")
            continue
        room -= size
        brought.append(path)
        with open(worktree.top / path, "rb") as file:
            whole.update(f"{path}\0".encode("utf-8", "surrogateescape"))
            whole.update(hashlib.file_digest(file, "sha256").digest())
    if links:
        notices.append(
            f"Not included, since they are no files or lie behind a link: {list_names(links, MAX_NAMED, 80)}."
        )
    return IncludedFiles(tuple(brought), tuple(notices), whole.hexdigest() if brought else "")


def meant_by(source: Path, include: Sequence[str]) -> IncludedFiles:
    """The files of the directory that the patterns of a task mean; env files only by their own names."""
    names = [one for one in include if _may_be_meant(one) and _is_there(source / one)]
    found = dict.fromkeys(names)
    globs = [one for one in include if one not in found]
    notices, hits = [], dict.fromkeys(globs, False)
    means = [(pattern, matcher([pattern])) for pattern in globs]
    for path in _files(source) if globs else ():
        for pattern, fits in means:
            if fits(path):
                hits[pattern] = True
                if not is_env_file(path.rpartition("/")[2]):
                    found[path] = None
        _check_number(len(found))
    for pattern, hit in hits.items():
        if not hit:
            notices.append(f"include: {clip(pattern, 200)} means no file in {clip(str(source), 200)}.")
    return IncludedFiles(tuple(sorted(found)), tuple(notices))


def _is_there(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def _ruled(git: Git, top: Path, worktree: Worktree, place: Path, named: Collection[str]) -> IncludedFiles:
    """What `.worktreeinclude` means of what git ignores. `place`: for a file of ours; `named`: what the task names
    itself."""
    rules = git.ask(
        "cat-file", "blob", f"{worktree.base}:{RULES}", cwd=worktree.top, pinned=worktree.pinned()
    )
    if rules is None:
        late = (top / RULES).is_file()
        return IncludedFiles(
            (), (f"{RULES} is not in the last commit, and counts only from there.",) if late else ()
        )
    place.write_text(rules[:MAX_RULES], "utf-8", "surrogateescape")
    try:
        asked = ("ls-files", "--others", "--ignored", "-z")
        meant = git.run(*asked, f"--exclude-from={place}", cwd=top).split("\0")[:-1]
        ignored = set(git.run(*asked, "--exclude-standard", cwd=top).split("\0"))
    finally:
        place.unlink()
    paths = [path for path in meant if path in ignored and _may_be_meant(path)]
    hidden = [path for path in paths if is_env_file(path.rpartition("/")[2]) and path not in named]
    _check_number(len(paths))
    told = f"{RULES}: env files stay hidden, unless a task's include names them: {list_names(hidden, MAX_NAMED, 80)}."
    return IncludedFiles(tuple(path for path in paths if path not in hidden), (told,) if hidden else ())


def _may_be_meant(path: str) -> bool:
    return not {".git", STATE_FOLDER}.intersection(path.casefold().split("/"))


def _files(source: Path) -> Iterator[str]:
    """All in it but version control's and ours. Raises UserError where there are too many."""
    seen = 0
    for folder in walk(source):
        folder.folders[:] = [name for name in folder.folders if _may_be_meant(name)]
        seen += len(folder.others)
        if seen > MAX_LOOKED_AT:
            raise UserError(
                f"include: {source} has more than {MAX_LOOKED_AT:,} files; name what is to be included without "
                "wildcards."
            )
        yield from map(folder.place, folder.others)


def _check_number(files: int) -> None:
    if files > MAX_FILES:
        raise UserError(
            f"include means more than {counted(MAX_FILES, 'file')}, which is too much: make them in its setup."
        )


def _bring(top: Path, target: Path, path: str, redact: Redactor, room: int, stop: Event) -> int | None:
    """Bytes; None: it holds a key. Raises FileExistsError, OSError, UserError."""
    with open_parent(top, path) as (folder, name):
        reading = os.open(name, _READ, dir_fd=folder)
    try:
        status = os.fstat(reading)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ELOOP, "It is no file", path)
        if status.st_size > room:
            raise UserError(
                f"What is to be included has more than {MAX_BYTES:,} bytes, with {clip(path, 200)}."
            )
        if _reads_key(reading, redact):
            return None
        with open_parent(target, path, make_missing) as (folder, name):
            writing = os.open(name, _WRITE, 0o600, dir_fd=folder)
        try:
            copy_open(reading, writing, status, stop)
        finally:
            os.close(writing)
        return status.st_size
    finally:
        os.close(reading)


def _holds_key(source: Path, path: str, redact: Redactor) -> bool:
    try:
        with open_parent(source, path) as (folder, name):
            reading = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return False  # there is nothing to show
    try:
        return _reads_key(reading, redact)
    finally:
        os.close(reading)


def _reads_key(file: int, redact: Redactor) -> bool:
    data = os.pread(file, MAX_READ, 0)
    return redact.mask_bytes(data) != data
