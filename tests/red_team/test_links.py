"""By links, deep folders and records: a place that is not what it was when the run was planned."""

import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.pruning import remove, size
from agentbatch.workspace.files.paths import walk
from agentbatch.workspace.files.protect import protect, restore
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.files.replace import remove_unfinished
from agentbatch.workspace.inspection import remove_isolated_dirs, working_directory
from agentbatch.workspace.isolation.copy.copies import copy_tree
from agentbatch.workspace.isolation.isolated_dir import RECORD, read_isolated_dir
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.programs.homes import is_too_large
from agentbatch.workspace.watch.changed_since import changed_since
from agentbatch.workspace.watch.privileges import CAPABILITIES, take_privileges
from agentbatch.workspace.watch.watch import RECORD as WATCHED
from agentbatch.workspace.watch.watch import begin_watch, end_watch
from agentbatch.workspace.workspace import Ending, Order, Snapshot
from tests.support.red_team import House, build_house, differences
from tests.support.workspaces import UNSANDBOXED


def swap_for_a_link(house: House) -> None:
    house.victim.rename(house.project / "was-b")
    house.victim.symlink_to(house.home / ".ssh")


def swap_its_parent(house: House) -> None:
    (house.project / "tasks").rename(house.project / "was-tasks")
    (house.home / ".ssh/b").mkdir()
    (house.project / "tasks").symlink_to(house.home / ".ssh")


def swap_for_a_loop(house: House) -> None:
    house.victim.rename(house.project / "was-b")
    house.victim.symlink_to("b")


def swap_for_a_link_to_nothing(house: House) -> None:
    house.victim.rename(house.project / "was-b")
    house.victim.symlink_to(house.home / "made-by-us")


def swap_for_a_file(house: House) -> None:
    house.victim.rename(house.project / "was-b")
    house.victim.write_text("x")


def unsandboxed(house: House) -> LocalWorkspaces:
    tasks, rules = house.runs / "runs/r1/tasks", house.rules(UNSANDBOXED)
    return LocalWorkspaces("r1", tasks, house.environ(), rules, secret_names=(), redact=Redactor([]))


@pytest.mark.parametrize("isolation", ["none", "copy"])
@pytest.mark.parametrize(
    "swap", [swap_for_a_link, swap_its_parent, swap_for_a_loop, swap_for_a_link_to_nothing, swap_for_a_file]
)
async def test_a_directory_that_became_a_link_is_not_worked_in(
    tmp_path: Path, swap: Callable[[House], None], isolation: str
) -> None:
    house = build_house(tmp_path, "home/project")
    places = unsandboxed(house)
    order = Order("b", str(house.victim), isolation, {}, ("bash", "read_file"), 5.0)  # type: ignore[arg-type]
    swap(house)
    before = house.seal()
    with pytest.raises((UserError, OSError)) as error:
        await places.make(order).start()
    assert str(house.victim) in str(error.value)
    assert differences(before, house.seal()) == []


@pytest.mark.parametrize("swap", [swap_for_a_link, swap_its_parent])
async def test_a_directory_that_became_a_link_is_not_looked_through_at_the_end(
    tmp_path: Path, swap: Callable[[House], None]
) -> None:
    """Rights would be taken from programs there, and files be moved."""
    house = build_house(tmp_path, "home/project")
    places = unsandboxed(house)
    place = places.make(Order("b", str(house.victim), "none", {}, ("bash", "read_file"), 5.0))
    await place.start()
    swap(house)
    program = house.victim / "program"
    program.write_text("x")
    program.chmod(0o4755)
    left = await place.leave(Ending(False, False, Snapshot({}), Snapshot({}), "", ""))
    assert program.stat().st_mode & 0o7777 == 0o4755
    assert "cannot be seen" in " ".join(left.notices)


def deep(root: Path, depth: int, name: str) -> None:
    at = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=at)
        inner = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("kept.txt", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at))
    os.close(at)


@pytest.fixture
def deep_place(tmp_path: Path) -> Iterator[Path]:
    """pytest itself cannot remove what is so deep."""
    yield tmp_path / "t"
    remove_tree(tmp_path / "t")


@pytest.mark.parametrize(
    ("depth", "name"), [(30, "n" * 200), pytest.param(1500, "d", marks=pytest.mark.slow)]
)
def test_depth_hides_nothing_from_protection(deep_place: Path, depth: int, name: str) -> None:
    tmp_path = deep_place
    tmp_path.mkdir()
    (tmp_path / "top.txt").write_text("x")
    deep(tmp_path, depth, name)
    kept = protect(tmp_path, ["**/*.txt"])
    assert len(kept.files) == 2
    (tmp_path / "top.txt").unlink()
    deep_down = tmp_path / "top.txt"
    deep_down.mkdir()
    deep(deep_down, depth, name)
    assert "top.txt" in restore(tmp_path, kept)
    assert (tmp_path / "top.txt").read_text() == "x"
    assert remove_unfinished(tmp_path) == []


