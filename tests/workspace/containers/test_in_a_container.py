"""A workspace in a container does what every workspace does."""

import asyncio
import os
from pathlib import Path

import pytest

from agentbatch.workspace.containers.container import ENDED
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.workspace import Ending, Limits
from tests.support.containers import containers_of
from tests.support.waiting import until
from tests.workspace.containers.conftest import TASKS, MakePlace, MakeTask
from tests.workspace.repositories import make_repository

pytestmark = pytest.mark.slow


async def test_commands_see_the_image_and_the_directory_alone(task: MakeTask, tmp_path: Path) -> None:
    place = await task(files={"a.txt": "a\n"}, env={"GREETING": "it's\nme"})
    root = tmp_path / "project/task"
    assert place.info.sandbox == "podman"
    assert place.info.directory == str(root)
    shown = await place.run(
        'pwd; cat a.txt; echo "$GREETING"; echo new > b.txt; ls /; id -u; echo $HOME; ls -A ~', 30
    )
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert lines[:4] == [str(root), "a", "it's", "me"]
    assert "home" not in lines  # of this machine
    assert lines[-2:] == ["0", "/tmp/home"]
    written = root / "b.txt"
    assert (written.read_text(), written.stat().st_uid) == ("new\n", os.getuid())


async def test_nothing_but_the_directory_can_be_changed(task: MakeTask) -> None:
    place = await task()
    shown = await place.run(
        "for place in / /bin /usr /etc /lib /var /root /.agentbatch /proc/sys/kernel; do touch $place/x; done; "
        "echo x > /bin/bash; for one in hosts resolv.conf hostname; do echo 1 > /etc/$one; done; mkdir /dev/x; "
        "rm /dev/null; echo x > /dev/null; ln -sf /etc/passwd /dev/stdin; touch /dev/shm/left; "
        "touch /tmp/left /var/tmp/left /run/left ~/left",
        300,
    )
    assert shown.output.count("Read-only file system") == 12, shown.output
    again = await place.run(
        "find /tmp /var/tmp /run ~ /dev/shm -name left; find /usr /bin /etc /dev -name x; cat /dev/null; "
        "readlink /dev/stdin; test -c /dev/null",
        300,
    )
    assert again.output == "/proc/self/fd/0\n", again.output
    assert again.exit_code == 0


async def test_each_command_finds_its_folders_empty(task: MakeTask) -> None:
    place = await task()
    look = "find /tmp /var/tmp /run ~ -name 'left*'; for one in /tmp /var/tmp /run ~; do mkdir -p $one/left/x; done; "
    look += "mkfifo /tmp/left.pipe; ln -s / /tmp/left.link; chmod 0 /run/left; rm -rf ~; ln -s /etc ~"
    for _ in range(3):
        assert (await place.run(look, 300)).output == ""


@pytest.mark.parametrize("makes", ["shmget(7, 4096, 0o1666)", "semget(7, 1, 0o1666)", "msgget(7, 0o1666)"])
async def test_a_note_of_system_v_is_not_there_for_the_next_command(task: MakeTask, makes: str) -> None:
    place = await task("whole")
    look = "cat /proc/sysvipc/{shm,sem,msg} | wc -l; tr '\\0' ' ' < /proc/1/cmdline"
    shown = [(await place.run(look, 300)).output.splitlines() for _ in range(2)]
    assert shown[0] == shown[1], "it is the same container as long as nothing is left"
    made = await place.run(f"python3 -c 'import ctypes; print(ctypes.CDLL(None).{makes})'; {look}", 300)
    assert made.output.splitlines()[:2] == ["0", "4"]
    again = (await place.run(look, 300)).output.splitlines()
    assert again[0] == "3"
    assert again[1] != shown[0][1]


async def test_a_message_queue_is_not_there_for_the_next_command(task: MakeTask) -> None:
    place = await task("whole")
    opens = "python3 -c 'import ctypes; print(ctypes.CDLL(None).mq_open(b\"/left\", {}, 0o600, None) >= 0)'"
    assert (await place.run(opens.format(0o102), 300)).output == "True\n"
    assert (await place.run(opens.format(0o2), 300)).output == "False\n"


async def test_what_a_command_left_running_is_ended(task: MakeTask, tmp_path: Path) -> None:
    place = await task("whole")
    stray = (
        "import os, time\n"
        "for _ in range(3):\n    if os.fork(): os._exit(0)\n    os.setsid()\n"
        "os.closerange(0, 99)\n"
        "while True:\n    open('ticks', 'a').write('.'); time.sleep(0.01)\n"
    )
    (tmp_path / "project/task/stray.py").write_text(stray)
    shown = await place.run(
        "env -i /usr/bin/python3 stray.py; (trap '' HUP; sleep 99) & setsid sleep 98 & "
        "until [ -s ticks ]; do sleep 0.05; done; echo end",
        300,
    )
    assert (shown.exit_code, shown.output) == (0, "end\n")
    size = (tmp_path / "project/task/ticks").stat().st_size
    await asyncio.sleep(0.2)
    assert (tmp_path / "project/task/ticks").stat().st_size == size > 0
    seen = await place.run("ps | grep -cE 'slee[p] 9[89]|stra[y]'", 300)
    assert seen.output == "0\n"


