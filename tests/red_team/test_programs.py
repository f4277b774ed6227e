"""Somebody else's agent as the attacker: from its HOME, to its HOME, and by what it leaves there."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from secrets import token_hex

import pytest

from agentbatch.redaction import Redactor
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox
from agentbatch.workspace.workspace import Ending, Order, Program, Snapshot
from tests.support.programs import everything
from tests.support.red_team import (
    KEY,
    Attempt,
    BuildHouse,
    House,
    Outcome,
    as_user,
    build_house,
    differences,
    outcomes,
    script_of,
)
from tests.support.waiting import PATIENCE

REACHING = [
    Attempt("other-task-s-home", "cat $HOME/../../../b/homes/agent/token $RUNS/tasks/b/homes/agent/token"),
    Attempt("other-home-of-the-run", "ls $RUNS/tasks; cat $RUNS/tasks/*/homes/*/token"),
    Attempt("another-name-s-home", "cat $HOME/../other/token"),
    Attempt("run-database", "cat $RUNS/run.db $HOME/../../../../run.db"),
    Attempt("user-s-login", "cat $USERS/.codex/auth.json $USERS/.claude/.credentials.json"),
    Attempt("user-s-keys", "cat $USERS/.ssh/id $PROJECT/.env $PROJECT/conf/keys.env"),
    Attempt("engine-s-environment", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"),
    Attempt("engine-s-memory", "for p in /proc/[0-9]*; do grep -aso sk-red-team[-0-9a-f]* $p/mem $p/maps; done"),
    Attempt("open-files", "for f in /proc/[0-9]*/fd/[3-9]*; do timeout 0.2 cat $f; done"),
    Attempt("by-a-link", "ln -s $RUNS/tasks/b/homes $HOME/b; cat $HOME/b/agent/token"),
    Attempt("by-a-hard-link", "ln $RUNS/tasks/b/homes/agent/token $HOME/t; cat $HOME/t"),
    Attempt("unmounted", "umount -l $HOME $PROJECT/.agentbatch; cat $RUNS/tasks/b/homes/agent/token"),
]  # fmt: skip

LEAVING = [
    Attempt("conf-as-a-link", "rm -f $HOME/conf/told; ln -s $USERS/.ssh/id $HOME/conf/told"),
    Attempt("folder-as-a-link", "rm -rf $HOME/conf; ln -s $PROJECT $HOME/conf"),
    Attempt("fifo", "mkfifo $HOME/fifo $HOME/run.db"),
    Attempt("socket", "cd $HOME; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"sock\", Listen => 1)'"),
    Attempt("ten-gigabytes", "truncate -s 10G $HOME/large"),
    Attempt("closed", "cd $HOME; mkdir -p closed/inner; touch closed/inner/x; chmod 0 closed/inner closed"),
    Attempt("deep", "cd $HOME; n=$(printf %0200d 0); for i in $(seq 40); do mkdir $n && cd $n; done"),
    Attempt("odd-names", "cd $HOME; touch -- -rf $'new\\nline' $'\\xff\\xfe' ' '"),
    Attempt("settings", "for f in .bashrc .gitconfig .npmrc .env sitecustomize.py; do echo $RUN > $HOME/$f; done"),
    Attempt("programs", "mkdir -p $HOME/.local/bin; for p in git bash python3 rm node; do "
            "printf '#!/bin/sh\\n%s\\n' \"$RUN\" > $HOME/.local/bin/$p; chmod +x $HOME/.local/bin/$p; done"),
    Attempt("in-the-task-s-folder", "touch $HOME/../planted $HOME/../../planted $HOME/../../may-go"),
    Attempt("home-itself", "rm -rf $HOME; mv $HOME $HOME.2; ln -sfn $USERS $HOME"),
]  # fmt: skip


class Place:
    """A task of the house, and how an agent is started in it."""

    def __init__(self, house: House, choice: SandboxChoice) -> None:
        self.house = house
        self.run = house.runs / "runs/r1"
        self.choice = choice
        self.homes = self.run / "tasks/a/homes"

    async def connected(self) -> str:
        """What an agent without a network reaches of two servers of this machine, the first of which it is given."""
        with socket.create_server(("127.0.0.1", 0)) as given, socket.create_server(("127.0.0.1", 0)) as other:
            port, closed = given.getsockname()[1], other.getsockname()[1]
            given.setblocking(False)
            run = LocalWorkspaces(
                "r1",
                self.run / "tasks",
                self.house.environ(),
                self.house.rules(self.choice),
                secret_names=(),
                redact=Redactor([]),
            )
            task = run.make(Order("a", str(self.house.root), "none", {}, (), 60.0))
            try:
                script = f"echo hello > /dev/tcp/127.0.0.1/{port}; echo no > /dev/tcp/127.0.0.1/{closed} || echo shut"
                agent = await (await task.start()).open(Program(("bash", "-c", script), "agent", port=port))
                loop = asyncio.get_running_loop()
                way, _ = await asyncio.wait_for(loop.sock_accept(given), PATIENCE)
                with way:
                    heard = await loop.sock_recv(way, 100)
                return heard.decode() + (await everything(agent)).decode()
            finally:
                await task.close()
                await run.close()

    async def tried(self, several: list[Attempt]) -> dict[str, Outcome]:
        """The attempts by an agent, a second start of it, and the task's end."""
        house, mark = self.house, token_hex(8)
        environ = {**house.environ(), "RUNS": str(self.run), "USERS": str(house.home)}
        run = LocalWorkspaces(
            "r1", self.run / "tasks", environ, house.rules(self.choice), secret_names=(), redact=Redactor([])
        )
        task = run.make(Order("a", str(house.root), "none", environ, (), 60.0))
        try:
            workspace = await task.start()
            files = {"conf/told": b"told"}
            # Another program's, of the same task.
            other = await workspace.open(Program(("true",), "other", {}, {"token": KEY.encode()}))
            assert await other.wait() == 0
            agent = await workspace.open(
                Program(("bash", "-c", script_of(several, mark)), "agent", environ, files)
            )
            output = (await everything(agent)).decode(errors="replace")
            again = await workspace.open(
                Program(("cat", f"{self.homes}/agent/conf/told"), "agent", {}, files)
            )
            assert await everything(again) == b"told"
            await task.leave(Ending(True, False, Snapshot({}), Snapshot({}), "", ""))
        finally:
            problems = await task.close()
            await run.close()
        assert problems == ()
        assert not os.path.lexists(self.homes)
        return outcomes(several, mark, f"\n{output}\n")


