"""Env files, wherever they lie, read by any way out of the task's own directory and the project around it."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, build_sandbox
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.tools.toolbox import choose_hands, dispatch
from agentbatch.workspace.workspace import Order
from tests.support.red_team import (
    Attempt,
    BuildHouse,
    House,
    as_user,
    build_house,
    differences,
    hand_over,
    turn,
)
from tests.support.workspaces import local_workspaces

ENV_FILES = (
    ".env.local", ".env.production.local", ".ENV", ".envrc", "services/api/.env", "services/api/.env.test",
    "deep/er/and/deeper/.env", "with space/.env",
)  # fmt: skip

KEY = "sk-env-file-0123456789"
"""Not the one that stands in the other task's work, which an outer directory has too."""

ATTEMPTS = [
    Attempt("cat", "cat .env .env.* .ENV .envrc services/api/.env services/api/.env.*"),
    Attempt("find", "find . -name '.env*' -exec cat {} +"),
    Attempt("grep", "grep -rI sk-env-file . --include='.*' ; grep -ra sk-env ."),
    Attempt("copy", "cp -a services s2; cat s2/api/.env s2/api/.env.test"),
    Attempt("move-the-folder", "mv services s3; cat s3/api/.env"),
    Attempt("move-further-up", "mkdir -p n; mv deep n/; cat n/deep/er/and/deeper/.env"),
    Attempt("move-the-file", "mv .env.local x1; cat x1"),
    Attempt("link", "ln -s services/api/.env l1; cat l1"),
    Attempt("hard-link", "ln services/api/.env l2; cat l2; ln .env.local l3; cat l3"),
    Attempt("link-to-the-folder", "ln -s services/api l4; cat l4/.env"),
    Attempt("tar", "tar cf all.tar . ; grep -a sk-env-file all.tar"),
    Attempt("git", "git init -q g; git -C g add --force ../services/api/.env; git -C g show :services/api/.env"),
    Attempt("source-it", "set -a; . ./services/api/.env; env | grep -a sk-env"),
    Attempt("by-number", "for f in /proc/self/root$PWD/services/api/.env /proc/$$/cwd/.env.local; do cat $f; done"),
    Attempt("other-spelling", "cat ./services//api/../api/.env"),
    Attempt("python", "python3 -c \"import os; [print(open(os.path.join(d, n), errors='replace').read()) "
            "for d, _, f in os.walk('.') for n in f if 'env' in n.lower()]\""),
    Attempt("unmount", "umount -l services/api/.env .env.local; cat services/api/.env .env.local"),
    Attempt("remove-and-look", "rm -f .env.local; cat .env.local; rm -rf services; cat services/api/.env"),
]  # fmt: skip


def with_env_files(house: House) -> tuple[Path, ...]:
    for name in ENV_FILES:
        place = house.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"TOKEN={KEY}\n")
    return tuple(env_files_in(house.root))


@pytest.mark.parametrize("root", ["home/project/tasks/a", "home/project"])
def test_no_env_file_is_read_by_a_command(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None, root: str
) -> None:

    house = build(root)
    hidden = with_env_files(house)
    if user is not None:
        hand_over(house.folder, user)
    assert {path.relative_to(house.root).as_posix() for path in hidden} >= set(ENV_FILES)
    before = house.seal()
    done = as_user(user, lambda: asyncio.run(turn(house, ATTEMPTS, bubblewrap, hidden=hidden)))
    assert [name for name, outcome in done.items() if KEY in outcome.output] == []
    assert len(done) == len(ATTEMPTS)
    assert differences(before, house.seal()) == []
    assert [path for path in hidden if "sk-" not in path.read_text()] == []


REACHED = (*ENV_FILES, "./services/../services/api/.env", "link", "folder/.env", "services/api//.env")


@pytest.mark.parametrize("place", REACHED)
async def test_no_env_file_is_read_or_written_by_a_file_tool(tmp_path: Path, place: str) -> None:
    """Also where there is no sandbox."""
    house = build_house(tmp_path.resolve(), "home/project")
    hidden = with_env_files(house)
    (house.root / "link").symlink_to("services/api/.env")
    (house.root / "folder").symlink_to("services/api")
    sandbox = build_sandbox(
        SandboxChoice("none", None, ""), root=house.root, home=house.home, path_variable="", hidden_dirs=(),
        hidden_files=hidden, readable=(), network=True,
    )  # fmt: skip
    outputs = house.folder / "outputs"
    directory = ToolDirectory(house.root, Shell(house.root, sandbox, {}, outputs), outputs)
    hands = choose_hands(("read_file", "write_file", "edit_file"), 10.0)
    for tool, arguments in (
        ("read_file", {}),
        ("write_file", {"content": "TOKEN=evil"}),
        ("edit_file", {"old_string": "TOKEN", "new_string": "EVIL"}),
    ):
        result = await dispatch(hands, tool, {"path": place, **arguments}, directory)
        assert not result.ok
        assert KEY not in result.text
    assert [path for path in hidden if "sk-" not in path.read_text()] == []


@pytest.mark.parametrize("isolation", ["none", "copy"])
async def test_a_task_s_workspace_hides_or_leaves_out_what_lies_in_its_directory(
    tmp_path: Path, isolation: Literal["none", "copy"]
) -> None:
    """Also where that is no part of the project."""
    root = tmp_path.resolve() / "elsewhere"
    (root / "services").mkdir(parents=True)
    (root / "services/.env.local").write_text(KEY)
    made = local_workspaces(tmp_path / "tasks", {"PATH": ""})
    order = Order("t", str(root), isolation, {}, ("read_file",), 10.0)
    workspace = await made.make(order).start()
    result = await workspace.call("read_file", {"path": "services/.env.local"})
    assert ("out of your reach" if isolation == "none" else "There is no file") in result.text
    await workspace.close()
