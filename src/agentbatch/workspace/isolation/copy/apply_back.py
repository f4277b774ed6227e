"""Bringing what a task changed in its copy back into its directory: all of it, or nothing."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from agentbatch.files import make_missing
from agentbatch.text import clip
from agentbatch.workspace.files.diff.diff import Changes, changes, same
from agentbatch.workspace.files.paths import open_parent, walk
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.files.snapshot.reading import MAX_HASHED
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.copy.links import destination, is_outside
from agentbatch.workspace.workspace import FileEntry, Snapshot

STAGE = ".agentbatch-apply-"
"""Begins the name of the folder in the task's directory where new files wait until all of them are there."""
BLOCK = 1024 * 1024
OWN = "the next run reads its settings from it; --trust-changes brings it back"
LEADS_OUT = "a symlink that leads out of the directory"


class ApplyResult(NamedTuple):
    done: bool
    """False: nothing was changed."""
    files: int = 0
    """How many were brought back, deletions too."""
    in_the_way: tuple[str, ...] = ()
    """Why not: a path and what is wrong with it, a line each."""


def apply_back(
    copy: Path, source: Path, before: Snapshot, after: Snapshot, own_files: Sequence[Path] = ()
) -> ApplyResult:
    """Bring the changes between `before` and `after`, snapshots of `copy`, into `source`.

    Only when every file that they touch is in `source` still as it was in `before`, or as it is in `after` already, so
    that it can be repeated after a crash, and when they touch none of `own_files`, files and folders that the next run
    reads its settings from. Nothing is read or written through a link, nothing outside. Slow on large directories, so
    call it in a thread; two at once in one directory are the caller's to prevent. Raises OSError.
    """
    stage = source / f"{STAGE}{hashlib.sha256(os.fsencode(copy)).hexdigest()[:12]}"
    remove_tree(stage)  # of a process that was killed
    touched = changes(before, after)
    here = take_snapshot(source)
    hindrances = [f"{clip(path, 200)}: {OWN}" for path in _own(source, touched, own_files)]
    hindrances += obstacles(before, after, here, partial(_target_in, source))
    hindrances += _folders_in_the_way(source, [*touched.added, *touched.modified], touched.deleted)
    if hindrances:
        return ApplyResult(False, in_the_way=tuple(hindrances))
    fresh = [
        path
        for path in (*touched.added, *touched.modified)
        if not same(here.files.get(path), after.files[path])
    ]
    gone = [path for path in touched.deleted if path in here.files]
    if not fresh and not gone:
        return ApplyResult(True, touched.total)
    source.mkdir(parents=True, exist_ok=True)
    stage.mkdir(mode=0o700)
    try:
        for number, path in enumerate(fresh):
            problem = _put_on_stage(copy, path, after.files[path], stage / str(number))
            if problem:
                return ApplyResult(False, in_the_way=(f"{clip(path, 200)}: {problem}",))
        now = take_snapshot(source, here, exclude=(stage,))
        again = obstacles(before, after, now, partial(_target_in, source))
        if again:
            return ApplyResult(False, in_the_way=tuple(again))
        _put_in_place(copy, source, stage, fresh, gone, before, after)
    finally:
        remove_tree(stage)
    return ApplyResult(True, touched.total)


def _own(source: Path, touched: Changes, own_files: Sequence[Path]) -> list[str]:
    """Changes of these; also a file or a link that would stand where the way to one of them leads."""
    return [
        path
        for path in sorted((*touched.added, *touched.modified, *touched.deleted))
        if any((source / path).is_relative_to(own) or own.is_relative_to(source / path) for own in own_files)
    ]


def obstacles(
    before: Snapshot,
    after: Snapshot,
    here: Snapshot,
    target_of: Callable[[str], str | None] = lambda path: None,
) -> list[str]:
    """What speaks against bringing the changes to where things are as `here` says; pure. `target_of`: the target of a
    link there that no snapshot holds."""
    if before.truncated or after.truncated or here.truncated:
        return ["the directory has too many files to compare them all"]
    touched = changes(before, after)
    found = []
    for path in sorted((*touched.added, *touched.modified, *touched.deleted)):
        problem = _obstacle(path, before, after, here, touched)
        if problem:
            found.append(f"{clip(path, 200)}: {problem}")
    return found + [
        f"{clip(path, 200)}: {LEADS_OUT}" for path in _leading_out(after, here, touched, target_of)
    ]


def _leading_out(
    after: Snapshot, here: Snapshot, touched: Changes, target_of: Callable[[str], str | None]
) -> list[str]:
    """Links by which the changes would lead out of the directory: each link there will be, for what is brought back can
    turn one that was there before."""
    made = {path: after.files[path] for path in (*touched.added, *touched.modified)}
    then = {path: entry for path, entry in here.files.items() if path not in touched.deleted} | made

    def follow(path: str, files: Mapping[str, FileEntry]) -> str | None:
        def target(name: str) -> str | None:
            entry = files.get(name)
            if entry is None or (entry.kind == "symlink" and entry.text is None):
                return target_of(name)
            return entry.text if entry.kind == "symlink" else None

        return destination(path, target)

    found = []
    for path, entry in then.items():
        if entry.kind != "symlink":
            continue
        ends = follow(path, then)
        is_new = path in made and not same(entry, here.files.get(path))
        if (is_new and entry.text is None) or (
            is_outside(ends) and (is_new or ends != follow(path, here.files))
        ):
            found.append(path)
    return sorted(found)


