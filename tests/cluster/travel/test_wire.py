"""A side at the other end of a wire."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.side import bring
from agentbatch.cluster.travel.wire import RemoteSide, ServedSide


class Wire:
    """Counts the bytes that go over it."""

    def __init__(self, served: ServedSide) -> None:
        self.served = served
        self.bytes = 0

    async def ask(self, name: str, *arguments: Any) -> Any:
        asked = pickle.dumps(arguments)
        answer = pickle.dumps(await getattr(self.served, name)(*pickle.loads(asked)))
        self.bytes += len(asked) + len(answer)
        return pickle.loads(answer)


def ends(tmp_path: Path) -> tuple[LocalSide, Wire, RemoteSide]:
    for name in ("home", "node"):
        (tmp_path / name).mkdir()
    home = LocalSide(tmp_path / "home", tmp_path / "store-home")
    wire = Wire(ServedSide(LocalSide(tmp_path / "node", tmp_path / "store-node")))
    return home, wire, RemoteSide(wire.ask)


async def test_one_changed_file_of_many_moves_little(tmp_path: Path) -> None:
    home, wire, node = ends(tmp_path)
    for number in range(100):
        (tmp_path / f"home/file{number}").write_bytes(b"%d\n" % number)
    there = await bring(home, node)
    assert wire.bytes > 100 * 40

    wire.bytes = 0
    (tmp_path / "node/file7").write_bytes(b"other\n")
    (tmp_path / "node/file8").unlink()
    back = await bring(node, home, there.manifest)
    assert (tmp_path / "home/file7").read_bytes() == b"other\n"
    assert not (tmp_path / "home/file8").exists()
    assert (back.files, wire.bytes < 1000) == (1, True)

    wire.bytes = 0
    assert await bring(node, home, back.manifest) == back.__class__(0, 0, (), back.manifest)
    (tmp_path / "home/file9").write_bytes(b"home\n")
    assert (await bring(home, node)).files == 1
    assert (tmp_path / "node/file9").read_bytes() == b"home\n"
    assert wire.bytes < 1000


@pytest.mark.parametrize("with_since", [False, True])
async def test_an_end_that_began_anew_is_told_all(tmp_path: Path, with_since: bool) -> None:
    home, wire, node = ends(tmp_path)
    (tmp_path / "home/a").write_bytes(b"a")
    there = await bring(home, node)
    since = there.manifest if with_since else None
    wire.served = ServedSide(LocalSide(tmp_path / "node", tmp_path / "store-node"))
    (tmp_path / "home/b").mkdir()
    assert await node.place(await home.scan(), since) == []
    assert (tmp_path / "node/b").is_dir()
    assert await node.scan() == await home.scan()

    wire.served = ServedSide(LocalSide(tmp_path / "node", tmp_path / "store-node"))
    (tmp_path / "node/a").unlink()
    assert list(await node.scan()) == ["b"]
