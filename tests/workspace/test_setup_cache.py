"""What setups have made, kept for worktrees like the one that it was made in."""

import asyncio
import os
import stat
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace import setup_cache
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.setup_cache import CacheFolder, PlaceCache, SetupCaches, name_of
from agentbatch.workspace.workspace import Order, RecalledSetup, SetupCache

CACHE = SetupCache(("lock", "sub/lock"), ("node_modules", "sub/made.txt"))
STOP = Event()


def worktree(root: Path, **files: str) -> Path:
    for name, text in {"lock": "1", "sub/lock": "2", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def set_up(root: Path) -> Path:
    """What a setup makes."""
    worktree(root, **{"node_modules/x/i.js": "good", "node_modules/.bin/tool": "#!", "sub/made.txt": "made"})
    (root / "node_modules/.bin/tool").chmod(0o4755)
    (root / "node_modules/.bin/alias").symlink_to("../x/i.js")
    (root / "node_modules/empty").mkdir()
    return root


@pytest.fixture
def folder(tmp_path: Path) -> CacheFolder:
    return CacheFolder(tmp_path / "setup")


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"lock": "another"}},
        {"files": {"sub/lock": "another"}},
        {"cache": SetupCache(("lock",), CACHE.paths)},
        {"cache": SetupCache(CACHE.key, ("node_modules",))},
        {"made_by": {"setup": ["npm install"]}},
        {"made_by": {"setup": ["npm ci"], "included": "1"}},
    ],
)
def test_the_name_is_made_of_all_that_setup_depends_on(tmp_path: Path, change: dict[str, Any]) -> None:
    made_by = {"setup": ["npm ci"]}
    name = name_of(worktree(tmp_path / "a"), CACHE, made_by)
    assert name == name_of(worktree(tmp_path / "b", other="x"), CACHE, made_by)
    other = worktree(tmp_path / "c", **change.get("files", {}))
    assert name != name_of(other, change.get("cache", CACHE), change.get("made_by", made_by))


@pytest.mark.parametrize("kind", ["gone", "link", "way", "fifo", "large"])
def test_a_key_that_is_no_file_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    root = worktree(tmp_path / "a")
    (tmp_path / "away").mkdir()
    (tmp_path / "away/lock").write_text("1")
    (root / "sub/lock").unlink()
    match kind:
        case "link":
            (root / "sub/lock").symlink_to(tmp_path / "away/lock")
        case "way":
            (root / "sub").rmdir()
            (root / "sub").symlink_to(tmp_path / "away")
        case "fifo":
            os.mkfifo(root / "sub/lock")
        case "large":
            (root / "sub/lock").write_text("22")
            monkeypatch.setattr(setup_cache, "MAX_KEY", 1)
    with pytest.raises(UserError, match="its key sub/lock (cannot be read|is no file, or too large)"):
        name_of(root, CACHE, {})


def test_what_comes_back_is_what_setup_made(tmp_path: Path, folder: CacheFolder) -> None:
    one, other = set_up(tmp_path / "a"), worktree(tmp_path / "b")
    assert not folder.bring("n", other, CACHE.paths, STOP)
    assert folder.keep("n", one, CACHE.paths, STOP) == ""
    # What a coder writes later reaches neither the cache nor others.
    (one / "node_modules/x/i.js").write_text("evil")
    assert folder.bring("n", other, CACHE.paths, STOP)
    (other / "node_modules/x/i.js").write_text("evil")
    third = worktree(tmp_path / "c")
    assert folder.bring("n", third, CACHE.paths, STOP)
    assert (third / "node_modules/x/i.js").read_text() == "good"
    assert (third / "sub/made.txt").read_text() == "made"
    assert stat.S_IMODE((third / "node_modules/.bin/tool").stat().st_mode) == 0o755, "no setuid"
    assert os.readlink(third / "node_modules/.bin/alias") == "../x/i.js"
    assert (third / "node_modules/empty").is_dir()


