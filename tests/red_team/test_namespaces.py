"""A user namespace of a command's own, in which what is mounted over the directory's places holds no name any more: the
kernel is told to refuse it, and what has come of it is noticed where it cannot be."""

from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.sandbox.walls import check_hidden, known_now
from agentbatch.workspace.shell.shell import Shell
from tests.support.red_team import KEY, Attempt, BuildHouse, hand_over, tried

RENAMES = r"""
import ctypes, os
c = ctypes.CDLL(None)
os.makedirs("/tmp/n/old")
here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
print("unshared", c.unshare(0x10020000))
c.mount(b"none", b"/", None, 0x44000, None)
c.mount(b"/tmp/n", b"/tmp/n", None, 0x5000, None)
c.syscall(155, b"/tmp/n", b"/tmp/n/old")
os.chdir("/")
c.umount2(b"/old", 2)
os.rename("conf", "moved", src_dir_fd=here, dst_dir_fd=here)
"""
"""Unshares users and mounts, leaves the root that the covers hang in, and renames a folder above one. (Mount points are
kept from being renamed in their own namespace alone.)"""


REMOVES = (
    "unshare -Urm sh -c 'umount -l conf/keys.env; umount -l conf; rm -f conf/keys.env; mv conf moved; rm -rf moved'; "
    "unshare -Urm sh -c 'umount -l .env; rm -f .env; mv .env env'; rm -rf conf; ls -A"
)


def test_what_is_hidden_is_not_removed_there(
    build: BuildHouse, user: int | None, bubblewrap: SandboxChoice
) -> None:
    house = build("home/project")
    (house.root / "rename.py").write_text(RENAMES)
    if user is not None:
        hand_over(house.folder, user)
    attempts = [Attempt("renames", "/usr/bin/python3 rename.py"), Attempt("removes", REMOVES)]
    done = tried(house, [*attempts, Attempt("reads", "cat */keys.env .env env")], bubblewrap, user)
    assert "unshared -1" in done["renames"].output
    assert KEY not in "".join(outcome.output for outcome in done.values())
    assert [place.read_text().count(KEY) for place in house.env_files] == [1, 1]


@pytest.mark.slow
async def test_what_was_renamed_there_is_not_read_by_the_next_command(
    build: BuildHouse, user: int | None, bubblewrap: SandboxChoice
) -> None:
    if user is not None:
        pytest.skip("as we are is enough")
    house = build("home/project")
    (house.root / "rename.py").write_text(RENAMES)
    rules: SandboxRules = house.rules(replace(bubblewrap, filter=b""))
    sandbox = rules.sandbox(house.root, {}, [])
    shell = Shell(house.root, sandbox, {"PATH": "/usr/bin:/bin"}, house.folder / "outputs")
    done = await shell.run(
        "/usr/bin/python3 rename.py; mkdir -p conf; touch conf/keys.env; cat */keys.env", 30.0
    )
    assert KEY not in done.output
    with pytest.raises(UserError, match=r"conf/.* was hidden"):
        await shell.run("cat */keys.env", 300.0)


@pytest.mark.slow
async def test_a_link_in_the_place_of_a_mount_leads_nowhere(
    build: BuildHouse, user: int | None, bubblewrap: SandboxChoice
) -> None:
    """Renamed in such a namespace, a folder above something read-only leaves its name to a link out of here."""
    if user is not None:
        pytest.skip("as we are is enough")
    house = build()
    (house.root / "conf").mkdir()
    (house.root / "conf/config").write_text("")
    (house.root / "rename.py").write_text(RENAMES)
    rules: SandboxRules = house.rules(replace(bubblewrap, filter=b""))
    sandbox = rules.sandbox(house.root, {}, [], (), [house.root / "conf/config"])
    shell = Shell(house.root, sandbox, {"PATH": "/usr/bin:/bin"}, house.folder / "outputs")
    await shell.run("/usr/bin/python3 rename.py; ln -s ../../../../proof conf", 300.0)
    (house.proof / "config").write_text("")
    with pytest.raises(UserError, match="became a link"):
        await shell.run("touch conf/owned", 300.0)
    assert house.proofs() == ["config"]


def test_another_in_the_place_of_what_is_hidden_ends_the_task(tmp_path: Path) -> None:
    hidden = [tmp_path / ".env", tmp_path / "not-there"]
    hidden[0].write_text("a")
    there = known_now(hidden)
    hidden[0].write_text("b")
    check_hidden(there)
    hidden[0].rename(tmp_path / "moved")
    hidden[0].write_text("")
    with pytest.raises(UserError, match="was hidden"):
        check_hidden(there)