def attacked(
    house: House, choice: SandboxChoice, several: list[Attempt], user: int | None
) -> dict[str, Outcome]:
    place = Place(house, choice)
    return as_user(user, lambda: asyncio.run(place.tried(several)))


def furnish(house: House, user: int | None) -> None:
    """Another task's HOME, and logins."""
    path = house.runs / "runs/r1/tasks/b/homes/agent/token"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(KEY)
    for name in (".codex/auth.json", ".claude/.credentials.json"):
        (house.home / name).parent.mkdir(exist_ok=True)
        (house.home / name).write_text(KEY)
    if user is not None:
        for path in (house.folder, *house.folder.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


@pytest.fixture(scope="module")
def reached(bubblewrap: SandboxChoice, build: BuildHouse, user: int | None) -> dict[str, Outcome]:
    house = build()
    furnish(house, user)
    os.environ["AGENTBATCH_RED_TEAM"] = KEY
    try:
        return attacked(house, bubblewrap, REACHING, user)
    finally:
        del os.environ["AGENTBATCH_RED_TEAM"]


@pytest.mark.parametrize("attempt", REACHING, ids=lambda a: a.name)
def test_nothing_is_reached_that_is_not_its_own(attempt: Attempt, reached: dict[str, Outcome]) -> None:
    assert KEY not in reached[attempt.name].output


def test_what_it_leaves_in_its_home_is_followed_by_nobody_and_gone_with_the_task(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None
) -> None:
    house = build()
    furnish(house, user)
    before = house.seal()
    done = attacked(house, bubblewrap, LEAVING, user)
    changed = [path for path in differences(before, house.seal()) if "/tasks/a" not in path]
    assert len(done) == len(LEAVING)
    assert (changed, house.proofs()) == ([], [])
    assert not list((house.runs / "runs/r1/tasks/a").glob("*planted*"))


def test_without_a_sandbox_it_is_followed_by_nobody_either(tmp_path: Path) -> None:
    house = build_house(tmp_path)
    furnish(house, None)
    before = house.seal()
    keeping = [one for one in LEAVING if one.name not in ("in-the-task-s-folder",)]
    attacked(house, choose_sandbox("none"), keeping, None)
    changed = [path for path in differences(before, house.seal()) if "/tasks/a" not in path]
    assert (changed, house.proofs()) == ([], [])


def test_one_port_is_reached_without_a_network(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None
) -> None:
    place = Place(build(), bubblewrap)

    def act() -> str:
        if not os.access(sys.executable, os.X_OK):  # a user of the machine has a Python that he can reach
            sys.executable, sys.base_prefix = "/usr/bin/python3", "/usr"
        return asyncio.run(place.connected())

    assert as_user(user, act) == "hello\nshut\n"
