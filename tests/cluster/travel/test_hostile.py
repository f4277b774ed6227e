"""The other end of a wire, and the coder on it, send what they like: nothing of it leaves the directory."""

import asyncio
import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.manifest import MAX_ENTRIES, Entry, Manifest
from agentbatch.cluster.travel.pack import HEADER
from agentbatch.cluster.travel.placing import Placing
from agentbatch.cluster.travel.plan import plan
from agentbatch.cluster.travel.side import bring
from agentbatch.errors import UserError
from tests.support.disks import small_disk_at

X = Entry("file", 0o644, 1, hashlib.sha256(b"x").hexdigest())
FOLDER = Entry("folder", 0o755, 0, "")


class Forger:
    """A side that says what it likes."""

    def __init__(self, manifest: Mapping[str, Entry], contents: Mapping[str, bytes] | None = None) -> None:
        self.manifest = manifest
        self.contents = {X.digest: b"x"} if contents is None else contents
        self.asked = 0

    async def scan(self) -> Manifest:
        return self.manifest

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        self.asked += 1
        packs = (HEADER.pack(bytes.fromhex(d), len(self.contents[d])) + self.contents[d] for d in digests)
        return b"".join(packs)[at : at + 2**22]

    async def missing(self, digests: Sequence[str]) -> list[str]:
        raise NotImplementedError

    async def take(self, pack: bytes) -> None:
        raise NotImplementedError

    async def place(self, manifest: Manifest, since: Manifest | None = None) -> list[str]:
        raise NotImplementedError


@pytest.fixture
def home(tmp_path: Path) -> LocalSide:
    (tmp_path / "home").mkdir()
    return LocalSide(tmp_path / "home", tmp_path / "store", [tmp_path / "home/.env"], max_bytes=0)