async def test_a_command_is_ended_at_its_timeout_and_when_it_is_cancelled(task: MakeTask) -> None:
    place = await task()
    for seconds in (1.0, 5.0, 25.0):  # in the first of them a busy machine may not have begun it
        late = await place.run("trap '' TERM INT HUP; echo begun; while :; do sleep 1; done", seconds)
        assert late.timed_out
        if late.output:
            break
    assert late.output == "begun\n"
    running = asyncio.ensure_future(place.run("sleep 77", 300))
    await asyncio.sleep(0.7)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    flood = await place.run("yes", 300)
    assert flood.flooded
    after = await place.run("ps | grep -cE '[s]leep|[y]es'", 300)
    assert after.output == "0\n"


@pytest.mark.parametrize(
    ("code", "command"),
    [(7, "exit 7"), (137, "kill -9 $$"), (137, "kill -9 $PPID"), (127, "nope"), (125, "exit 125")],
)
async def test_exit_codes(task: MakeTask, code: int, command: str) -> None:
    place = await task()
    shown = await place.run(command, 300)
    assert shown.exit_code == code, shown.output
    assert (await place.run("echo on", 300)).output == "on\n"


async def test_both_outputs_come_in_their_order(task: MakeTask) -> None:
    place = await task()
    shown = await place.run("for i in $(seq 50); do echo out $i; echo err $i >&2; done", 300)
    assert shown.output == "".join(f"out {n}\nerr {n}\n" for n in range(1, 51))


async def test_limits_bite(task: MakeTask) -> None:
    place = await task("whole", limits=Limits(memory=64 * 2**20, processes=20))
    large = await place.run("python3 -c 'x = bytearray(200 * 2**20)'; echo $?", 300)
    told = "[killed: together, the task's processes may take 64 MB of memory]"
    assert large.output.endswith(f"137\n\n{told}\n"), large.output
    assert (await place.run("echo on", 300)).output == "on\n"
    many = await place.run("for i in $(seq 60); do sleep 5 & done; echo $?", 300)
    assert "Resource temporarily unavailable" in many.output or "Cannot fork" in many.output
    assert (await place.run("echo on", 300)).output == "on\n"


async def test_without_a_network_there_is_none(task: MakeTask) -> None:
    place = await task("whole", network=False)
    shown = await place.run(
        "cat /proc/net/dev | grep -c :; python3 -c \"import socket; socket.create_connection(('192.0.2.1', 9), 3)\"",
        300,
    )
    assert shown.output.startswith("1\n")
    assert "Network is unreachable" in shown.output
    assert not place.info.network


async def test_a_fork_is_another_container_at_the_same_place(task: MakeTask, tmp_path: Path) -> None:
    place = await task(files={"a.txt": "a\n"})
    fork = await place.fork()
    shown = await fork.run("pwd; cat a.txt; echo b > a.txt; echo new > new.txt", 300)
    assert shown.output == f"{tmp_path}/project/task\na\n"
    assert fork.info.directory == place.info.directory
    assert (
        (await fork.call("read_file", {"path": f"{tmp_path}/project/task/a.txt"})).text.strip().endswith("b")
    )
    assert (tmp_path / "project/task/a.txt").read_text() == "a\n"
    assert not (tmp_path / "project/task/new.txt").exists()
    await fork.close()


async def test_checkpoints_and_protected_files(task: MakeTask, tmp_path: Path) -> None:
    root = tmp_path / "project/task"
    place = await task(files={"a.txt": "a\n", "tests/t.txt": "t\n"})
    protected = await place.protect(["tests"])
    before = await place.snapshot()
    kept = await place.checkpoint()
    await place.run("echo x > a.txt; rm -r tests; mkdir deep; ln -s /etc/passwd link", 300)
    assert await place.restore(protected) == ["tests/t.txt"]
    assert (root / "tests/t.txt").read_text() == "t\n"
    await place.restore_checkpoint(kept)
    assert (await place.snapshot()).digest == before.digest
    assert (await place.run("cat a.txt tests/t.txt; ls", 300)).output == "a\nt\na.txt\ntests\n"


async def test_an_empty_directory_gets_what_the_image_holds_at_its_place(
    task: MakeTask, tmp_path: Path
) -> None:
    root = tmp_path / "project/task"
    place = await task(workdir="/testbed")
    assert place.info.directory == "/testbed"
    assert sorted(os.listdir(root)) == ["link", "run.sh", "sub"]
    assert os.readlink(root / "link") == "/etc/passwd"
    assert {path.lstat().st_uid for path in root.iterdir()} == {os.getuid()}
    assert not (root / "run.sh").stat().st_mode & 0o6000
    shown = await place.run("pwd; ./run.sh; echo x > sub/new", 300)
    assert shown.output == "/testbed\nran\n"
    assert (root / "sub/new").read_text() == "x\n"
    read = await place.call("read_file", {"path": "/testbed/sub/new"})
    assert "x" in read.text
    written = await place.call("write_file", {"path": "/testbed/sub/other", "content": "y"})
    assert written.ok
    for outside in (
        "/testbed/../etc/passwd",
        "/testbed/link",
        "/testbedx",
        "/etc/passwd",
        "/testbed/sub/../../x",
    ):
        assert not (await place.call("read_file", {"path": outside})).ok