def test_depth_costs_no_more_than_it_has_folders(deep_place: Path) -> None:
    """Three thousand folders in one another took four minutes to look at."""
    deep_place.mkdir()
    deep(deep_place, 200, "n" * 200)
    opened = 0

    def count(frame: object, event: str, called: object) -> None:
        nonlocal opened
        opened += event == "c_call" and called is os.open

    sys.setprofile(count)
    try:
        seen = sum(1 for _ in walk(deep_place))
    finally:
        sys.setprofile(None)
    assert seen == 201
    assert opened < 3 * seen
    (deep_place / "n").mkdir()
    deep(deep_place / "n", 30, "n" * 200)
    assert is_too_large(deep_place, entries=231)
    assert not is_too_large(deep_place, entries=234)


RECORDS: Mapping[str, Mapping[str, object]] = {
    "root outside": {"root": "/etc"},
    "root above": {"root": "{folder}"},
    "root by dots": {"root": "{folder}/trees/../../../../../.."},
    "root by a link": {"root": "{folder}/trees/link", "top": "{folder}/trees/link"},
    "top outside": {"top": "{home}"},
    "common of folders": {"common": "{home}/dev"},
    "common of the victim": {"common": "{home}"},
    "admin elsewhere": {"admin": "{home}/.ssh"},
    "admin above": {"admin": "{home}/project/.git/worktrees/.."},
    "a base that is an option": {"base": "--output={home}/.ssh/id"},
    "a base of words": {"base": "HEAD"},
    "a branch of the user": {"branch": "main"},
    "a branch with signs": {"branch": "agentbatch/x\n..\x1b"},
    "no worktree": {"kind": "worktree", "worktree": None},
    "another kind": {"kind": "nothing"},
    "another phase": {"phase": "gone"},
    "a list": {"root": ["x"]},
    "a number": {"root": 5},
    "a branch that is a number": {"branch": 5},
    "a base that is a number": {"base": 5},
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_forged_record_of_an_isolated_directory_is_not_believed(tmp_path: Path, name: str) -> None:
    """Neither by `prune` nor by a retry: nothing outside the run's folder changes."""
    house = build_house(tmp_path, "home/project/.agentbatch/runs/r1/tasks/t/work/trees/1/p")
    folder = house.runs / "runs/r1/tasks/t/work"
    for git_dir in (house.project / ".git", house.home / "dev"):
        for part in ("objects", "refs", "worktrees/mine"):
            (git_dir / part).mkdir(parents=True)
    (house.project / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (house.home / "dev/worktrees/mine/work.txt").write_text("years of work")
    os.utime(house.home / "dev/worktrees/mine", (0, 0))
    (folder / "trees/link").symlink_to(house.home)
    tree: dict[str, object] = {
        "top": "{folder}/trees/1/p",
        "branch": "agentbatch/r1/t",
        "base": "a" * 40,
        "admin": "{home}/project/.git/worktrees/p",
        "common": "{home}/project/.git",
    }
    record: dict[str, object] = {
        "phase": "made",
        "kind": "worktree",
        "root": "{folder}/trees/1/p",
        "source": "{home}",
    }
    for key, value in RECORDS[name].items():
        (tree if key in tree else record)[key] = value
    record.setdefault("worktree", tree)
    text = json.dumps(record).replace("{folder}", str(folder)).replace("{home}", str(house.home))
    (folder / RECORD).write_text(text)
    before = {path: what for path, what in house.seal().items() if "/runs/r1/tasks/t" not in path}
    assert read_isolated_dir(folder)[0] is None
    assert working_directory(folder.parent, house.victim) == house.victim
    remove_isolated_dirs(house.runs / "runs/r1", house.environ())
    after = {path: what for path, what in house.seal().items() if "/runs/r1/tasks/t" not in path}
    assert differences(before, after) == []


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{", "\udc80", '{"git": 5, "programs": ["x"]}'])
def test_a_record_that_is_none_of_ours_is_as_none(tmp_path: Path, text: str) -> None:
    for name in (RECORD, WATCHED):
        (tmp_path / name).write_text(text, errors="surrogateescape")
    assert read_isolated_dir(tmp_path)[0] is None
    (tmp_path / "task/bin").mkdir(parents=True)
    (tmp_path / "task/bin/mine").write_text("x")
    (notice,) = end_watch(tmp_path / "task", [tmp_path / "task/bin"], tmp_path)
    assert "bin/mine" in notice


@pytest.mark.parametrize("plant", [os.mkfifo, lambda place: place.symlink_to("/dev/zero")])
def test_a_record_that_is_no_file_is_not_waited_for(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    for name, read in ((RECORD, read_isolated_dir), (WATCHED, lambda folder: end_watch(folder, [], folder))):
        plant(tmp_path / name)
        with pytest.raises(OSError, match=name):
            read(tmp_path)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6711, 0o4000])
def test_a_program_keeps_no_rights_of_its_owner(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "task"
    (root / "node_modules/deep").mkdir(parents=True)
    begin_watch(root, [], tmp_path / "record", resume=False)
    os.utime(tmp_path / "record/git-control.json", (0, 0))  # the clock of files ticks in hundredths
    for place in (root / "left", root / "node_modules/deep/left"):
        place.write_text("x")
        place.chmod(mode)
    (root / "shared").mkdir()
    (root / "shared").chmod(0o2775)
    (notice,) = end_watch(root, [], tmp_path / "record")
    assert "left" in notice
    assert "node_modules/deep/left" in notice
    assert (root / "left").stat().st_mode & 0o7777 == mode & 0o777
    assert (root / "shared").stat().st_mode & 0o7777 == 0o2775


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a program capabilities")
def test_a_program_keeps_no_capabilities(tmp_path: Path) -> None:
    """A file can give whoever starts it the rights of root without being set-user-id."""
    root = tmp_path / "task"
    root.mkdir()
    begin_watch(root, [], tmp_path / "record", resume=False)
    os.utime(tmp_path / "record/git-control.json", (0, 0))
    for name in ("left", "both"):
        (root / name).write_text("x")
        give_capability(root / name)
    (root / "both").chmod(0o4755)
    assert CAPABILITIES in os.listxattr(root / "both")
    copy_tree(root, tmp_path / "copy", (), Event())
    assert os.listxattr(tmp_path / "copy/left") == []
    (notice,) = end_watch(root, [], tmp_path / "record")
    assert "both and left" in notice or "both, left" in notice
    assert [os.listxattr(root / name) for name in ("left", "both")] == [[], []]
    assert (root / "both").stat().st_mode & 0o7777 == 0o755


def give_capability(program: Path) -> None:
    """cap_setuid, effective: what `setcap cap_setuid+ep` writes."""
    os.setxattr(program, CAPABILITIES, struct.pack("<5I", 0x02000001, 1 << 7, 0, 0, 0))


def test_a_program_that_was_there_before_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    (tmp_path / "mine").chmod(0o4755)
    later = (tmp_path / "mine").stat().st_ctime + 1
    assert take_privileges(tmp_path, changed_since(tmp_path, later)) == []
    assert (tmp_path / "mine").stat().st_mode & 0o7777 == 0o4755


@pytest.mark.parametrize(("depth", "name"), [(30, "n" * 200), (1500, "d")])
def test_depth_stops_no_pruning(tmp_path: Path, depth: int, name: str) -> None:
    folder = RunFolder(tmp_path / ".agentbatch/runs/20250101-000000-ab")
    (folder.path / "tasks/t/outputs").mkdir(parents=True)
    deep(folder.path / "tasks/t/outputs", depth, name)
    assert size(folder.path) >= 0
    remove(folder)
    assert os.listdir(tmp_path / ".agentbatch/runs") == []


def test_what_is_changed_elsewhere_by_a_hard_link_is_told(tmp_path: Path) -> None:
    """Installed packages are often the store's own files."""
    root, store = tmp_path / "task", tmp_path / "store"
    (root / "node_modules/x").mkdir(parents=True)
    store.mkdir()
    for name in ("index.js", "kept.js"):
        (store / name).write_text("ours")
        (root / "node_modules/x" / name).hardlink_to(store / name)
    (root / "own").write_text("x")
    time.sleep(0.05)
    begin_watch(root, [], tmp_path / "record", resume=False)
    (root / "own-again").hardlink_to(root / "own")
    (root / "node_modules/x/index.js").write_text("evil")
    assert (store / "index.js").read_text() == "evil"
    (notice,) = end_watch(root, [], tmp_path / "record")
    assert "node_modules/x/index.js" in notice
    assert "kept.js" not in notice
    assert "own" not in notice.partition("what lies there: ")[2]
