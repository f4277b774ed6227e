"""A node that answers what it likes."""

import asyncio
import os
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.snapshots import Difference
from agentbatch.cluster.exchange.terms import MAIN, Arrival, Lease, Posting, Walls
from agentbatch.cluster.exchange.wire import Unreadable, pack, unpack
from agentbatch.cluster.node.hands import Hands
from agentbatch.cluster.remote.workspace import ClusterWorkspace
from agentbatch.cluster.shapes import checked, fits
from agentbatch.cluster.stations import station as station_module
from agentbatch.cluster.stations.home import AwayMark, MovedHome, SharedHome
from agentbatch.cluster.stations.station import Station
from agentbatch.cluster.stations.waiting import Machines
from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.manifest import MAX_BYTES, UNSENT, Entry
from agentbatch.cluster.travel.plan import plan
from agentbatch.cluster.travel.wire import ServedSide
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.workspace import (
    CommandRecord,
    CommandResult,
    FileEntry,
    Order,
    Protected,
    ProtectedFile,
    Snapshot,
    ToolResult,
    WorkspaceInfo,
)
from tests.support.red_team import KEY, BuildHouse
from tests.support.workspaces import local_workspace

INFO = WorkspaceInfo("/node/task", "Linux", "none", True)


def put(number: int) -> bytes:
    return b"\x80\x05Nr" + struct.pack("<I", number) + b"."


@pytest.mark.parametrize(
    "data",
    [
        put(2**32 - 1),
        b"\x80\x05Np4294967295\n.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
        b"\x80\x05\x8b" + struct.pack("<i", -5) + b".",
        b"\x80\x05N.N",
        b"\x80\x05N",
        b"\x80\x05\x8cX",
        b"I1\n.",
        b"\x80\x05K\x01Q.",
    ],
)
def test_a_few_bytes_cannot_ask_for_gigabytes(data: bytes) -> None:
    with pytest.raises(Unreadable, match="no plain data"):
        unpack(data)


FILE = FileEntry("s", 1, "t", False)
RESULT = ToolResult("x", command=None)


def with_more(value: Any, **more: object) -> Any:
    value.__dict__.update(more)
    return value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ToolResult, ToolResult(5)),  # type: ignore[arg-type]
        (ToolResult, ToolResult("x", ok="yes")),  # type: ignore[arg-type]
        (ToolResult, ToolResult("x", command=RESULT)),  # type: ignore[arg-type]
        (ToolResult, ToolResult),
        (CommandResult, with_more(CommandResult(0, "", False, False, 1.0, ""), tail="x")),
        (CommandResult, CommandResult(True, "", False, False, 1.0, "")),
        (Snapshot, with_more(Snapshot({}), digest="forged")),
        (Snapshot, Snapshot({"a": RESULT})),  # type: ignore[dict-item]
        (Snapshot, Snapshot({b"a": FILE})),  # type: ignore[dict-item]
        (Snapshot, Snapshot({"a": FileEntry("s", 1, "t", False, "other")})),  # type: ignore[arg-type]
        (Difference, Difference(1, "number", {}, [1], Snapshot({}), False)),  # type: ignore[list-item]
        (Protected, Protected(("a",), {"a": ProtectedFile("text", 0)})),  # type: ignore[arg-type]
        (Arrival, Arrival("10.0.0.1", "host", None)),  # type: ignore[arg-type]
        (tuple[int, str], (1, "x", "y")),
        (list[str], "text"),
        (int, True),
    ],
)
def test_answers_are_of_their_types_in_all_their_parts(kind: Any, value: object) -> None:
    assert not fits(unpack(pack(value)), kind)
    with pytest.raises(UserError, match="no node of ours"):
        checked(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ToolResult, ToolResult("x", command=CommandRecord("ls", 0, "", 1.0, 2.0))),
        (CommandResult, CommandResult(None, "", False, False, 1, "")),
        (Difference, Difference(1, "nothing", {"a": FILE}, ["b"], Snapshot({}), True)),
        (Protected, Protected(("a",), {"a": ProtectedFile(b"x", None)})),
        (tuple[bytes | int | None, str], (None, "")),
    ],
)
def test_what_nodes_of_ours_answer_passes(kind: Any, value: object) -> None:
    assert fits(unpack(pack(value)), kind)


