"""A workspace of this machine: its members, checkpoints, and forks that nothing leaves."""

import asyncio
import os
import socket
import subprocess
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.inspection import remove_isolated_dirs
from agentbatch.workspace.local_workspace import LocalWorkspace, SandboxRules
from agentbatch.workspace.local_workspaces import MAY_GO, SCRATCH, LocalWorkspaces
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.workspace import Checkpoint, Limits, Order, Workspace
from tests.support.workspaces import local_workspace, local_workspaces
from tests.workspace.repositories import make_repository as with_commit
from tests.workspace.repositories import needs_git

TOOLS = ("bash", "read_file", "write_file", "edit_file", "finish")


def order(directory: Path, **changed: object) -> Order:
    given: dict[str, object] = {
        "task_id": "t",
        "directory": str(directory),
        "isolation": "none",
        "env": {},
        "tools": TOOLS,
        "command_timeout": 60.0,
        **changed,
    }
    return Order(**given)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "task"
    path.mkdir()
    return path


@pytest.fixture
def workspaces(tmp_path: Path) -> LocalWorkspaces:
    return local_workspaces(tmp_path / ".agentbatch/runs/r1/tasks", os.environ)


@pytest.fixture
async def workspace(workspaces: LocalWorkspaces, root: Path) -> Workspace:
    return await workspaces.make(order(root)).start()


