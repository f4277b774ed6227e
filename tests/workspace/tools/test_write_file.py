"""write_file: whole or not at all."""

import os
from collections.abc import Awaitable, Callable

import pytest

from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.workspace import ToolResult

Call = Callable[..., Awaitable[ToolResult]]


async def test_a_new_file_with_its_folders(call: Call, directory: ToolDirectory) -> None:
    result = await call("write_file", path="a/b/c.txt", content="1\r\n漢")
    assert result.text == "Wrote a/b/c.txt: 2 lines, 6 bytes (new file)."
    assert (result.ok, result.changed) == (True, True)
    assert (directory.root / "a/b/c.txt").read_bytes() == "1\r\n漢".encode()


async def test_a_new_file_gets_the_usual_mode(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "usual").touch()
    await call("write_file", path="new", content="x")
    assert (directory.root / "new").stat().st_mode == (directory.root / "usual").stat().st_mode


async def test_replacing_keeps_the_mode_and_leaves_nothing_behind(
    call: Call, directory: ToolDirectory
) -> None:
    path = directory.root / "run.sh"
    path.write_text("1\n2\n3\n")
    path.chmod(0o750)
    result = await call("write_file", path="run.sh", content="x\n")
    assert result.text == "Wrote run.sh: 1 line, 2 bytes (replaced, had 3 lines)."
    assert path.stat().st_mode & 0o777 == 0o750
    assert os.listdir(directory.root) == ["run.sh"]


async def test_a_hard_link_elsewhere_keeps_its_content(call: Call, directory: ToolDirectory) -> None:
    outside = directory.root.parent / "outside"
    outside.write_text("mine")
    (directory.root / "file").hardlink_to(outside)
    assert (await call("write_file", path="file", content="x")).ok
    assert outside.read_text() == "mine"


async def test_the_same_content_is_said_and_still_an_act(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "file").write_text("same")
    result = await call("write_file", path="file", content="same")
    assert (result.ok, result.changed) == (True, True)
    assert "already held exactly this" in result.text


async def test_an_empty_file(call: Call, directory: ToolDirectory) -> None:
    assert (await call("write_file", path="e", content="")).text == "Wrote e: 0 lines, 0 bytes (new file)."
    assert (directory.root / "e").read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (".", ". is a folder."),
        ("folder", "folder is a folder."),
        ("file/inner", "file is a file, so file/inner cannot be in it."),
        ("fifo", "fifo is not a regular file"),
    ],
)
async def test_what_is_refused(call: Call, directory: ToolDirectory, path: str, says: str) -> None:
    (directory.root / "folder").mkdir()
    (directory.root / "file").write_text("x")
    os.mkfifo(directory.root / "fifo")
    result = await call("write_file", path=path, content="x")
    assert (result.ok, result.changed) == (False, False)
    assert result.text.startswith(says)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
async def test_read_only_files_are_respected(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "file").write_text("x")
    (directory.root / "file").chmod(0o444)
    result = await call("write_file", path="file", content="y")
    assert not result.ok
    assert "read-only" in result.text
    assert (directory.root / "file").read_text() == "x"


async def test_a_huge_old_file_is_not_read_to_be_replaced(call: Call, directory: ToolDirectory) -> None:
    with open(directory.root / "huge", "wb") as file:
        file.truncate(3 * 2**40)
    result = await call("write_file", path="huge", content="x\n")
    assert result.text == "Wrote huge: 1 line, 2 bytes (replaced, had 3,298,534,883,328 bytes)."
    assert (directory.root / "huge").read_text() == "x\n"
