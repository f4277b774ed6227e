"""Git in a task's worktree on a node, without a cluster around it."""

import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import pytest

from agentbatch.cluster.exchange.terms import BUNDLE, MAIN, SIDE, Posting, Walls
from agentbatch.cluster.exchange.wire import pack, read_error, unpack
from agentbatch.cluster.node.hands import Hands
from agentbatch.cluster.remote.repositories import Repositories
from agentbatch.cluster.stations.home import MovedHome
from agentbatch.cluster.travel.wire import RemoteSide
from agentbatch.workspace.isolation.making import make_worktree
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.workspace import Order
from tests.support.waiting import PATIENCE
from tests.workspace.repositories import environment, git, make_repository, needs_git, state

pytestmark = needs_git

COMMIT = "git -c user.name=T -c user.email=t@example.org commit -qam work"


def asking(hands: Hands) -> Callable[..., Awaitable[Any]]:
    numbers = count()

    async def ask(target: int, member: str, *given: Any) -> Any:
        kind, value = unpack(await hands.ask(1, next(numbers), target, member, pack(given)))
        if kind == "error":
            raise read_error(value)
        return value

    return ask


@pytest.mark.parametrize("sandbox", ["none", pytest.param("auto", marks=pytest.mark.slow)])
async def test_git_works_on_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Literal["auto", "none"]
) -> None:
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    user = make_repository(tmp_path / "user", {"a": "1\n", "sub/b": "1\n", "sub/.env": "1\n"})
    before = state(user)
    (tmp_path / "work").mkdir()
    home = make_worktree(
        Git(environment(tmp_path)), user / "sub", tmp_path / "work", "agentbatch/r/t", lambda _: Lock()
    )
    (home.root / "b").write_text("of an earlier session\n")
    (home.root / ".env").write_text("of this machine\n")
    repositories = Repositories(environment(tmp_path), tmp_path / "bundles")
    bundle = await repositories.of(home.root)
    order = Order("t", str(home.root), "worktree", {}, ("bash",), PATIENCE)
    posting = Posting("mark", 1, order, Walls(sandbox, True), False, bundle.checkout)

    problems: list[str] = []
    moved = MovedHome(
        home.root, tmp_path / "store", [home.root / ".git", home.root / ".env"], [], problems.append
    )
    for task in ("t", "u"):  # another one of the same node
        hands = Hands(pack(replace(posting, order=replace(order, task_id=task))))
        assert unpack(await hands.arrive())[0] == "ok"
        assert hands._watch is not None
        hands._watch.cancel()  # it would end this process
        ask = asking(hands)
        await repositories.bring(bundle, "node", RemoteSide(partial(ask, BUNDLE)))
        await ask(BUNDLE, "check_out")
        there = RemoteSide(partial(ask, SIDE))
        await moved.away(there)
        assert unpack(await hands.begin())[0] == "ok"
        done = await ask(
            MAIN, "run", "git status --porcelain b; git log --format=%s; cat ../a; echo new > new", PATIENCE
        )
        assert (
            done.output.split("\n") == [" M sub/b", "first", "1", ""] if task == "t" else done.exit_code == 0
        )
        if sandbox == "none":
            done = await ask(MAIN, "run", f"git add -A && {COMMIT} && git status --porcelain", PATIENCE)
            assert (done.exit_code, done.output) == (0, "")
        await moved.back(there)
        assert unpack(await hands.end()) == ("ok", ())
    assert problems == []
    assert git(home.root, "status", "--porcelain") == "M sub/.env\n M sub/b\n?? sub/new"
    assert (home.root / ".env").read_text() == "of this machine\n"
    assert state(user)["files"] == before["files"]
    assert (
        len(list((tmp_path / "node" / f"agentbatch-{os.getuid()}" / "mark" / "repositories").iterdir())) == 1
    )