def test_the_first_that_was_kept_stays(tmp_path: Path, folder: CacheFolder) -> None:
    folder.keep("n", set_up(tmp_path / "a"), CACHE.paths, STOP)
    second = set_up(tmp_path / "b")
    (second / "sub/made.txt").write_text("later")
    assert folder.keep("n", second, CACHE.paths, STOP) == ""
    third = worktree(tmp_path / "c")
    assert folder.bring("n", third, CACHE.paths, STOP)
    assert (third / "sub/made.txt").read_text() == "made"
    assert sorted(one.name for one in folder.path.iterdir()) == ["lock", "n"]


@pytest.mark.parametrize("kind", ["link", "way", "gone", "fifo"])
def test_links_in_the_place_of_what_is_kept_are_not_followed(
    tmp_path: Path, folder: CacheFolder, kind: str
) -> None:
    away = tmp_path / "away"
    worktree(away, **{"made.txt": "secret"})
    root = set_up(tmp_path / "a")
    (root / "sub/made.txt").unlink()
    match kind:
        case "link":
            (root / "sub/made.txt").symlink_to(away / "made.txt")
        case "way":
            (root / "sub/lock").unlink()
            (root / "sub").rmdir()
            (root / "sub").symlink_to(away)
        case "fifo":
            os.mkfifo(root / "sub/made.txt")
    with pytest.raises(OSError, match="made.txt|Not a directory|No such file"):
        folder.keep("n", root, CACHE.paths, STOP)
    assert not folder.path.exists()


@pytest.mark.parametrize("kind", ["there", "link", "way"])
def test_nothing_is_written_over_or_through_links(tmp_path: Path, folder: CacheFolder, kind: str) -> None:
    folder.keep("n", set_up(tmp_path / "a"), CACHE.paths, STOP)
    root, away = worktree(tmp_path / "b"), tmp_path / "away"
    away.mkdir()
    match kind:
        case "there":
            (root / "sub/made.txt").write_text("of the commit")
        case "link":
            (root / "sub/made.txt").symlink_to(away / "made.txt")
        case "way":
            (root / "sub/lock").unlink()
            (root / "sub").rmdir()
            (root / "sub").symlink_to(away)
    assert not folder.bring("n", root, CACHE.paths, STOP)
    assert not list(away.iterdir())
    assert not (root / "node_modules").exists(), "all of them or none"
    assert folder.bring("n", worktree(tmp_path / "c"), CACHE.paths, STOP), "it is not damaged"


@pytest.mark.parametrize("damage", ["gone", "more", "size"])
def test_a_damaged_one_goes(tmp_path: Path, folder: CacheFolder, damage: str) -> None:
    folder.keep("n", set_up(tmp_path / "a"), CACHE.paths, STOP)
    match damage:
        case "gone":
            (folder.path / "n/0/x/i.js").unlink()
        case "more":
            (folder.path / "n/0/x/evil.js").write_text("evil")
        case "size":
            (folder.path / "n/size").write_text("{")
    root = worktree(tmp_path / "b")
    assert not folder.bring("n", root, CACHE.paths, STOP)
    assert not (root / "node_modules").exists()
    assert not (folder.path / "n").exists()


@pytest.mark.parametrize(
    ("limit", "most", "why"),
    [
        ("MAX_FILES", 2, "more than is kept"),
        ("MAX_BYTES", 5, "more than is kept"),
        ("MIN_FREE", 1 << 62, "too little room"),
    ],
)
def test_too_much_is_not_kept(
    tmp_path: Path, folder: CacheFolder, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, why: str
) -> None:
    monkeypatch.setattr(setup_cache, limit, most)
    assert why in folder.keep("n", set_up(tmp_path / "a"), CACHE.paths, STOP)
    assert not (folder.path / "n").exists()