def make_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def fill(root: Path) -> None:
    """Everything that a directory can hold."""
    (root / "node_modules/.bin").mkdir(parents=True)
    (root / "node_modules/.bin/tool").symlink_to("../tool.js")
    (root / "node_modules/tool.js").write_text("tool")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o751)
    (root / os.fsdecode(b"not \xff utf-8")).write_text("x")
    (root / "dangling").symlink_to("/not/there")
    (root / "empty").mkdir(mode=0o700)
    (root / "closed").mkdir()
    (root / "closed/file").write_text("x")
    (root / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    os.utime(root / "run.sh", ns=(10**18, 10**18 + 5))
    (root / "closed").chmod(0o555)


def state(root: Path) -> dict[str, object]:
    """All that a checkpoint promises: kinds, contents, modes, times of files, targets of links."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            what: object = os.readlink(path)
        elif path.is_file():
            what = (path.read_bytes(), status.st_mode, status.st_mtime_ns)
        else:
            what = status.st_mode
        found[path.relative_to(root).as_posix()] = what
    return found


async def test_arguments_come_as_text_or_as_the_object(workspace: Workspace, root: Path) -> None:
    one = await workspace.call("write_file", {"path": "1", "content": "x"})
    two = await workspace.call("write_file", '{"path": "2", "content": "x"}')
    assert (one.ok, one.changed, two.ok, two.changed) == (True, True, True, True)
    assert (root / "1").read_text() == (root / "2").read_text() == "x"
    wrong = await workspace.call("write_file", {"path": "3", "contents": "x"})
    assert (wrong.ok, wrong.invalid, wrong.changed) == (False, True, False)
    assert not (root / "3").exists()


async def test_a_tool_that_was_not_ordered_does_not_run(workspaces: LocalWorkspaces, root: Path) -> None:
    workspace = await workspaces.make(order(root, tools=("read_file", "finish"))).start()
    assert (await workspace.call("bash", {"command": "touch made"})).invalid
    assert list(root.iterdir()) == []


@pytest.mark.slow
async def test_a_task_gets_no_more_memory_than_it_may_take(workspaces: LocalWorkspaces, root: Path) -> None:
    place = workspaces.make(order(root, limits=Limits(memory=96 << 20)))
    workspace = await place.start()
    script = "import sys; sys.stdout.write('got' if bytearray(400 << 20) else '')"
    for where in (workspace, await workspace.fork()):
        result = await where.run(f'python3 -c "{script}"', 300.0)
        assert result.exit_code
        assert "got" not in result.output
        assert "may take 96 MB" in result.output or "MemoryError" in result.output
    assert await place.close() == ()


async def test_a_checkpoint_brings_everything_back(workspace: Workspace, root: Path) -> None:
    fill(root)
    before, inode = state(root), (root / "large.bin").stat().st_ino
    checkpoint = await workspace.checkpoint()
    for _ in range(2):  # as often as is wanted
        await workspace.run(
            "echo changed > run.sh; chmod 600 run.sh; touch -d @1 run.sh; rm -rf closed node_modules/tool.js empty;"
            "ln -sfn elsewhere dangling; echo file > empty; mkdir -p added/deep; echo x > added/deep/file;"
            "rm node_modules/.bin/tool; mkdir -p node_modules/.bin/tool/inside; mkdir locked; echo x > locked/x;"
            "chmod 0 locked; mkfifo closed",
            60,
        )
        assert state(root) != before
        await workspace.restore_checkpoint(checkpoint)
        assert state(root) == before
    assert (root / "large.bin").stat().st_ino == inode, "what did not change is not written again"


async def test_a_checkpoint_sees_a_change_that_hides_its_time(workspace: Workspace, root: Path) -> None:
    (root / "a").write_text("one")
    checkpoint = await workspace.checkpoint()
    await workspace.run("touch -r a ../then; printf two > a; touch -r ../then a", 300)
    await workspace.restore_checkpoint(checkpoint)
    assert (root / "a").read_text() == "one"


async def test_a_checkpoint_follows_no_link_out(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub/file").write_text("mine")
    (root / "file").write_text("mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not yours")
    checkpoint = await workspace.checkpoint()
    await workspace.run(f"rm -rf sub file; ln -s {outside} sub; ln -s {outside}/file file", 300)
    await workspace.restore_checkpoint(checkpoint)
    assert (outside / "file").read_text() == "not yours"
    assert (root / "sub/file").read_text() == (root / "file").read_text() == "mine"


async def test_a_checkpoint_leaves_the_runs_folder_and_keys_alone(tmp_path: Path, root: Path) -> None:
    (root / ".env").write_text("KEY=first")
    (root / ".agentbatch/runs").mkdir(parents=True)
    (root / ".agentbatch/runs/run.db").write_text("one")
    (root / "sub").mkdir()
    workspace = await local_workspaces(tmp_path / "tasks", os.environ).make(order(root)).start()
    checkpoint = await workspace.checkpoint()
    kept = tmp_path / "tasks/t" / SCRATCH / checkpoint.name
    assert sorted(path.name for path in kept.iterdir()) == ["sub"]
    (root / ".env").write_text("KEY=second")
    (root / ".agentbatch/runs/run.db").write_text("two")
    (root / "sub/.agentbatch").mkdir()
    await workspace.restore_checkpoint(checkpoint)
    assert (root / ".env").read_text() == "KEY=second"
    assert (root / ".agentbatch/runs/run.db").read_text() == "two"


async def test_an_unknown_checkpoint_is_a_sentence(workspace: Workspace, root: Path) -> None:
    (root / "a").write_text("x")
    with pytest.raises(UserError, match="There is no checkpoint-7"):
        await workspace.restore_checkpoint(Checkpoint("checkpoint-7"))
    assert (root / "a").read_text() == "x"


async def test_a_fork_is_the_directory_now_and_nothing_leaves_it(workspace: Workspace, root: Path) -> None:
    fill(root)
    before = state(root)
    fork = await workspace.fork()
    there = Path(fork.info.directory)
    assert there != root
    assert state(there) == before
    assert not changes(await workspace.snapshot(), await fork.snapshot())
    assert (await fork.call("write_file", {"path": "run.sh", "content": "changed"})).ok
    await fork.run("rm large.bin; chmod 700 closed; echo x > closed/more", 300)
    assert state(root) == before
    assert await fork.close() == ()
    assert not there.exists()
    assert await workspace.close() == ()


async def test_a_fork_holds_no_keys_no_sockets_and_no_way_into_the_users_repository(
    tmp_path: Path, root: Path
) -> None:
    keys = root / "keys.env"
    keys.write_text("KEY=x")
    (root / ".env").write_text("KEY=x")
    (root / ".git").write_text(f"gitdir: {tmp_path}/elsewhere/.git")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    (root / "a").write_text("x")
    make_repository(tmp_path)
    workspace = await local_workspaces(tmp_path / "tasks", os.environ, [keys]).make(order(root)).start()
    fork = await workspace.fork()
    assert sorted(path.name for path in Path(fork.info.directory).iterdir()) == ["a"]
    said = await fork.run("git rev-parse --show-toplevel", 300)
    assert said.exit_code != 0
    await workspace.close()


@needs_git
@pytest.mark.parametrize("at", [".", "sub"])
async def test_git_in_a_fork_of_a_worktree_reaches_no_repository(
    workspaces: LocalWorkspaces, root: Path, at: str
) -> None:
    root.rmdir()
    with_commit(root, {"sub/a": "x"})
    workspace = await workspaces.make(order(root / at, isolation="worktree")).start()
    here = await workspace.run("git rev-parse --show-toplevel && git status --short", 300)
    assert (here.exit_code, here.output.count("\n")) == (0, 1)
    fork = await workspace.fork()
    for command in ("git rev-parse --git-dir", "git status", "git commit --allow-empty -m x"):
        there = await fork.run(command, 300)
        assert (there.exit_code, "not a git repository" in there.output) == (128, True), command


async def test_forks_end_with_their_workspace_and_may_be_forked(workspace: Workspace, root: Path) -> None:
    (root / "a").write_text("x")
    one, two = await workspace.fork(), await workspace.fork()
    inner = await one.fork()
    await one.call("write_file", {"path": "a", "content": "one"})
    assert [Path(w.info.directory, "a").read_text() for w in (one, two, inner)] == ["one", "x", "x"]
    await one.close()
    assert not Path(inner.info.directory).exists()
    assert Path(two.info.directory).exists()
    await workspace.close()
    assert not Path(two.info.directory).exists()
    assert (root / "a").read_text() == "x"


async def test_long_outputs_of_a_fork_go_with_it(workspace: Workspace) -> None:
    fork = await workspace.fork()
    spilled = (await fork.run("seq 20000", 300)).spilled
    assert Path(spilled).is_relative_to(Path(fork.info.directory).parent.parent)
    assert "     1\t1" in (await fork.call("read_file", {"path": spilled})).text
    await fork.close()
    assert not Path(spilled).exists()


async def test_a_fork_has_the_same_sandbox(tmp_path: Path, root: Path, bubblewrap: SandboxChoice) -> None:
    runs = tmp_path / "project/.agentbatch"
    tasks = runs / "runs/r1/tasks"
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret").write_text("x")
    rules = SandboxRules(bubblewrap, False, Path.home(), (other, root, runs), ())
    workspaces = LocalWorkspaces(
        "r1", tasks, os.environ, rules, secret_names=("TOP_SECRET",), redact=Redactor(["hush-hush-hush"])
    )
    workspace = await workspaces.make(order(root, env={"MINE": "yes"})).start()
    (root / "a").write_text("x")
    fork = await workspace.fork()
    assert (fork.info.sandbox, fork.info.network) == ("bubblewrap", False)
    said = await fork.run(
        f"cat a; echo $MINE; cat {other}/secret {root}/a; echo hush-hush-hush; echo y > new", 60
    )
    assert said.output.startswith("xyes\n")
    assert "[redacted]" in said.output
    assert said.output.count("No such file") == 2
    assert Path(fork.info.directory, "new").read_text() == "y\n"
    await workspace.close()


async def test_a_cancelled_copy_leaves_nothing(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    for number in range(3000):
        (root / str(number)).write_text("x" * 1000)
    for member in (workspace.fork, workspace.checkpoint):
        doing = asyncio.ensure_future(member())
        scratch = tmp_path / ".agentbatch/runs/r1/tasks/t" / SCRATCH
        while not (scratch.exists() and list(scratch.rglob("1*"))):
            assert not doing.done()
            await asyncio.sleep(0)
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing
        assert not list(scratch.rglob("1*"))


async def test_what_a_killed_session_left_goes_before_anything_starts(
    workspaces: LocalWorkspaces, workspace: Workspace, tmp_path: Path, root: Path
) -> None:
    (root / "a").write_text("x")
    fork = await workspace.fork()
    await workspace.checkpoint()
    tasks = tmp_path / ".agentbatch/runs/r1/tasks"
    assert Path(fork.info.directory).exists()
    elsewhere = tmp_path / "elsewhere"
    for name in (SCRATCH, "work"):
        (elsewhere / name).mkdir(parents=True)
    (elsewhere / "work" / MAY_GO).touch()
    (tasks / "zz").symlink_to(elsewhere)
    (tasks / "yy").mkdir()
    (tasks / "yy" / "work").symlink_to(elsewhere / "work")
    later = local_workspaces(tasks, os.environ)
    await later.remove_leftovers(["yy", "zz"])
    assert sorted(place.name for place in elsewhere.rglob("*")) == [MAY_GO, SCRATCH, "work"]
    assert not (tasks / "t" / SCRATCH).exists()
    assert (root / "a").read_text() == "x"


async def test_files_that_a_kill_left_unfinished_go_when_a_task_is_resumed(
    workspaces: LocalWorkspaces, root: Path
) -> None:
    unfinished = root / "sub" / f".agentbatch-{'0a' * 8}"
    unfinished.parent.mkdir()
    unfinished.write_text("half")
    (root / "sub/.agentbatch-mine").write_text("x")
    await workspaces.make(order(root)).start()
    assert unfinished.exists()
    await workspaces.make(order(root, resume=True, repair=True)).start()
    assert [path.name for path in unfinished.parent.iterdir()] == [".agentbatch-mine"]


@pytest.mark.parametrize("lost", ["copy", "place.json"])
async def test_a_resumed_task_whose_copy_is_gone_does_not_begin_in_a_fresh_one(
    workspaces: LocalWorkspaces, root: Path, tmp_path: Path, lost: str
) -> None:
    (root / "a").write_text("x")
    first = await workspaces.make(order(root, isolation="copy")).start()
    assert first.info.directory != str(root)
    remove_tree(tmp_path / ".agentbatch/runs/r1/tasks/t/work" / lost)
    with pytest.raises(UserError, match="--retry-failed begins it again"):
        await workspaces.make(order(root, isolation="copy", resume=True)).start()
    again = await workspaces.make(order(root, isolation="copy")).start()
    assert Path(again.info.directory, "a").read_text() == "x"


async def test_prune_takes_what_a_killed_session_left(
    workspace: Workspace, root: Path, tmp_path: Path
) -> None:
    (root / "closed").mkdir(mode=0o555)
    fork = await workspace.fork()
    assert remove_isolated_dirs(tmp_path / ".agentbatch/runs/r1", os.environ) == []
    assert not Path(fork.info.directory).exists()


async def test_no_room_for_a_checkpoint_is_a_sentence(tmp_path: Path, root: Path) -> None:
    (root / "a").write_text("x")
    scratch = tmp_path / "scratch"
    scratch.write_text("a file is in the way")
    workspace = local_workspace(root, tmp_path / "outputs")
    with pytest.raises(UserError, match="cannot be copied"):
        await workspace.checkpoint()


async def test_fork_of_a_directory_that_is_gone_is_a_sentence(tmp_path: Path, root: Path) -> None:
    workspace: LocalWorkspace = local_workspace(root, tmp_path / "outputs")
    root.rmdir()
    fork = await workspace.fork()
    assert list(Path(fork.info.directory).iterdir()) == []
    await workspace.close()