class Node:
    """In place of a connection: what its nodes answer to members, by their names."""

    session = 1
    gone: Mapping[int, str] = {}

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers

    async def request(self, op: str, *given: Any) -> Any:
        if op == "lease":
            return pack(("ok", Arrival("10.0.0.1", "host", "/node/task")))
        if op == "begin":
            return pack(("ok", INFO))
        assert op == "ask"
        _, _, _, _, member, question = given
        answer = await self.answers[member](*unpack(question))
        return answer if isinstance(answer, bytes) else pack(("ok", answer[0]))

    async def dismiss(self, op: str, *given: Any) -> Any:
        return b""


def station(
    node: Node, *, shared: bool = False, show: Callable[[str, bool], None] = lambda *_: None
) -> Station:
    posting = Posting("mark", 0, Order("t", "/home/task", "none", {}, (), 1.0), Walls("none", True), shared)
    connection: Any = node
    return Station(
        connection, posting, Lease(), show, lambda _: None, Machines(connection, None, lambda _: None)
    )


async def test_a_question_that_is_said_to_be_cancelled_is_no_cancellation(tmp_path: Path) -> None:
    async def cancelled(*given: Any) -> bytes:
        return pack(("cancelled", None))

    there = station(Node(call=cancelled))
    await there.arrive()
    with pytest.raises(Lost, match="given up"):
        await there.ask(1, "call", "bash", "{}")


