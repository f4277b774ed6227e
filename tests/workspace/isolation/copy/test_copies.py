"""A task's own copy: what is in it, what is not, and a disk that runs full."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.copy.copies import CopyStopped, copy_tree
from tests.support.disks import small_disk_at


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "the source"
    place.mkdir()
    return place


def copied(source: Path, target: Path, *leave_out: Path) -> Path:
    copy_tree(source, target, leave_out, Event())
    return target


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_it_is_the_directory_as_it_is(source: Path, tmp_path: Path) -> None:
    (source / "node_modules/.bin").mkdir(parents=True)
    (source / "node_modules/.bin/tool").symlink_to("../tool.js")
    (source / "node_modules/tool.js").write_text("x")
    (source / "-dash \n ü").write_bytes(bytes(range(256)))
    (source / os.fsdecode(b"not \xff utf-8")).write_text("x")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o751)
    (source / "dangling").symlink_to("/not/there")
    (source / ".git/hooks").mkdir(parents=True)
    (source / ".git/config").write_text("[core]\n")
    (source / "empty").mkdir(mode=0o700)
    (source / "closed").mkdir()
    (source / "closed/file").write_text("x")
    os.utime(source / "closed/file", ns=(10**18, 10**18 + 5))
    (source / "closed").chmod(0o555)
    target = copied(source, tmp_path / "to/copy")
    assert names(target) == names(source)
    assert take_snapshot(target).digest == take_snapshot(source).digest
    for name in ("run.sh", "closed", "empty", "closed/file"):
        old, new = (source / name).stat(), (target / name).stat()
        assert (old.st_mode, old.st_mtime_ns) == (new.st_mode, new.st_mtime_ns)
    assert os.readlink(target / "dangling") == "/not/there"
    (target / "-dash \n ü").write_text("changed")
    assert (source / "-dash \n ü").stat().st_size == 256
    remove_tree(tmp_path / "to")
    remove_tree(source)
    assert not source.exists()


def test_runs_keys_and_what_is_no_file_are_left_out(source: Path, tmp_path: Path) -> None:
    (source / "deep/.agentbatch/runs/r").mkdir(parents=True)
    (source / "deep/.agentbatch/runs/r/run.db").write_text("x")
    (source / "deep/.env").write_text("KEY=secret")
    (source / "deep/kept").write_text("x")
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
        # The usual place: inside of the source, in the run's folder.
        work = source / "deep/.agentbatch/runs/r/tasks/t/work"
        target = copied(source, work / "copy/x", source / "deep/.env")
    assert names(target) == ["deep", "deep/kept"]


def test_a_copy_inside_its_source_does_not_hold_itself(source: Path) -> None:
    (source / "file").write_text("x")
    target = copied(source, source / "copies/one")
    assert names(target) == ["copies", "file"]


@pytest.mark.parametrize(
    ("pointer", "there"),
    [
        ("gitdir: {tmp}/elsewhere/.git/worktrees/x", False),
        ("gitdir: ../../elsewhere/.git", False),
        ("gitdir: ../.git/modules/sub", True),
    ],
)
def test_a_pointer_to_a_repository_elsewhere_is_not_copied(
    source: Path, tmp_path: Path, pointer: str, there: bool
) -> None:
    """By it a `git reset --hard` in the copy would reach the user's checkout."""
    (source / "sub").mkdir()
    (source / "sub/.git").write_text(pointer.format(tmp=tmp_path) + "\n")
    (source / ".git").symlink_to(tmp_path / "elsewhere")
    assert names(copied(source, tmp_path / "copy")) == (["sub", "sub/.git"] if there else ["sub"])


def test_a_source_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert names(copied(tmp_path / "not/yet", tmp_path / "copy")) == []
    assert (tmp_path / "copy").is_dir()
    assert not (tmp_path / "not").exists()


def test_it_can_be_stopped(source: Path, tmp_path: Path) -> None:
    (source / "large").write_bytes(b"x" * 1000)
    stop = Event()
    stop.set()
    with pytest.raises(CopyStopped):
        copy_tree(source, tmp_path / "copy", (), stop)


def test_a_file_that_cannot_be_read_is_named(source: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can read everything: run the tests as another user")
    (source / "secret").write_text("x")
    (source / "secret").chmod(0)
    with pytest.raises(UserError, match=r"cannot be copied: Permission denied \(.*secret\)"):
        copied(source, tmp_path / "copy")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "300k") as disk:
        yield disk


def test_a_full_disk_is_said(source: Path, small_disk: Path) -> None:
    (source / "large").write_bytes(b"x" * 1_000_000)
    with pytest.raises(UserError, match=r"The disk is full: there is no room for a copy of .*the source"):
        copied(source, small_disk / "copy")


@pytest.mark.slow
def test_removing_takes_whatever_a_coder_left(tmp_path: Path) -> None:
    place = tmp_path / "left"
    place.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("x")
    (place / "link").symlink_to(tmp_path / "outside")
    (place / "shut").mkdir()
    (place / "shut/file").write_text("x")
    (place / "shut").chmod(0)
    handle = os.open(place, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    remove_tree(place)
    remove_tree(place)
    assert names(tmp_path) == ["outside", "outside/file"]