def _target_in(source: Path, path: str) -> str | None:
    try:
        return os.readlink(source / path)
    except OSError:
        return None  # no link, or nothing


def _obstacle(path: str, before: Snapshot, after: Snapshot, here: Snapshot, touched: Changes) -> str:
    old, new, now = before.files.get(path), after.files.get(path), here.files.get(path)
    if any(_is_git(part) for part in path.split("/")):
        return "a part of git's own files, which are never brought back"
    if any(entry is not None and entry.kind in ("special", "unreadable") for entry in (old, new, now)):
        return "cannot be read, or is no file"
    if not (same(now, old) or same(now, new)):
        if now is None:
            return "was deleted in the directory meanwhile"
        return (
            "was added to the directory meanwhile"
            if old is None
            else "was changed in the directory meanwhile"
        )
    if new is not None:
        return _blocked(path, here, touched)
    return ""


def _blocked(path: str, here: Snapshot, touched: Changes) -> str:
    """A file or link of the directory's own where the change has a folder, or files where it has a file."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        if parent in here.files and parent not in touched.deleted:
            return f"{clip(parent, 200)} is no folder in the directory"
    if path not in here.files:
        inside = f"{path}/"
        if any(name.startswith(inside) and name not in touched.deleted for name in here.files):
            return "is a folder in the directory"
    return ""


def _is_git(part: str) -> bool:
    """Also as a disk that ignores case, or signs without width, would read it."""
    return "".join(c for c in part if unicodedata.category(c) != "Cf").casefold() == ".git"


def _folders_in_the_way(source: Path, written: Sequence[str], deleted: Sequence[str]) -> list[str]:
    """Where a file is to be, a folder that would not be empty by then: of what a snapshot leaves out, say."""
    found = []
    for path in written:
        place = source / path
        if place.is_symlink() or not place.is_dir():
            continue
        gone = {source / name for name in deleted if name.startswith(f"{path}/")}
        parents = {parent for name in gone for parent in name.parents}
        if not all(inner in gone or inner in parents for inner in _below(place)) or not gone:
            found.append(f"{clip(path, 200)}: is a folder in the directory")
    return found


def _below(place: Path) -> Iterator[Path]:
    for folder in walk(place):
        yield from (place / folder.path / name for name in (*folder.folders, *folder.others))


def _put_on_stage(copy: Path, path: str, entry: FileEntry, place: Path) -> str:
    """Copy one file of the copy as it was judged; returns what keeps it from that."""
    changed = "changed in the copy after it was judged"
    try:
        with open_parent(copy, path) as (folder, name):
            if entry.kind == "symlink":
                target = os.readlink(name, dir_fd=folder)
                os.symlink(target, place)
                return "" if target == entry.text else changed
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return changed
    digest, status = hashlib.sha256(), os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        return changed
    with open(handle, "rb") as old, open(place, "xb") as new:
        while block := old.read(BLOCK):
            digest.update(block)
            new.write(block)
        os.fchmod(new.fileno(), stat.S_IMODE(status.st_mode) & 0o777)
        size = new.tell()
    # Of a larger one the snapshot has another digest.
    right = size == entry.size and (size > MAX_HASHED or digest.hexdigest() == entry.sha256)
    return "" if right else changed


def _put_in_place(
    copy: Path,
    source: Path,
    stage: Path,
    fresh: Sequence[str],
    gone: Sequence[str],
    before: Snapshot,
    after: Snapshot,
) -> None:
    for path in gone:
        with open_parent(source, path) as (folder, name):
            os.unlink(name, dir_fd=folder)
        _remove_empty(copy, source, path)
    for number, path in enumerate(fresh):
        old, new = before.files.get(path), after.files[path]
        with open_parent(source, path, make_missing) as (folder, name):
            if old is not None and old.kind == new.kind == "file":
                _keep_owner_and_mode(stage / str(number), folder, name, old.executable == new.executable)
            os.replace(stage / str(number), name, dst_dir_fd=folder)


def _keep_owner_and_mode(place: Path, folder: int, name: str, mode: bool) -> None:
    """The file's in the directory; its mode only where the task did not change that."""
    with suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        with suppress(PermissionError):  # only root can give files away
            os.chown(place, status.st_uid, status.st_gid, follow_symlinks=False)
        if mode:
            place.chmod(stat.S_IMODE(status.st_mode) & 0o777)


def _remove_empty(copy: Path, source: Path, path: str) -> None:
    """Folders that became empty by a deletion, when the copy has none of that name either."""
    for parent in Path(path).parents:
        if parent == Path(".") or (copy / parent).is_dir():
            return
        with open_parent(source, str(parent)) as (folder, name):
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError:
                return  # there are other files in it
