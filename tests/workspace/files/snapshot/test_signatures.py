"""By what a file counts as unchanged: tables."""

import mmap
import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from agentbatch.workspace.files.snapshot import signatures
from agentbatch.workspace.files.snapshot.signatures import (
    Settled,
    again,
    is_kept,
    kind_in,
    settled_now,
    signature_of,
    unstamped_in,
    written_to,
)
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
HERE, ELSEWHERE = 7, 8


def status(*, ctime: int, mtime: int = 0, device: int = HERE) -> os.stat_result:
    times = {"st_atime_ns": 0, "st_mtime_ns": mtime, "st_ctime_ns": ctime}
    return os.stat_result((stat.S_IFREG | 0o644, 3, device, 1, 0, 0, 5, 0, 0, 0), times)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (status(ctime=NOW - 30_000_001), True),
        (status(ctime=NOW - 19_999_999), False),  # it was being written when the clock was read
        (status(ctime=NOW + 1), False),
        (status(ctime=NOW - 30_000_001, mtime=NOW + SECOND), True),  # a forged mtime says nothing
        (status(ctime=NOW - SECOND), False),  # whole milliseconds: of a disk that rounds
        (status(ctime=NOW - 3 * SECOND), True),
        (status(ctime=NOW - 3 * SECOND, mtime=NOW), False),
        (status(ctime=NOW - 30_000_001, device=ELSEWHERE), False),  # stamped by a clock that is not known
        (status(ctime=NOW - 3 * SECOND - 1, device=ELSEWHERE), True),
    ],
)
def test_a_file_that_could_change_unseen_is_read_again(given: os.stat_result, kept: bool) -> None:
    settled = Settled(NOW - 20_000_000, NOW - 2 * SECOND, HERE)
    assert is_kept(settled.keep(given, signature_of(given))) is kept
    in_memory = settled._replace(unstamped=frozenset({given.st_dev}))
    assert not is_kept(in_memory.keep(given, signature_of(given)))


def test_nothing_equals_the_signature_of_what_is_read_again() -> None:
    whole = signature_of(status(ctime=NOW))
    assert again(whole)[1:] == whole[1:]
    assert again(whole) != whole


def test_times_beyond_any_number_of_a_signature_are_no_error() -> None:
    beyond = signature_of(status(ctime=NOW, mtime=2**70 + 5))
    before = signature_of(status(ctime=NOW, mtime=-5))
    assert all(0 <= number < 2**64 for number in (*beyond, *before))


MOUNTS = """\
24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:28 / /home/a\\040b rw - nfs4 server:/x rw
31 24 0:29 / /home/a\\040b rw - fuse.sshfs me@server:/ rw
32 31 0:30 / /home/a\\040b/deep rw - tmpfs tmpfs rw
33 24 0:31 / /live rw - overlay overlay rw,lowerdir=/ro,upperdir=/home/a\\040b/deep/up,workdir=/w
34 24 0:32 / /kept rw - overlay overlay rw,lowerdir=/ro,upperdir=/var/up,workdir=/w
35 24 0:33 / /bare rw - overlay overlay rw
broken
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/other", "ext4"),
        ("/home/a b", "fuse.sshfs"),  # the last that was mounted there
        ("/home/a b/x", "fuse.sshfs"),
        ("/home/a bc", "ext4"),
        ("/home/a b/deep/er", "tmpfs"),
    ],
)
def test_the_filesystem_of_a_path(path: str, kind: str) -> None:
    assert kind_in(MOUNTS, path) == kind
    assert kind_in([], path) == ""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/x", "ext4"),
        ("/live/x", "tmpfs"),
        ("/kept", "ext4"),
        ("/bare", "overlay"),
        ("/home/a b/deep", "tmpfs"),
    ],
)
def test_where_a_write_ends_up(path: str, kind: str) -> None:
    assert written_to(MOUNTS, path) == kind


def test_the_devices_in_memory() -> None:
    assert unstamped_in(MOUNTS) == {os.makedev(0, 30)}


def write_unstamped(path: Path, text: bytes) -> None:
    """As no stamp tells of it, where the disk is in memory."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        assert mapped[0] != text[0]  # reads the page first
        mapped[: len(text)] = text


def test_what_is_written_without_a_stamp_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "RACY", 0)  # as if it were long since written
    if (
        not os.path.isdir("/dev/shm")
        or os.stat("/dev/shm").st_dev not in settled_now(Path("/dev/shm")).unstamped
    ):
        pytest.skip("there is no disk in memory here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        place = Path(folder) / "test_f.py"
        place.write_text("assert f() == 1")
        time.sleep(0.05)  # past the tick of its making
        before = take_snapshot(Path(folder))
        stamps = signature_of(place.stat())
        write_unstamped(place, b"exit()         ")
        after = take_snapshot(Path(folder), before)
        assert signature_of(place.stat()) == stamps, "the kernel stamps it by now"
        assert after.files["test_f.py"].text == "exit()         "
