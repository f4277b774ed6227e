"""Contents that are kept on a node for the tasks to come."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentbatch.cluster.travel.pack import HEADER
from agentbatch.cluster.travel.store import IN_USE, Store


def name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pack(*contents: bytes) -> bytes:
    return b"".join(HEADER.pack(hashlib.sha256(one).digest(), len(one)) + one for one in contents)


def filled(folder: Path, *contents: bytes, most: int = 2**30) -> Store:
    store = Store(folder, most)
    store.begin([name(one) for one in contents])
    store.take(pack(*contents))
    store.finish()
    return store


def held(store: Store, contents: Sequence[bytes]) -> list[bytes]:
    there = store.find(map(name, contents))
    return [b"".join(store.read(name(one))) for one in contents if name(one) in there]


@pytest.mark.parametrize("step", [1, 7, 39, 40, 41, 1000])
def test_contents_come_in_parts_of_any_size(tmp_path: Path, step: int) -> None:
    contents = [b"", b"a", b"b" * 40, bytes(300)]
    data, store = pack(*contents), Store(tmp_path, 2**30)
    store.begin([name(one) for one in contents])
    for at in range(0, len(data), step):
        store.take(data[at : at + step])
    store.finish()
    assert held(store, contents) == held(Store(tmp_path, 2**30), contents) == contents


def test_what_is_not_what_its_digest_says_is_not_taken(tmp_path: Path) -> None:
    store = Store(tmp_path, 2**30)
    store.begin([name(b"a"), name(b"b")])
    forged = pack(b"b")[:-1] + b"c"
    with pytest.raises(OSError, match="not what its digest says"):
        store.take(pack(b"a") + forged)
    assert held(store, [b"b"]) == held(store, [b"a"]) == []
    assert list(tmp_path.iterdir()) == []


def test_what_had_come_whole_is_there_after_an_interruption(tmp_path: Path) -> None:
    store = Store(tmp_path, 2**30)
    store.begin([name(b"a"), name(b"b")])
    store.take(pack(b"a", b"b")[:-1])
    store.begin([name(b"b")])
    assert held(store, [b"a", b"b"]) == [b"a"]
    store.take(pack(b"b"))
    store.finish()
    assert held(store, [b"a", b"b"]) == [b"a", b"b"]


def test_one_process_finds_what_another_has_put_there(tmp_path: Path) -> None:
    other = Store(tmp_path, 2**30)
    assert held(other, [b"a"]) == []
    one = filled(tmp_path, b"a")
    assert held(other, [b"a"]) == [b"a"]
    filled(tmp_path, b"b").clear()
    assert held(other, [b"a", b"b"]) == [b"a"]
    one.clear()
    assert held(other, [b"a"]) == held(one, [b"a"]) == []
    with pytest.raises(OSError, match="not kept any more"):
        list(other.read(name(b"a")))


def test_what_was_used_longest_ago_goes_first_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    contents = [bytes([letter]) * 1000 for letter in b"abc"]
    now = time.time()
    for age, content in zip((3, 2, 1), contents, strict=True):
        filled(tmp_path, content)
        newest = max(tmp_path.glob("*.pack"), key=lambda place: place.stat().st_mtime)
        os.utime(newest, (now - age * IN_USE, now - age * IN_USE))
    store = Store(tmp_path, 2500)
    assert held(Store(tmp_path, 2**30), contents[:1]) == contents[:1]
    store.finish()
    assert held(Store(tmp_path, 2**30), contents) == [contents[0], contents[2]]
    Store(tmp_path, 0).finish()
    assert held(Store(tmp_path, 0), contents) == [contents[0], contents[2]]


def test_what_a_killed_process_was_writing_goes_after_a_while(tmp_path: Path) -> None:
    store = Store(tmp_path, 2**30)
    store.begin([name(b"a")])
    store.take(pack(b"a")[:-1])
    (left,) = tmp_path.iterdir()
    filled(tmp_path)
    assert left.exists()
    os.utime(left, (0, 0))
    filled(tmp_path)
    assert not left.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        HEADER.pack(bytes(32), 2**64 - 1) + b"x",
        pack(b"a")[:-1] + b"b",
        pack(b"a") + HEADER.pack(bytes(32), 5) + b"x",
    ],
)
def test_files_that_a_task_has_put_there(tmp_path: Path, data: bytes) -> None:
    """What is read is checked by whoever uses it."""
    (tmp_path / "x.pack").write_bytes(data)
    (tmp_path / "l.pack").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "f.pack")
    store = Store(tmp_path, 2**30)
    assert store.find([name(b"b"), "00" * 32]) == set()
    assert len(b"".join(store.read(name(b"a")))) == 1 if store.find([name(b"a")]) else True
    store.finish()


def test_what_is_empty_takes_no_room(tmp_path: Path) -> None:
    sparse = bytes(4 * 2**20)
    store = filled(tmp_path, sparse, b"end")
    assert held(store, [sparse, b"end"]) == [sparse, b"end"]
    (place,) = tmp_path.iterdir()
    assert place.stat().st_blocks * 512 < 2 * 2**20
