"""Folders that a coder takes its own permissions from: programs go on finding by its name what lies there."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.workspace.containers.container import empty_folder
from agentbatch.workspace.files.diff.left_out_diff import has_bytecode
from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.files.protect import protect, restore
from agentbatch.workspace.files.snapshot.snapshot import snapshot, take_snapshot
from agentbatch.workspace.programs.homes import is_too_large
from agentbatch.workspace.watch.changed_since import changed_since
from agentbatch.workspace.watch.git_control import control
from agentbatch.workspace.watch.privileges import take_privileges
from tests.support.red_team import BuildHouse, House, as_user

CLOSED = (0o111, 0o311, 0o444, 0o000)

FILES = {
    "shut/work.py": "print(1)\n",
    "shut/.env": "TOKEN=secret\n",
    "tests/__pycache__/test_x.cpython-311.pyc": "compiled",
    "shut/sub/.git/config": "[core]\n\tfsmonitor = ./x\n",
    "shut/deep/spec.md": "spec",
    "shut/program": "#!/bin/sh\n",
}
LOOKS: dict[str, Callable[[Path], bool]] = {
    "a snapshot": lambda root: "shut/work.py" in asyncio.run(snapshot(root)).files,
    "compiled Python": lambda root: has_bytecode(asyncio.run(snapshot(root))),
    "env files": lambda root: env_files_in(root) == [root / "shut/.env"],
    "repositories": lambda root: "shut/sub/.git/config" in control(root),
    "rights": lambda root: take_privileges(root, changed_since(root, 0.0)) == ["shut/program"],
}


@pytest.fixture
def house(build: BuildHouse, user: int | None) -> House:
    house = build()

    def fill() -> None:
        for name, text in FILES.items():
            (house.root / name).parent.mkdir(parents=True, exist_ok=True)
            (house.root / name).write_text(text)
        (house.root / "shut/program").chmod(0o4755)

    as_user(user, fill)
    return house


def close(root: Path, mode: int) -> None:
    for folder in ("shut", "tests/__pycache__"):
        (root / folder).chmod(mode)


@pytest.mark.parametrize("mode", CLOSED, ids=oct)
@pytest.mark.parametrize("look", LOOKS)
def test_what_lies_in_a_closed_folder_is_seen(house: House, user: int | None, look: str, mode: int) -> None:
    close(house.root, mode)
    assert as_user(user, lambda: LOOKS[look](house.root))


@pytest.mark.parametrize("mode", [*CLOSED, 0o555], ids=oct)
def test_protected_files_come_back_into_closed_folders(house: House, user: int | None, mode: int) -> None:
    kept = as_user(user, lambda: protect(house.root, ["shut/*.py", "shut/deep", "work.txt"]))

    def attack() -> None:
        (house.root / "shut/work.py").write_text("print(2)\n")
        (house.root / "work.txt").chmod(0)
        (house.root / "shut/deep/spec.md").unlink()
        for folder in ("shut/deep", "shut", ""):
            (house.root / folder).chmod(mode)

    as_user(user, attack)
    tampered = ["shut/deep/spec.md", "shut/work.py", "work.txt"]
    assert as_user(user, lambda: restore(house.root, kept)) == tampered
    assert (house.root / "shut/work.py").read_text() == FILES["shut/work.py"]
    assert (house.root / "shut/deep/spec.md").read_text() == FILES["shut/deep/spec.md"]
    assert (house.root / "work.txt").read_text() == "mine\n"


@pytest.mark.parametrize("mode", [*CLOSED, 0o555], ids=oct)
def test_what_a_command_leaves_in_a_closed_folder_of_a_container_goes(
    house: House, user: int | None, mode: int
) -> None:
    """Its /tmp is such a folder, which root without rights can close as well."""
    for folder in ("tests/__pycache__", "shut", ""):
        (house.root / folder).chmod(mode)
    as_user(user, lambda: empty_folder(house.root, "/tmp", ["/tmp/shut/deep"]))
    assert sorted(path.relative_to(house.root).as_posix() for path in house.root.rglob("*")) == [
        *("shut", "shut/deep", "shut/deep/spec.md")
    ]


@pytest.mark.parametrize("mode", CLOSED, ids=oct)
def test_a_home_hides_nothing_from_its_limit(house: House, user: int | None, mode: int) -> None:
    (house.root / "shut/work.py").write_bytes(b"x" * 300_000)
    close(house.root, mode)
    assert as_user(user, lambda: is_too_large(house.root, most=200_000))


def test_who_only_watches_opens_nothing(house: House, user: int | None) -> None:
    close(house.root, 0)
    as_user(user, lambda: take_snapshot(house.root))
    assert os.stat(house.root / "shut").st_mode & 0o777 == 0