async def test_what_is_hidden_and_guarded_inside_stays_so(task: MakeTask, tmp_path: Path) -> None:
    root = tmp_path / "project/task"
    place = await task(
        files={
            ".env": "KEY=secret",
            "conf/.env.local": "KEY=secret",
            ".git/config": "[core]\n",
            ".git/HEAD": "ref: refs/heads/main\n",
            "ok": "",
        }
    )
    shown = await place.run(
        "cat .env conf/.env.local; echo x >> .git/config; mv conf conf2; rm .env; mv .git g; echo x > conf/.env.local; "
        "mkdir -p .git/hooks; echo x > .git/hooks/post-commit",
        300,
    )
    assert "secret" not in shown.output
    assert (root / ".env").read_text() == "KEY=secret"
    assert (root / ".git/config").read_text() == "[core]\n"
    assert (root / "conf/.env.local").read_text() == "KEY=secret"


async def test_a_container_that_somebody_ended_begins_again(
    task: MakeTask, engine: Engine, tmp_path: Path
) -> None:
    place = await task()
    await place.run("true", 300)
    (name,) = containers_of(tmp_path / TASKS)
    running = asyncio.ensure_future(place.run("touch begun; sleep 600", 300))
    await until((tmp_path / "project/task/begun").exists)
    engine.ask("kill", name)
    assert ENDED in (await running).output
    engine.ask("rm", "--force", name)
    assert (await place.run("echo on", 300)).output == "on\n"


async def test_a_fork_bomb_ends_with_its_command(task: MakeTask) -> None:
    place = await task(limits=Limits(processes=100))
    bomb = await place.run("b() { b | b & }; b; sleep 1; while :; do :; done", 3.0)
    assert bomb.timed_out
    gone = "while [ $(ps | wc -l) -ge 10 ]; do sleep 0.1; done; echo gone"
    assert (await place.run(gone, 300)).output == "gone\n"


async def test_a_copy_is_worked_in_and_not_the_directory(task: MakeTask, tmp_path: Path) -> None:
    place = await task("whole", isolation="copy", files={"a.txt": "a\n", ".env": "KEY=secret"})
    before = await place.snapshot()
    shown = await place.run("pwd; cat a.txt .env; echo b > a.txt; git rev-parse --git-dir", 300)
    assert shown.output.startswith(f"{place.info.directory}\na\n")
    assert "secret" not in shown.output
    assert "not a git repository" in shown.output
    assert (tmp_path / "project/task/a.txt").read_text() == "a\n"
    assert (await place.snapshot(before)).files["a.txt"].text == "b\n"


@pytest.mark.parametrize("workdir", ["", "/testbed"])
async def test_git_works_in_a_worktree_and_the_repository_is_read_only(
    task: MakeTask, tmp_path: Path, workdir: str
) -> None:
    root = tmp_path / "project/task"
    files = {"a.txt": "a\n", "sub/b.txt": "b\n"}
    make_repository(root, files)
    config = (root / ".git/config").read_text()
    place = await task("whole", isolation="worktree", workdir=workdir)
    shown = await place.run(
        "echo x >> a.txt; git status --short; git log --format=%s; git diff --stat | tail -1; "
        "git commit -qam forged; git config user.name x; echo x >> $(git rev-parse --git-common-dir)/config; "
        "echo x > $(git rev-parse --git-common-dir)/hooks/post-commit",
        300,
    )
    lines = shown.output.splitlines()
    assert lines[:2] == [" M a.txt", "first"], shown.output
    assert "1 file changed, 1 insertion(+)" in shown.output
    assert shown.output.count("Read-only file system") >= 2, shown.output
    assert (root / ".git/config").read_text() == config
    assert (root / "a.txt").read_text() == "a\n"
    assert not (root / ".git/hooks/post-commit").exists()
    assert (await place.run("pwd", 300)).output == f"{place.info.directory}\n"


async def test_what_a_copy_got_of_the_image_comes_home_with_its_changes(
    made: MakePlace, tmp_path: Path
) -> None:
    place = made(workdir="/testbed", isolation="copy", apply=True)
    work = await place.start()
    before = await work.snapshot()
    shown = await work.run("echo echo more >> run.sh; rm sub/a; echo new > new.txt", 300)
    assert shown.exit_code == 0, shown.output
    after = await work.snapshot(before)
    left = await place.leave(Ending(True, False, before, after, "message", "changes.patch"))
    root = tmp_path / "project/task"
    assert (left.unapplied, left.notices) == ("", ())
    assert sorted(path.name for path in root.iterdir()) == ["link", "new.txt", "run.sh", "sub"]
    assert (root / "run.sh").read_text() == "#!/bin/sh\necho ran\necho more\n"
    assert not any((root / "sub").iterdir())
