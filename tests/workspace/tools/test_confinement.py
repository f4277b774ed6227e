"""No file tool leaves the task's directory, whatever the path."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.tools.toolbox import HANDS, dispatch
from agentbatch.workspace.workspace import ToolResult

Call = Callable[..., Awaitable[ToolResult]]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "read_file": {},
    "write_file": {"content": "overwritten"},
    "edit_file": {"old_string": "secret", "new_string": "overwritten"},
}


@pytest.fixture
def outside(directory: ToolDirectory) -> Path:
    """A folder beside the task's, and links to it from inside."""
    outside = directory.root.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (directory.root / "link").symlink_to(outside)
    (directory.root / "file-link").symlink_to(outside / "file")
    (directory.root / "new-link").symlink_to(outside / "new")
    (directory.root / "sub").mkdir()
    (directory.root / "sub/up").symlink_to("../../outside")
    return outside


@pytest.mark.parametrize("tool", ARGUMENTS)
@pytest.mark.parametrize(
    "path",
    [
        "../outside/file",
        "sub/../../outside/file",
        "{outside}/file",
        "{root}/../outside/file",
        "link/file",
        "link/new",
        "file-link",
        "new-link",
        "sub/up/file",
        "{upper}/../outside/file",
        "../OUTSIDE/../outside/file",
        "/proc/self/cwd/file",
        "/proc/self/root{outside}/file",
        "~/file",
    ],
)
async def test_refused(call: Call, directory: ToolDirectory, outside: Path, tool: str, path: str) -> None:
    full = path.format(outside=outside, root=directory.root, upper=str(directory.root).upper())
    result = await call(tool, path=full, **ARGUMENTS[tool])
    assert not result.ok
    assert not result.changed
    assert "secret" not in result.text
    assert {entry.name: entry.read_text() for entry in outside.iterdir()} == {"file": "secret"}
    assert sorted(entry.name for entry in directory.root.parent.iterdir()) == ["outside", "task"]


async def test_outputs_are_for_reading_only(call: Call, directory: ToolDirectory) -> None:
    directory.outputs.mkdir()
    spilled = directory.outputs / "output-1.txt"
    spilled.write_text("long")
    assert (await call("read_file", path=str(spilled))).text == "     1\tlong"
    assert not (await call("write_file", path=str(spilled), content="x")).ok
    assert not (await call("edit_file", path=str(spilled), old_string="long", new_string="x")).ok
    assert spilled.read_text() == "long"


@pytest.mark.parametrize("tool", ARGUMENTS)
@pytest.mark.parametrize("path", [".env", "sub/../.env", "env-link", ".agentbatch/runs/r1/run.db"])
async def test_keys_and_the_runs_folder_are_out_of_reach(
    directory: ToolDirectory, tool: str, path: str
) -> None:
    root = directory.root
    (root / "sub").mkdir()
    (root / ".agentbatch/runs/r1/outputs").mkdir(parents=True)
    (root / ".agentbatch/runs/r1/run.db").write_text("secret")
    (root / ".agentbatch/runs/r1/outputs/output-1.txt").write_text("long")
    (root / ".env").write_text("KEY=secret")
    (root / "env-link").symlink_to(".env")
    sandbox = Sandbox("none", root=root, out_of_reach=(root / ".agentbatch/runs", root / ".env"))
    shell = Shell(root, sandbox, {}, root / "unused")
    here = ToolDirectory(root, shell, root / ".agentbatch/runs/r1/outputs")
    result = await dispatch(HANDS, tool, json.dumps({"path": path, **ARGUMENTS[tool]}), here)
    assert "is kept out of your reach" in result.text
    assert (root / ".env").read_text() == "KEY=secret"
    kept = {"path": ".agentbatch/runs/r1/outputs/output-1.txt"}
    assert (await dispatch(HANDS, "read_file", json.dumps(kept), here)).text == "     1\tlong"


async def test_links_that_stay_inside_are_followed_and_kept(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "real").write_text("one\n")
    (directory.root / "alias").symlink_to("real")
    assert (await call("edit_file", path="alias", old_string="one", new_string="two")).ok
    assert (await call("read_file", path=str(directory.root / "alias"))).text == "     1\ttwo"
    assert (directory.root / "alias").is_symlink()
    assert (directory.root / "real").read_text() == "two\n"
