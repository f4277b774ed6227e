"""Directories that travel from one side to another."""

import os
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
