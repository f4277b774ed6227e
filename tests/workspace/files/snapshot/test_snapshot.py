"""Snapshots: what is in them, that changes show, and that nothing in a directory can hang or break them."""

import asyncio
import os
import pickle
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from agentbatch.workspace.files.snapshot import reading, signatures
from agentbatch.workspace.files.snapshot import snapshot as module
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.reading import MAX_EXCERPT
from agentbatch.workspace.files.snapshot.snapshot import snapshot, take_snapshot
from agentbatch.workspace.workspace import FileEntry, Snapshot

OLD = 1_600_000_000
MB = 1024 * 1024


def write(path: Path, content: str | bytes, age: bool = True) -> Path:
    """A file; `age`: long since written, so that its entry may be trusted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if age:
        os.utime(path, (OLD, OLD))
    return path


@pytest.fixture
def no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    """ctime cannot be set back, so a test that wants entries trusted says that nothing is racy."""
    monkeypatch.setattr(signatures, "RACY", -(10**12))
    monkeypatch.setattr(signatures, "RACY_HERE", -(10**12))
    monkeypatch.setattr(signatures, "UNSTAMPED", frozenset())  # where the tests' folder lies in memory


def test_what_is_in_it(tmp_path: Path) -> None:
    write(tmp_path / "b/text.txt", "hello\r\n")
    write(tmp_path / "a.bin", b"\0\1")
    write(tmp_path / "large.txt", "x" * (64 * 1024 + 1))
    write(tmp_path / "latin.txt", b"\xe9")
    write(tmp_path / "run.sh", "#!").chmod(0o755)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder-link").symlink_to("/etc")
    (tmp_path / "empty").mkdir()
    files = take_snapshot(tmp_path).files
    assert list(files) == ["a.bin", "b/text.txt", "folder-link", "large.txt", "latin.txt", "link", "run.sh"]
    assert {path: entry.text for path, entry in files.items()} == {
        "a.bin": None,
        "b/text.txt": "hello\r\n",
        "folder-link": "/etc",
        "large.txt": None,
        "latin.txt": None,
        "link": "/etc/passwd",
        "run.sh": "#!",
    }
    assert [path for path, entry in files.items() if entry.executable] == ["run.sh"]
    assert [path for path, entry in files.items() if entry.kind == "symlink"] == ["folder-link", "link"]


def test_of_a_text_that_is_not_kept_both_ends_are(tmp_path: Path) -> None:
    lines = [f"line {number} é" for number in range(20_000)]
    write(tmp_path / "binary", b"x" * 100_000 + b"\0" + b"x" * 2_000_000)
    write(tmp_path / "large.txt", "\n".join(lines))
    write(tmp_path / "latin.txt", b"caf\xe9\n")
    write(tmp_path / "long.txt", "é" * 100_000)
    write(tmp_path / "small.txt", "x")
    files = take_snapshot(tmp_path).files
    found = {path: entry.excerpt for path, entry in files.items()}
    assert (found["binary"], found["small.txt"], found["latin.txt"]) == ("", "", "caf\ufffd\n")
    kept = found["large.txt"].split("\n")
    assert kept[:2] == lines[:2]
    assert kept[-2:] == lines[-2:]
    cut = next(line for line in kept if line not in lines and line)
    left = files["large.txt"].size - len(found["large.txt"].encode()) + len(f"\n{cut}\n")
    assert cut == f"[... {left - 1:,} bytes left out ...]"
    assert all(len(text.encode()) < MAX_EXCERPT + 60 for text in found.values())
    assert found["long.txt"].count("\ufffd") <= 4


def test_when_a_file_changed_cannot_be_set_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", "x")
    found = take_snapshot(tmp_path).changed(["a.py", "not there"])
    assert found == {"a.py": path.stat().st_ctime_ns / 1e9, "not there": 0.0}
    assert found["a.py"] > OLD


@pytest.mark.parametrize(
    ("content", "mode", "script"),
    [
        (b"#!/bin/sh\n\0", 0o644, True),
        (b"echo 8\n\0", 0o755, True),
        (b"\x7fELF\0", 0o755, False),
        (b"echo 8\n", 0o644, False),
    ],
)
def test_what_is_a_script(tmp_path: Path, content: bytes, mode: int, script: bool) -> None:
    write(tmp_path / "a", content).chmod(mode)
    assert take_snapshot(tmp_path).files["a"].script is script


def test_what_is_left_out(tmp_path: Path) -> None:
    for folder in (".git", "node_modules", "a/__pycache__", ".venv", ".agentbatch/runs"):
        write(tmp_path / folder / "file", "x")
    write(tmp_path / "rust/Cargo.toml", "")
    write(tmp_path / "rust/target/debug/a.o", "x")
    write(tmp_path / "hidden/CACHEDIR.TAG", "")
    write(tmp_path / "target/kept.txt", "x")
    write(tmp_path / "build/kept.txt", "x")
    write(tmp_path / "excluded/file", "x")
    write(tmp_path / "results.json", "x")
    write(tmp_path / ".gitignore", "x")
    found = take_snapshot(tmp_path, exclude=[tmp_path / "excluded", tmp_path / "results.json"])
    assert list(found.files) == [
        ".gitignore",
        "build/kept.txt",
        "hidden/CACHEDIR.TAG",
        "rust/Cargo.toml",
        "target/kept.txt",
    ]


def test_the_digest_follows_content_names_and_modes(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    seen = {take_snapshot(tmp_path).digest}
    assert take_snapshot(tmp_path).digest in seen

    def to_link() -> None:
        (tmp_path / "c").unlink()
        (tmp_path / "c").symlink_to("2")

    steps: list[Callable[[], object]] = [
        lambda: write(tmp_path / "a", "2"),
        lambda: write(tmp_path / "b", "2"),
        lambda: (tmp_path / "a").chmod(0o755),
        lambda: (tmp_path / "b").rename(tmp_path / "c"),
        to_link,
    ]
    for step in steps:
        step()
        digest = take_snapshot(tmp_path).digest
        assert digest not in seen
        seen.add(digest)


@pytest.mark.usefixtures("no_race")
def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    write(tmp_path / "b", "1")
    first = take_snapshot(tmp_path)
    write(tmp_path / "b", "2")
    second = take_snapshot(tmp_path, first)
    assert second.files["a"] is first.files["a"]
    assert second.files["b"].text == "2"


@pytest.mark.usefixtures("no_race")
def test_a_change_of_the_same_size_with_the_old_time_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "1")
    first = take_snapshot(tmp_path)
    time.sleep(0.05)
    path.write_text("2")
    os.utime(path, (OLD, OLD))
    assert take_snapshot(tmp_path, first).files["a"].text == "2"


def test_a_file_just_written_is_not_trusted(tmp_path: Path) -> None:
    """The racy time stamp: a change within one tick of the clock changes no stat."""
    write(tmp_path / "a", "1", age=False)
    first = take_snapshot(tmp_path)
    assert take_snapshot(tmp_path, first).files["a"] is not first.files["a"]


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(tmp_path, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        files = take_snapshot(tmp_path).files
    assert [entry.kind for entry in files.values()] == ["special", "special"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_unreadable_files_and_folders_are_tolerated(tmp_path: Path) -> None:
    write(tmp_path / "secret", "x").chmod(0)
    write(tmp_path / "closed/file", "x")
    (tmp_path / "closed").chmod(0)
    try:
        files = take_snapshot(tmp_path).files
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert files == {"secret": FileEntry("", 1, None, False, "unreadable")}


def test_names_that_are_no_utf8_and_very_deep_folders(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff\xfe", "wb") as file:
        file.write(b"x")
    here = os.getcwd()
    deep = tmp_path
    made = os.open(tmp_path, os.O_RDONLY)
    for _ in range(50):
        os.mkdir("d" * 100, dir_fd=made)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=made)
        os.close(made)
        made = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=made))
    os.close(made)
    found = take_snapshot(deep)
    assert list(found.files) == ["\udcff\udcfe"]
    assert len(found.digest) == 64
    assert os.getcwd() == here


def test_too_many_files_are_cut_off_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 10)
    for number in range(11):
        write(tmp_path / f"{number:02}", "x")
    found = take_snapshot(tmp_path)
    assert (len(found.files), found.truncated) == (10, True)
    (tmp_path / "10").unlink()
    assert not take_snapshot(tmp_path).truncated


def test_text_is_bounded_in_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT_TOTAL", 34)  # 25 for the first
    for number in range(4):
        write(tmp_path / f"{number}", "x" * 10)
    texts = [entry.text for entry in take_snapshot(tmp_path).files.values()]
    assert texts == ["x" * 10, "x" * 10, None, None]


def test_pieces_of_texts_are_bounded_in_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EXCERPT_TOTAL", 20_000)
    for name in "abcd":
        write(tmp_path / name, "12345678\n" * 10_000)
    first = take_snapshot(tmp_path)
    assert [bool(entry.excerpt) for entry in first.files.values()] == [True, False, False, False]
    write(tmp_path / "b", "changed\n" * 10_000)
    second = take_snapshot(tmp_path, first)
    assert [bool(entry.excerpt) for entry in second.files.values()] == [True, True, False, False]
    assert pickle.loads(pickle.dumps(second)).files["b"].excerpt == second.files["b"].excerpt != ""


def test_huge_files_are_not_read_whole(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(300 * 1024**3)
    before = take_snapshot(tmp_path)
    with open(tmp_path / "sparse", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert take_snapshot(tmp_path).digest != before.digest


@pytest.mark.usefixtures("no_race")
def test_a_change_inside_a_huge_file_with_the_old_time_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_HASHED", 3 * 1024 * 1024)
    path = write(tmp_path / "huge", bytes(4 * 1024 * 1024))
    first = take_snapshot(tmp_path)
    assert take_snapshot(tmp_path).digest == first.digest
    assert take_snapshot(tmp_path, first).digest == first.digest
    time.sleep(0.05)
    with open(path, "r+b") as file:
        file.seek(2 * 1024 * 1024)
        file.write(b"x")
    os.utime(path, (OLD, OLD))
    second = take_snapshot(tmp_path, first)
    assert second.digest != first.digest
    assert take_snapshot(tmp_path, second).digest == second.digest


@pytest.mark.usefixtures("no_race")
def test_a_text_for_which_there_was_no_room_is_not_read_again_and_takes_no_room_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXT_TOTAL", 40)  # 30 for the first
    for name in "abcd":
        write(tmp_path / name, "x" * 10)
    first = take_snapshot(tmp_path)
    write(tmp_path / "d", "y" * 10)
    second = take_snapshot(tmp_path, first)
    assert [entry.text for entry in first.files.values()] == ["x" * 10, "x" * 10, "x" * 10, None]
    assert second.files["d"].text == "y" * 10
    resumed = take_snapshot(tmp_path, Snapshot(first.files))
    assert [entry.text is None for entry in resumed.files.values()] == [False, False, False, False]
    (tmp_path / "d").write_text("x" * 10)
    assert take_snapshot(tmp_path, Snapshot(first.files)).files["d"].text is None


def test_what_is_equal_in_two_directories_is_kept_once(tmp_path: Path) -> None:
    contents = Contents()
    for folder in ("one", "two"):
        write(tmp_path / folder / "same.txt", "x")
        write(tmp_path / folder / "other.txt", folder)
    one, two = (take_snapshot(tmp_path / folder, contents=contents) for folder in ("one", "two"))
    assert one.files["same.txt"] is two.files["same.txt"]
    assert (one.files["other.txt"].text, two.files["other.txt"].text) == ("one", "two")


def test_what_is_given_is_not_read_where_it_can_be_that(tmp_path: Path) -> None:
    write(tmp_path / "known", "x")
    write(tmp_path / "longer", "xx")
    write(tmp_path / "program", "x").chmod(0o755)
    (tmp_path / "link").symlink_to("x")
    given = dict.fromkeys(["known", "longer", "program", "link", "absent"], FileEntry("?", 1, "?", False))
    files = take_snapshot(tmp_path, given=given).files
    texts = {path: entry.text for path, entry in files.items()}
    assert texts == {"known": "?", "longer": "xx", "program": "x", "link": "x"}


def test_bytes_are_bounded_in_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse files are made for nothing; of those that come late both ends are looked at."""
    monkeypatch.setattr(module, "MAX_HASHED_TOTAL", 20 * MB)
    for number in range(4):
        with open(write(tmp_path / str(number), b""), "wb") as file:
            file.truncate(12 * MB)
            file.write(b"x")
        os.utime(tmp_path / str(number), (OLD, OLD))
    write(tmp_path / "small", "y")
    before = take_snapshot(tmp_path)
    for number in range(4):
        with open(tmp_path / str(number), "r+b") as file:
            file.seek(6 * MB)
            file.write(b"z")
        os.utime(tmp_path / str(number), (OLD, OLD))
    after = take_snapshot(tmp_path)
    assert [before.files[path] == after.files[path] for path in "0123"] == [False, True, True, True]
    assert after.files["small"].text == "y"


def test_a_snapshot_that_is_not_wanted_any_more_reads_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a", "x")
    stop = Event()
    stop.set()
    assert take_snapshot(tmp_path, stop=stop).files == {}


@pytest.mark.slow
async def test_a_snapshot_of_very_much_can_be_called_off(tmp_path: Path) -> None:
    """Otherwise the end of this test would be waited for until 700 GB are hashed."""
    for number in range(3000):
        with open(tmp_path / str(number), "wb") as file:
            file.truncate(256 * MB)
    looking = asyncio.ensure_future(snapshot(tmp_path))
    await asyncio.sleep(0.1)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


@pytest.mark.usefixtures("no_race")
def test_a_large_file_that_is_written_again_as_it_was_has_not_changed(tmp_path: Path) -> None:
    write(tmp_path / "large", b"x" * 5_000_000)
    first = take_snapshot(tmp_path)
    time.sleep(0.05)
    write(tmp_path / "large", b"x" * 5_000_000)
    assert take_snapshot(tmp_path, first).digest == first.digest
