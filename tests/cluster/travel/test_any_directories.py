"""Directories that chance has made, transfers that are interrupted, links that come and go."""

import asyncio
import os
import random
import shutil
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.side import bring
from agentbatch.cluster.travel.wire import RemoteSide, ServedSide

NAMES = ["a", "b", "c", "é", "n\n", "x y"]


def away(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif os.path.lexists(place):
        place.unlink()


def change(root: Path, chance: random.Random, steps: int) -> None:
    for _ in range(steps):
        folders = [root, *(place for place in root.rglob("*") if place.is_dir() and not place.is_symlink())]
        place, other = (chance.choice(folders) / chance.choice(NAMES) for _ in range(2))
        match chance.randrange(6):
            case 0:
                away(place)
            case 1:
                away(place)
                if place.parent.is_dir():
                    place.write_bytes(bytes([chance.randrange(3)]) * chance.choice([0, 1, 70_000]))
            case 2 if not os.path.lexists(place):
                place.mkdir()
            case 3 if not os.path.lexists(place):
                place.symlink_to(chance.choice(["a", "../b", "/etc", "dead"]))
            case 4 if os.path.lexists(place) and not os.path.lexists(other) and place not in other.parents:
                place.rename(other)
            case 5 if place.exists() and not place.is_symlink():
                place.chmod(chance.choice([0o644, 0o755, 0o600, 0o700]))


def remote(served: ServedSide) -> RemoteSide:
    async def ask(name: str, *given: Any) -> Any:
        member: Callable[..., Awaitable[Any]] = getattr(served, name)
        return await member(*given)

    return RemoteSide(ask)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 150))])
async def test_both_ends_are_the_same_after_every_transfer(tmp_path: Path, seed: int) -> None:
    chance, (home, node) = random.Random(seed), (tmp_path / name for name in ("home", "node"))
    home.mkdir()
    node.mkdir()
    here, there = (
        LocalSide(home, tmp_path / "s1", max_bytes=0),
        remote(ServedSide(LocalSide(node, tmp_path / "s2"))),
    )
    change(home, chance, 30)
    common = (await bring(here, there)).manifest
    for _ in range(6):
        change(node, chance, chance.randrange(12))
        bringing = asyncio.ensure_future(bring(there, here, common))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.01)
            bringing.cancel()
            with suppress(asyncio.CancelledError):
                common = (await bringing).manifest
            continue
        moved = await bringing
        common = moved.manifest
        assert moved.problems == ()
        assert await LocalSide(home, tmp_path / "x").scan() == await LocalSide(node, tmp_path / "x").scan()


@pytest.mark.slow
async def test_a_folder_that_is_a_link_every_other_moment_leads_nowhere(tmp_path: Path) -> None:
    home, outside, origin = tmp_path / "home", tmp_path / "outside", tmp_path / "origin"
    for place in (home, outside, origin):
        (place / "d/e").mkdir(parents=True)
    for path in ("d/f", "d/e/f"):
        (outside / path).write_bytes(b"secret")
    over = threading.Event()

    def swap() -> None:
        while not over.wait(0.0003):
            shutil.rmtree(tmp_path / "away", ignore_errors=True)
            with suppress(OSError):
                (home / "d").rename(tmp_path / "away")
                (home / "d").symlink_to(outside / "d")
                over.wait(0.0003)
            with suppress(OSError):
                (home / "d").unlink()
                (tmp_path / "away").rename(home / "d")

    swapping = threading.Thread(target=swap)
    swapping.start()
    here, there = LocalSide(home, tmp_path / "s1"), LocalSide(origin, tmp_path / "s2")
    try:
        for number in range(200):
            for path in ("d/f", "d/e/f"):
                (origin / path).write_bytes(b"%d" % number)
            with suppress(OSError):
                await bring(there, here)
            assert b"secret" not in {place.read_bytes() for place in (tmp_path / "s1").glob("*")}
            assert [(outside / path).read_bytes() for path in ("d/f", "d/e/f")] == [b"secret"] * 2
            assert sorted(os.listdir(outside / "d")) == ["e", "f"]
            assert (await here.scan()).keys() <= {"d", "d/e", "d/f", "d/e/f"}
    finally:
        over.set()
        swapping.join()