def test_what_was_used_longest_ago_and_what_was_half_kept_make_room(
    tmp_path: Path, folder: CacheFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = set_up(tmp_path / "a")
    new, old, older, last = (number * 64 for number in "1234")
    for age, name in enumerate((new, old, older)):
        folder.keep(name, root, CACHE.paths, STOP)
        os.utime(folder.path / name / "size", (1e9 - age, 1e9 - age))
    half = folder.path / f".half-{'1' * 16}"
    half.mkdir()
    os.utime(half, (1e9, 1e9))
    (folder.path / f".half-{'2' * 16}").mkdir()
    not_ours = folder.path / "documents"
    not_ours.mkdir()
    os.utime(not_ours, (1e9, 1e9))
    used = worktree(tmp_path / "b")
    assert folder.bring(older, used, CACHE.paths, STOP)
    one = setup_cache._size_of(folder.path / new).bytes
    monkeypatch.setattr(setup_cache, "MAX_TOTAL", 3 * one)
    folder.keep(last, root, CACHE.paths, STOP)
    kept = [f".half-{'2' * 16}", new, older, last, "documents", "lock"]
    assert sorted(one.name for one in folder.path.iterdir()) == kept
    folder.clear()
    assert sorted(one.name for one in folder.path.iterdir()) == kept[-2:]


def test_a_link_in_its_place_is_refused(tmp_path: Path, folder: CacheFolder) -> None:
    """A cloned repository may have a link to the user's own folders there."""
    home = tmp_path / "home"
    (home / "documents").mkdir(parents=True)
    os.utime(home / "documents", (1e9, 1e9))
    folder.path.symlink_to(home)
    root = set_up(tmp_path / "a")
    for way in (
        lambda: folder.keep("n", root, CACHE.paths, STOP),
        lambda: folder.bring("n", root, CACHE.paths, STOP),
        folder.clear,
    ):
        with pytest.raises(
            UserError, match="setup is a link, which a repository or a task may have put there"
        ):
            way()
    assert [one.name for one in home.iterdir()] == ["documents"]


def test_folders_count_too(tmp_path: Path, folder: CacheFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_cache, "MAX_FILES", 20)
    root = worktree(tmp_path / "a", **{"sub/made.txt": ""})
    for number in range(30):
        (root / f"node_modules/{number}").mkdir(parents=True)
    assert "more than is kept" in folder.keep("n", root, CACHE.paths, STOP)


def place(run: SetupCaches) -> PlaceCache:
    order = Order("t", "/t", "worktree", {}, (), 1.0, setup=("npm ci",), setup_cache=CACHE)
    return PlaceCache(run, DiskWork(), order)


async def test_one_sets_up_and_the_others_wait_for_it(tmp_path: Path) -> None:
    run = SetupCaches(tmp_path / "setup")
    roots = [worktree(tmp_path / name) for name in "abc"]
    first, *others = (place(run) for _ in roots)
    assert await first.recall(roots[0], {}) == RecalledSetup(False)
    waiting = [
        asyncio.ensure_future(one.recall(root, {})) for one, root in zip(others, roots[1:], strict=True)
    ]
    await asyncio.sleep(0.05)
    assert not any(one.done() for one in waiting)
    set_up(roots[0])
    (roots[0] / "lock").write_text("changed by setup: the name was made before")
    assert await first.keep() == ""
    assert await asyncio.gather(*waiting) == [RecalledSetup(True)] * 2
    assert (
        await place(run).recall(worktree(tmp_path / "d", lock=(roots[0] / "lock").read_text()), {})
        == RecalledSetup()
    )


async def test_where_one_fails_nobody_waits_any_more(tmp_path: Path) -> None:
    run = SetupCaches(tmp_path / "setup")
    roots = [worktree(tmp_path / name) for name in "abc"]
    first, *others = (place(run) for _ in roots)
    await first.recall(roots[0], {})
    waiting = [
        asyncio.ensure_future(one.recall(root, {})) for one, root in zip(others, roots[1:], strict=True)
    ]
    await asyncio.sleep(0)
    first.end()  # its setup has failed, or its task was cancelled
    assert await asyncio.gather(*waiting) == [RecalledSetup(False)] * 2
    set_up(roots[1])
    assert await others[0].keep() == ""


async def test_what_cannot_be_is_a_notice(tmp_path: Path) -> None:
    run = SetupCaches(tmp_path / "setup")
    assert "setup_cache is for worktrees" in (await place(run).recall(Path(), None)).notice
    (tmp_path / "a").mkdir()
    assert "its key lock cannot be read" in (await place(run).recall(tmp_path / "a", {})).notice
    here = place(run)
    await here.recall(worktree(tmp_path / "b"), {})
    assert "What setup has made is not kept: " in await here.keep()