async def test_a_snapshot_that_differs_from_what_came_home_is_not_judged(tmp_path: Path) -> None:
    """The node has brought home one thing and tells of another, by the signatures of what is at home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/a.txt").write_text("what is kept")
    inner = local_workspace(tmp_path / "home", tmp_path / "outputs")
    forged = await inner.snapshot()
    forged = Snapshot({"a.txt": FileEntry("0" * 64, 6, "forged", False)}, signatures=forged.signatures)

    async def snapshot(*given: Any) -> tuple[Any]:
        return (Difference(1, "nothing", forged.files, [], Snapshot({}, signatures=forged.signatures), True),)

    there = station(Node(snapshot=snapshot))
    await there.arrive()
    there.home, there.info = MovedHome(tmp_path / "home", tmp_path / "store", [], [], lambda _: None), INFO
    workspace = ClusterWorkspace(there, inner, Redactor([]), AwayMark(tmp_path / "away"))
    first = await workspace.snapshot()
    (tmp_path / "home/a.txt").write_text("what is KEPT")
    for since in (None, first, forged):
        assert (await workspace.snapshot(since)).files["a.txt"].text == "what is KEPT"


async def test_checks_see_what_is_kept_where_something_could_not_come_home(tmp_path: Path) -> None:
    """A file that is too large to travel stays as it was at home, and so it is on the node before anything is tried."""
    (tmp_path / "home").mkdir()
    (tmp_path / "node").mkdir()
    (tmp_path / "home/a.txt").write_text("as it was")
    inner = local_workspace(tmp_path / "home", tmp_path / "outputs")
    side = ServedSide(LocalSide(tmp_path / "node", tmp_path / "contents"))

    async def snapshot(*given: Any) -> tuple[Any]:
        return (Difference(1, "nothing", {}, [], Snapshot({}), True),)

    async def call(*given: Any) -> tuple[Any]:
        with open(tmp_path / "node/a.txt", "wb") as file:
            file.truncate(MAX_BYTES + 1)
        (tmp_path / "node/b.txt").write_text("new")
        return (ToolResult("done", changed=True),)

    def member(name: str) -> Callable[..., Any]:
        async def ask(*given: Any) -> tuple[Any]:
            return (await getattr(side, name)(*given),)

        return ask

    members = {name: member(name) for name in ("scan", "missing", "give", "take", "place")}
    there = station(Node(snapshot=snapshot, call=call, **members))
    await there.arrive()
    there.home, there.info = MovedHome(tmp_path / "home", tmp_path / "store", [], [], lambda _: None), INFO
    await there.home.away(there.side)
    workspace = ClusterWorkspace(there, inner, Redactor([]), AwayMark(tmp_path / "away"))
    await workspace.call("bash", "{}")
    seen = await workspace.snapshot()
    assert {path: one.text for path, one in seen.files.items()} == {"a.txt": "as it was", "b.txt": "new"}
    assert (tmp_path / "node/a.txt").stat().st_size == len("as it was")


async def test_what_an_old_machine_answers_when_there_is_another_is_not_heard(tmp_path: Path) -> None:
    """It was lost, and is not gone: it works on, and says so when the task is elsewhere."""
    (tmp_path / "home").mkdir()
    places = [tmp_path / "first", tmp_path / "second"]
    sides = []
    for place in places:
        place.mkdir()
        sides.append(ServedSide(LocalSide(place, tmp_path / f"{place.name}-contents")))
    asked, answers = asyncio.Event(), asyncio.Event()

    class Nodes(Node):
        async def request(self, op: str, *given: Any) -> Any:
            if op != "ask":
                return await super().request(op, *given)
            lease, _, _, _, member, question = given
            number = self.leases.setdefault(lease, len(self.leases))
            if member != "call":
                return pack(("ok", await getattr(sides[number], member)(*unpack(question))))
            (places[number] / f"{number}.txt").write_text("done")
            if number == 0:
                asked.set()
                await answers.wait()
            return pack(("ok", ToolResult(f"done by {number}", changed=True)))

        leases: dict[int, int] = {}  # noqa: RUF012 - made for this test

    there = station(Nodes())
    home = MovedHome(tmp_path / "home", tmp_path / "store", [], [], lambda _: None)
    await there.settle(home)
    inner = local_workspace(tmp_path / "home", tmp_path / "outputs")
    workspace = ClusterWorkspace(there, inner, Redactor([]), AwayMark(tmp_path / "away"))
    calling = asyncio.ensure_future(workspace.call("bash", "{}"))
    await asked.wait()
    late = there.side
    await workspace.replaced(Lost("it cannot be reached"))
    answers.set()
    assert (await calling).text.startswith("Interrupted, outcome unknown")
    assert (await workspace.call("bash", "{}")).text.endswith("done by 1")
    with pytest.raises(Lost):
        await home.back(late)
    assert there.generation == 2, "the other one is not lost with it"
    assert os.listdir(tmp_path / "home") == ["1.txt"]


async def test_nobody_works_in_a_shared_directory_before_a_machine_that_is_cut_off_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(station_module, "HAS_ENDED", 0.01)
    shown: list[tuple[str, bool]] = []
    there = station(Node(), shared=True, show=lambda *place: shown.append(place))
    await there.settle(SharedHome())
    await there.replace(Lost("it cannot be reached"))
    assert shown == [
        ("node 10.0.0.1", False),
        ("waiting until node 10.0.0.1 has ended what it did", True),
        ("node 10.0.0.1", False),
    ]


async def test_what_cannot_come_home_is_told(tmp_path: Path) -> None:
    """A file that cannot be read there, or for which a coder has left no room, may hold anything."""
    before, after = Entry("file", 0o644, 1, "1" * 64), Entry("file", 0o644, 0, UNSENT)
    steps = plan({"a": before}, {"a": after}, {"a": before})
    assert steps.problems == ["a cannot be brought: it could not be read there, or is too large."]
    assert plan({"a": before}, {"a": after}, {"a": after}).problems == []


async def test_ray_s_own_places_are_out_of_sight_on_a_node(
    bubblewrap: SandboxChoice, build: BuildHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sockets and its token, also where they lie in no folder that every sandbox hides."""
    house = build()
    for place in ("ray/session/sockets/raylet", "token", "node/keep"):
        (house.folder / place).parent.mkdir(parents=True, exist_ok=True)
        (house.folder / place).write_text(KEY)
    there = SimpleNamespace(
        get_runtime_context=lambda: SimpleNamespace(get_temp_dir=lambda: str(house.folder / "ray")),
        util=SimpleNamespace(get_node_ip_address=lambda: "10.0.0.1"),
    )
    monkeypatch.setitem(sys.modules, "ray", there)
    monkeypatch.setattr(tempfile, "tempdir", str(house.folder / "node"))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(house.folder / "token"))
    order = Order("t", "/home/task", "none", {}, ("bash",), 60.0)
    hands = Hands(pack(Posting("mark", 0, order, Walls("bubblewrap", True), False)))
    assert unpack(await hands.arrive())[0] == "ok"
    assert hands._watch is not None
    hands._watch.cancel()  # it would end this process
    assert unpack(await hands.begin())[0] == "ok"
    look = f"ls -R {house.folder}; cat {house.folder}/token {house.folder}/ray/session/sockets/*"
    kind, done = unpack(await hands.ask(0, 1, MAIN, "run", pack((look, 60.0))))
    assert unpack(await hands.end()) == ("ok", ())
    assert kind == "ok"
    assert "token" in done.output
    assert "raylet" not in done.output
    assert KEY not in done.output