def tree(root: Path) -> dict[str, object]:
    """All that is there, special files too."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            place = Path(folder, name)
            inside = place.relative_to(root).as_posix()
            if place.is_symlink():
                found[inside] = ("link", os.readlink(place))
            elif place.is_file():
                found[inside] = (oct(place.stat().st_mode), place.read_bytes())
            else:
                found[inside] = oct(place.lstat().st_mode)
    return found


FORGED = {
    "../out": X,
    "..": FOLDER,
    "/etc/agentbatch-forged": X,
    "a/../../out": X,
    "nul\0": X,
    "": X,
    ".agentbatch/runs": X,
    ".env": X,
    "to/x": X,
    "link": Entry("link", 0, 0, "/etc"),
    "link/x": X,
    "sock": replace(X, kind="socket"),  # type: ignore[arg-type]
}


async def test_names_that_lead_out_come_to_nothing(home: LocalSide, tmp_path: Path) -> None:
    (tmp_path / "home/.env").write_bytes(b"KEY=1")
    good = {"good\n": X, "b": FOLDER, "b/\udcff": X}
    moved = await bring(Forger({**FORGED, **good}), home)
    assert tree(tmp_path / "home") == {
        ".env": ("0o100644", b"KEY=1"),
        "good\n": ("0o100644", b"x"),
        "b": "0o40755",
        "b/\udcff": ("0o100644", b"x"),
        "link": ("link", "/etc"),
    }
    assert len(moved.problems) == len(FORGED) - 1
    assert sorted(os.listdir(tmp_path)) == ["home", "store"]
    assert list((tmp_path / "store").iterdir()) == []


async def test_what_was_forged_once_is_no_reason_to_remove_it_later(home: LocalSide, tmp_path: Path) -> None:
    """A manifest that told the truth of what is not its own, and then no more."""
    (tmp_path / "home/.env").write_bytes(b"x")
    (tmp_path / "home/.agentbatch").mkdir()
    (tmp_path / "home/.agentbatch/runs").write_bytes(b"x")
    (tmp_path / "out").write_bytes(b"x")
    there = await bring(Forger({"a": X}), home)
    forged = {"a": X, "..": FOLDER, "../out": X, ".env": X, ".agentbatch": FOLDER, ".agentbatch/runs": X}
    there = await bring(Forger(forged), home, there.manifest)
    assert there.manifest == forged
    await bring(Forger({}), home, there.manifest)
    assert sorted(os.listdir(tmp_path / "home")) == [".agentbatch", ".env"]
    assert (tmp_path / "home/.agentbatch/runs").read_bytes() == b"x"
    assert (tmp_path / "out").read_bytes() == b"x"


async def test_a_folder_that_became_a_link_is_not_gone_through(home: LocalSide, tmp_path: Path) -> None:
    (tmp_path / "outside/deep").mkdir(parents=True)
    (tmp_path / "outside/old").write_bytes(b"old")
    (tmp_path / "home/d/deep").mkdir(parents=True)
    (tmp_path / "home/d/old").write_bytes(b"x")
    want = {"d": FOLDER, "d/deep": replace(FOLDER, mode=0o700), "d/deep/new": X, "d/new": FOLDER}
    steps = plan(await home.scan(), want)
    assert (steps.remove, steps.write) == (["d/old"], ["d/deep/new"])
    (tmp_path / "home/d").rename(tmp_path / "elsewhere")
    (tmp_path / "home/d").symlink_to(tmp_path / "outside")
    placing = Placing(tmp_path / "home", want, lambda digest: [b"x"], Event())
    placing.carry_out(steps)
    assert tree(tmp_path / "outside") == {"deep": "0o40755", "old": ("0o100644", b"old")}
    assert sorted(placing.problems) == ["d/deep", "d/deep/new", "d/new", "d/old"]


async def test_what_was_a_file_became_a_link_or_a_fifo_and_is_replaced(
    home: LocalSide, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    for name in ("a", "b"):
        (tmp_path / "home" / name).write_bytes(b"old")
    await home.scan()
    for name in ("a", "b"):
        (tmp_path / "home" / name).unlink()
    (tmp_path / "home/a").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "home/b")
    assert (await bring(Forger({"a": X, "b": X}), home)).problems == ()
    assert (tmp_path / "outside").read_bytes() == b"outside"
    assert tree(tmp_path / "home") == {"a": ("0o100644", b"x"), "b": ("0o100644", b"x")}


async def test_nobody_gets_anybody_else_s_rights(home: LocalSide, tmp_path: Path) -> None:
    modes = {"a": replace(X, mode=0o6755), "b": replace(FOLDER, mode=0o7777), "c": replace(X, mode=0o100644)}
    await bring(Forger(modes), home)
    assert {name: oct((tmp_path / "home" / name).stat().st_mode) for name in modes} == {
        "a": "0o100755",
        "b": "0o40777",
        "c": "0o100644",
    }
    (tmp_path / "home/a").chmod(0o6755)
    assert (await home.scan())["a"].mode == 0o755


@pytest.mark.parametrize(
    ("size", "content"),
    [
        (1, b"y"),
        (1, b"x" * 9),
        (1, b""),
        (9, b"x"),
        (10_000_000, b"x"),
    ],
)
async def test_sizes_and_digests_that_lie(home: LocalSide, tmp_path: Path, size: int, content: bytes) -> None:
    (tmp_path / "home/a").write_bytes(b"old")
    with pytest.raises(OSError, match="changed while it was sent|not what its digest says") as raised:
        await bring(Forger({"a": replace(X, size=size)}, {X.digest: content}), home)
    assert raised.value.errno == errno.ESTALE
    assert tree(tmp_path / "home") == {"a": ("0o100644", b"old")}


async def test_what_a_task_has_written_into_the_store_is_sent_again(tmp_path: Path) -> None:
    """One without a sandbox can, on a node."""
    (tmp_path / "home").mkdir()
    home = LocalSide(tmp_path / "home", tmp_path / "store")
    await bring(Forger({"a": X}), home)
    (kept,) = (tmp_path / "store").iterdir()
    for content in (kept.read_bytes()[:-1] + b"y", b""):
        kept.write_bytes(content)
        (tmp_path / "home/a").write_bytes(b"old")
        await home.scan()
        with pytest.raises(OSError, match="content"):
            await home.place({"a": X})
        assert tree(tmp_path / "home") == {"a": ("0o100644", b"old")}
        await bring(Forger({"a": X}), home)
        assert tree(tmp_path / "home") == {"a": ("0o100644", b"x")}
        (kept,) = (tmp_path / "store").iterdir()


async def test_no_more_comes_than_was_announced(home: LocalSide, tmp_path: Path) -> None:
    """A small header, and content without end behind it."""

    class Endless(Forger):
        async def give(self, digests: Sequence[str], at: int) -> bytes:
            self.asked += 1
            return (HEADER.pack(bytes.fromhex(X.digest), 2**60) if at == 0 else b"") + bytes(100)

    forger = Endless({"a": X})
    with pytest.raises(OSError, match="changed while it was sent"):
        await bring(forger, home)
    assert forger.asked == 3


async def test_what_was_not_asked_for_is_not_taken(home: LocalSide, tmp_path: Path) -> None:
    other = hashlib.sha256(b"y").digest()

    class Other(Forger):
        async def give(self, digests: Sequence[str], at: int) -> bytes:
            return HEADER.pack(other, 1) + b"y"

    with pytest.raises(OSError, match="not asked for"):
        await bring(Other({"a": X}), home)
    with pytest.raises(OSError, match="not asked for"):
        await home.take(HEADER.pack(other, 1) + b"y")


async def test_a_million_files_are_refused_before_anything_is_done(home: LocalSide) -> None:
    class Many(Mapping[str, Entry]):
        def __getitem__(self, path: str) -> Entry:
            return X

        def __iter__(self):  # type: ignore[no-untyped-def]
            return map(str, range(2 * MAX_ENTRIES))

        def __len__(self) -> int:
            return 2 * MAX_ENTRIES

    forger = Forger(Many())
    with pytest.raises(UserError, match="holds 1,000,000 files and folders, and 500,000 are the most"):
        await bring(forger, home)
    assert forger.asked == 0


async def test_a_fork_bomb_of_sentences_is_a_few(home: LocalSide) -> None:
    problems = (await bring(Forger({f"../{number}\x1b[2J": X for number in range(1000)}), home)).problems
    assert len(problems) == 21
    assert problems[-1] == "And 980 more like these."
    assert "\x1b" not in "".join(problems)


async def test_what_is_sent_is_what_was_listed(tmp_path: Path) -> None:
    """A coder that goes on while its directory is sent."""
    for name in ("home", "node"):
        (tmp_path / name).mkdir()
    home, node = LocalSide(tmp_path / "home", tmp_path / "s1"), LocalSide(tmp_path / "node", tmp_path / "s2")
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "node/a").write_bytes(b"first.")
    manifest = await node.scan()
    digest = manifest["a"].digest
    (tmp_path / "node/a").unlink()
    (tmp_path / "node/a").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="a changed while it was sent"):
        await node.give([digest], 0)
    await bring(node, home)
    assert tree(tmp_path / "home") == {"a": ("link", str(tmp_path / "outside"))}


async def test_a_very_deep_folder_travels(home: LocalSide, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    at = os.open(tmp_path / "node", os.O_RDONLY)
    for _ in range(100):
        os.mkdir("abc", dir_fd=at)
        inner = os.open("abc", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    node = LocalSide(tmp_path / "node", tmp_path / "store-node")
    assert (await bring(node, home)).problems == ()
    assert len(await home.scan()) == 101
    assert (await bring(Forger({}), home)).problems == ()
    assert await home.scan() == {}


async def test_a_full_disk_leaves_every_file_whole(tmp_path: Path) -> None:
    with small_disk_at(tmp_path / "disk", "300k") as disk:
        (disk / "home").mkdir()
        home = LocalSide(disk / "home", disk / "store", max_bytes=0)
        small, large = b"s" * 40_000, b"l" * 200_000
        entries = [Entry("file", 0o644, len(c), hashlib.sha256(c).hexdigest()) for c in (small, large)]
        contents = {entry.digest: content for entry, content in zip(entries, (small, large), strict=True)}
        await bring(Forger({"a": entries[0]}, contents), home)
        with pytest.raises(OSError, match="No space left") as raised:
            await bring(Forger({"a": entries[1], "b": entries[1]}, contents), home)
        assert raised.value.errno == errno.ENOSPC
        assert tree(disk / "home") == {"a": ("0o100644", small)}
        await bring(Forger({"b": entries[0]}, contents), home)
        assert tree(disk / "home") == {"b": ("0o100644", small)}
        assert list((disk / "store").iterdir()) == []


KILLED = """
import asyncio, os, sys
from pathlib import Path
from threading import Event
from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.placing import Placing
from agentbatch.cluster.travel.plan import plan
from agentbatch.cluster.travel.side import bring

