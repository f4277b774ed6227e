"""What it costs that a task's directory is on a node: bytes over the wire, CPU at both ends.

    python -m benchmarks.travel [--files 20000]

Makes a git repository of so many files. The node is a process of its own for each task, with a store that they share,
spoken to over a pipe; bytes are those of the pickled calls and answers. Once the repository travels with its `.git` as
files, once its commit as a bundle, of which git makes a worktree there. Figures are printed, nothing is asserted.
"""

import argparse
import asyncio
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.manifest import Manifest
from agentbatch.cluster.travel.repository import read_bundle, write_bundle
from agentbatch.cluster.travel.side import Moved, Side, bring
from agentbatch.cluster.travel.wire import RemoteSide, ServedSide
from agentbatch.workspace.isolation.making import make_worktree
from agentbatch.workspace.isolation.worktree.git import Git
from benchmarks.repositories import cpu, make_repository

SIZE = struct.Struct("<Q")


class Node:
    """A task's process there."""

    def __init__(self, root: Path, store: Path) -> None:
        words = [sys.executable, "-m", "benchmarks.travel", "--node", str(root), str(store)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.side = RemoteSide(self.ask)
        self.bytes = 0

    async def ask(self, name: str, *arguments: Any) -> Any:
        asked = pickle.dumps((name, arguments))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        await asyncio.to_thread(send, self._process.stdin, asked)
        answer = await asyncio.to_thread(receive, self._process.stdout)
        self.bytes += len(asked) + len(answer)
        return pickle.loads(answer)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def send(stream: BinaryIO | Any, data: bytes) -> None:
    stream.write(SIZE.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO | Any) -> bytes:
    """Empty at the end."""
    head = stream.read(SIZE.size)
    return stream.read(SIZE.unpack(head)[0]) if head else b""


async def node(root: Path, store: Path) -> None:
    """What the process does there."""
    root.mkdir(parents=True, exist_ok=True)
    served = ServedSide(LocalSide(root, store, [root / ".git"] if (root / ".git").is_file() else []))
    while asked := receive(sys.stdin.buffer):
        name, arguments = pickle.loads(asked)
        answer = cpu() if name == "cpu" else await getattr(served, name)(*arguments)
        send(sys.stdout.buffer, pickle.dumps(answer))


async def measured(what: str, there: Node, transfer: Callable[[], Awaitable[Moved]]) -> Manifest:
    before, far, there.bytes = cpu(), await there.ask("cpu"), 0
    moved = await transfer()
    here, sent = cpu() - before, there.bytes
    far = await there.ask("cpu") - far
    print(f"{what:<58} {moved.files:>7,} {sent / 1e6:>9.3f} {here:>8.2f} {far:>8.2f}", flush=True)
    assert not moved.problems, moved.problems
    return moved.manifest


async def task(what: str, root: Path, mirror: Path, base: Path) -> None:
    """There, back unchanged, back with one changed file, and home again unchanged."""
    kept = [root / ".git"] if (root / ".git").is_file() else []
    home: Side = LocalSide(root, base / f"store-{root.parent.name}", kept, max_bytes=0)
    there = Node(mirror, base / "store")
    common = await measured(f"{what}: there", there, lambda: bring(home, there.side))
    common = await measured(
        "  back, the first time: nothing changed", there, lambda: bring(there.side, home, common)
    )
    changed = mirror / "part0/module0/text0.txt"
    changed.write_text("changed\n", encoding="utf-8")
    common = await measured("  back: one changed file", there, lambda: bring(there.side, home, common))
    await measured("  back: nothing changed", there, lambda: bring(there.side, home, common))
    there.end()


async def as_files(repository: Path, base: Path) -> None:
    for number, what in ((1, "first task, .git as files"), (2, "second task of the same directory")):
        root = base / f"home{number}/repo"
        shutil.copytree(repository, root, symlinks=True)
        await task(what, root, base / f"node{number}/repo", base)
        shutil.rmtree(root)


async def as_worktree(repository: Path, base: Path) -> None:
    git = Git({"PATH": "/usr/bin:/bin", "HOME": str(base)})
    commit = git.run("rev-parse", "HEAD", cwd=repository).strip()
    write_bundle(git, repository / ".git", commit, base / "bundle")
    there = Node(base / "received", base / "store-bundle")
    bundle = LocalSide(base / "bundle", base / "none")
    await measured("a bundle of the commit", there, lambda: bring(bundle, there.side))
    there.end()
    read_bundle(git, base / "received", commit, base / "there/repo")
    for number, what in ((1, "first task, a worktree"), (2, "second task, a worktree")):
        folders = [base / f"worktree{number}-{end}" for end in ("home", "node")]
        places = []
        for folder, source in zip(folders, (repository, base / "there/repo"), strict=True):
            folder.mkdir()
            places.append(
                make_worktree(git, source, folder, f"agentbatch/run/{number}", lambda _: Lock()).root
            )
        await task(what, places[0], places[1], base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--node", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.node:
        asyncio.run(node(*options.node))
        return
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "repository").mkdir()
        make_repository(base / "repository", options.files)
        print(f"{options.files:,} files{'':<46} contents        MB  CPU here    there")
        asyncio.run(as_files(base / "repository", base))
        asyncio.run(as_worktree(base / "repository", base))


if __name__ == "__main__":
    main()
