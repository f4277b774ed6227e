"""Directories that travel from one side to another."""

import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.manifest import Manifest
from agentbatch.cluster.travel.side import bring


def side(folder: Path, name: str) -> LocalSide:
    root = folder / name
    root.mkdir(exist_ok=True)
    return LocalSide(root, folder / f"{name}-store")


def fill(root: Path) -> None:
    (root / "src/empty").mkdir(parents=True)
    (root / "src/main.py").write_bytes(b"print(1)\n")
    (root / "src/copy.py").write_bytes(b"print(1)\n")
    (root / "none").write_bytes(b"")
    (root / "large").write_bytes(os.urandom(5_000_000))
    (root / os.fsdecode(b"b\xe9te\n")).write_bytes(b"x")
    (root / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "tool").chmod(0o755)
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo")


def held(manifest: Manifest) -> dict[str, tuple[object, ...]]:
    return {path: (e.kind, e.mode, e.size, e.digest, e.mtime) for path, e in manifest.items()}


async def test_a_directory_travels_and_comes_back_changed(tmp_path: Path) -> None:
    home, node = side(tmp_path, "home"), side(tmp_path, "node")
    fill(tmp_path / "home")
    there = await bring(home, node)
    assert (there.files, there.problems) == (5, ())
    assert held(await node.scan()) == held(await home.scan()) == held(there.manifest)
    assert (await bring(home, node)).bytes == 0

    (tmp_path / "node/src/main.py").rename(tmp_path / "node/src/moved.py")
    (tmp_path / "node/src/copy.py").write_bytes(b"print(2)\n")
    (tmp_path / "home/notes").write_bytes(b"mine")
    back = await bring(node, home, there.manifest)
    assert (back.files, back.problems) == (1, ())
    assert (tmp_path / "home/src/moved.py").read_bytes() == b"print(1)\n"
    assert not (tmp_path / "home/src/main.py").exists()
    assert (tmp_path / "home/notes").read_bytes() == b"mine"


@pytest.mark.parametrize("size", [0, 4 * 2**20 - 40, 4 * 2**20 - 39, 8 * 2**20])
async def test_contents_around_the_size_of_a_part(tmp_path: Path, size: int) -> None:
    home, node = side(tmp_path, "home"), side(tmp_path, "node")
    (tmp_path / "home/a").write_bytes(b"a" * size)
    (tmp_path / "home/b").write_bytes(b"b" * 7)
    await bring(home, node)
    assert (tmp_path / "node/a").read_bytes() == b"a" * size
    assert (tmp_path / "node/b").read_bytes() == b"b" * 7


async def test_what_is_kept_from_tasks_is_not_sent_and_nothing_comes_over_it(tmp_path: Path) -> None:
    node = side(tmp_path, "node")
    (tmp_path / "home/secrets").mkdir(parents=True)
    for name in (".env", "secrets/key", "open"):
        (tmp_path / "home" / name).write_bytes(b"KEY=1")
    kept = [tmp_path / "home" / name for name in (".env", "secrets")]
    home = LocalSide(tmp_path / "home", tmp_path / "home-store", [*kept, tmp_path / "elsewhere"])
    there = await bring(home, node)
    assert list(there.manifest) == ["open"]
    (tmp_path / "node/.env").write_bytes(b"forged")
    (tmp_path / "node/secrets").write_bytes(b"forged")
    for since in (there.manifest, None):
        assert len((await bring(node, home, since)).problems) == 2
    assert [(tmp_path / "home" / name).read_bytes() for name in (".env", "secrets/key")] == [b"KEY=1"] * 2


async def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    home = side(tmp_path, "home")
    for name in ("same", "changed", "replaced"):
        (tmp_path / "home" / name).write_bytes(b"old")
    await home.scan()
    await asyncio.sleep(0.05)  # beyond the tick of the disk's clock
    first = await home.scan()
    status = (tmp_path / "home/changed").stat()
    (tmp_path / "home/changed").write_bytes(b"new")
    (tmp_path / "home/new").write_bytes(b"new")
    for name in ("changed", "new"):
        os.utime(tmp_path / "home" / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "home/new").rename(tmp_path / "home/replaced")
    second = await home.scan()
    assert second["same"] is first["same"]
    assert second["changed"] == second["replaced"] == replace(first["same"], digest=second["changed"].digest)
    assert second["changed"] != first["changed"]


async def test_what_is_empty_takes_no_room(tmp_path: Path) -> None:
    home, node = side(tmp_path, "home"), side(tmp_path, "node")
    with open(tmp_path / "home/sparse", "wb") as file:
        file.truncate(6 * 2**20 + 5)
    await bring(home, node)
    status = (tmp_path / "node/sparse").stat()
    assert (status.st_size, status.st_blocks * 512 < 2**20) == (6 * 2**20 + 5, True)
    assert await node.scan() == await home.scan()


@pytest.mark.parametrize("since", [False, True])
async def test_an_interrupted_transfer_is_begun_again(tmp_path: Path, since: bool) -> None:
    home, node = side(tmp_path, "home"), side(tmp_path, "node")
    (tmp_path / "home/gone").write_bytes(b"1")
    (tmp_path / "home/stays").write_bytes(b"1")
    common = (await bring(home, node)).manifest
    (tmp_path / "node/gone").unlink()
    for number in range(40):
        (tmp_path / f"node/f{number:02}").write_bytes(b"%d" % number * 5000)
    bringing = asyncio.create_task(bring(node, home, common if since else None))
    while not (tmp_path / "home/f00").exists():
        await asyncio.sleep(0)
    bringing.cancel()
    with suppress(asyncio.CancelledError):
        await bringing
    for number in range(0, 40, 2):
        (tmp_path / f"node/f{number:02}").unlink()
    (tmp_path / "node/gone").write_bytes(b"1")
    assert (await bring(node, home, common if since else None)).problems == ()
    assert await home.scan() == await node.scan()


UNREAD = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.side import bring

async def main(folder):
    home, node = (LocalSide(folder / name, folder / f"{name}-store") for name in ("home", "node"))
    common = (await bring(home, node)).manifest
    for name in ("file", "folder"):
        os.chmod(folder / "node" / name, 0)
    back = await bring(node, home, common)
    print(*(problem.partition(":")[0] for problem in back.problems))
    print(*sorted((path, entry.digest[:6], oct(entry.mode)) for path, entry in back.manifest.items()))

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read everything")
def test_what_cannot_be_read_stays_as_it_was() -> None:
    with tempfile.TemporaryDirectory() as place:  # whose parents are everybody's, as pytest's are not
        folder = Path(place)
        (folder / "home/folder").mkdir(parents=True)
        (folder / "node").mkdir()
        for name in ("file", "folder/inside"):
            (folder / "home" / name).write_bytes(b"1")
        subprocess.run(["chown", "-R", "65534:65534", place], check=True)
        words = [sys.executable, "-c", UNREAD, place]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout.splitlines() == [
            "file cannot be brought folder cannot be brought",
            "('file', 'unsent', '0o0') ('folder', 'unsent', '0o0')",
        ]
        assert [(folder / "home" / name).read_bytes() for name in ("file", "folder/inside")] == [b"1", b"1"]
        assert (folder / "home/file").stat().st_mode & 0o777 == 0