async def main(folder):
    home = LocalSide(folder / "home", folder / "store", max_bytes=0)
    while True:
        for name in ("one", "two"):
            await bring(LocalSide(folder / name, folder / "store-node"), home)

for _ in sys.stdin:  # one that is killed for each line
    child = os.fork()
    if not child:
        asyncio.run(main(Path(sys.argv[1])))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(60, marks=pytest.mark.slow)])
def test_a_kill_leaves_every_file_old_or_new(tmp_path: Path, kills: int) -> None:
    for name, letter in (("one", b"1"), ("two", b"2"), ("home", b"1")):
        (tmp_path / name).mkdir()
        for number in range(50):
            (tmp_path / name / f"f{number}").write_bytes(letter * 30_000)
    argv = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(kills):
            process.stdin.write(b"\n")
            child = int(process.stdout.readline())
            time.sleep(0.01 + 0.013 * number % 0.2)
            os.kill(child, signal.SIGKILL)
            assert process.stdout.readline() == b"ended\n"
            left = {place.name: place.read_bytes() for place in (tmp_path / "home").iterdir()}
            whole = [content for name, content in left.items() if not name.startswith(".agentbatch-")]
            assert len(whole) == 50
            assert set(whole) <= {b"1" * 30_000, b"2" * 30_000}
        process.stdin.close()
    one = LocalSide(tmp_path / "one", tmp_path / "store-node")
    home = LocalSide(tmp_path / "home", tmp_path / "store", max_bytes=0)
    asyncio.run(bring(one, home))
    assert asyncio.run(home.scan()) == asyncio.run(one.scan())
