"""read_file: numbered, bounded, and clear about what it cannot show."""

import os
from collections.abc import Awaitable, Callable

import pytest

from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.workspace import ToolResult

Call = Callable[..., Awaitable[ToolResult]]


@pytest.mark.parametrize(
    ("raw", "arguments", "text"),
    [
        (b"a\nb\n", {}, "     1\ta\n     2\tb"),
        (b"a\n\nb", {}, "     1\ta\n     2\t\n     3\tb"),
        (b"\n", {}, "     1\t"),
        (b"a\nb\nc\n", {"offset": 2}, "     2\tb\n     3\tc\n[lines 2 to 3 of 3]"),
        (b"a\nb\nc\n", {"limit": 1}, "     1\ta\n[lines 1 to 1 of 3; go on with offset=2]"),
        (b"a\r\nb\r\n", {}, "     1\ta\n     2\tb\n[its lines end in CRLF; edit_file keeps that]"),
        ("漢字\n".encode(), {}, "     1\t漢字"),
        (b"", {}, "file is empty (0 bytes)."),
    ],
)
async def test_what_it_shows(
    call: Call, directory: ToolDirectory, raw: bytes, arguments: dict[str, int], text: str
) -> None:
    (directory.root / "file").write_bytes(raw)
    result = await call("read_file", path="file", **arguments)
    assert result.text == text
    assert (result.ok, result.changed) == (True, False)


async def test_a_foreign_encoding_is_said(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "file").write_bytes("é\n".encode("latin-1"))
    assert "\ufffd" in (result := await call("read_file", path="file")).text
    assert "not all of it is UTF-8" in result.text


async def test_past_the_end(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "file").write_text("a\nb\n")
    result = await call("read_file", path="file", offset=3)
    assert (result.ok, result.text) == (False, "file has 2 lines; there is none from line 3 on.")


async def test_much_is_bounded_and_says_where_to_go_on(call: Call, directory: ToolDirectory) -> None:
    lines = [f"{n} " + "x" * 90 for n in range(1, 5001)]
    (directory.root / "file").write_text("\n".join(lines))
    result = await call("read_file", path="file", limit=5000)
    assert len(result.text) <= 30_000
    last = int(result.text.rsplit("offset=", 1)[1].rstrip("]"))
    assert f"of 5,000; go on with offset={last}]" in result.text
    after = await call("read_file", path="file", offset=last, limit=1)
    assert after.text.startswith(f"{last:6}\t{last} x")


async def test_long_lines_are_cut(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "file").write_text("x" * 3_000_000 + "\nnext\n" + "漢" * 3000)
    result = await call("read_file", path="file")
    first, second, third = result.text.splitlines()
    assert first == "     1\t" + "x" * 2000 + " [... line cut, 3,000,001 bytes in all]"
    assert second == "     2\tnext"
    assert third.endswith("漢 [... line cut, 9,000 bytes in all]")


async def test_binary_is_not_shown(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "file").write_bytes(b"PK\0\1" * 300)
    result = await call("read_file", path="file")
    assert not result.ok
    assert result.text.startswith("file is binary (1,200 bytes). Use bash")


async def test_a_folder_is_listed(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "b").mkdir()
    (directory.root / "a.txt").write_text("")
    (directory.root / "link").symlink_to("a.txt")
    (directory.root / os.fsdecode(b"\xff\n")).touch()
    result = await call("read_file", path=".")
    assert result.text.splitlines()[0] == ". is a folder:"
    assert sorted(result.text.splitlines()[1:]) == ["'\ufffd\\n'", "a.txt", "b/", "link (symlink)"]
    assert (await call("read_file", path="b")).text == "b is an empty folder."


async def test_missing_files_are_answered_with_what_is_there(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "src").mkdir()
    (directory.root / "src/main.py").write_text("x")
    for path, says in (
        ("src/mian.py", "There is no file src/mian.py. In src, similar names: main.py."),
        ("src/zzz", "There is no file src/zzz. In src, the folder holds: main.py."),
        ("scr/main.py", "There is no file scr/main.py. In the working directory, similar names: src/."),
    ):
        result = await call("read_file", path=path)
        assert (result.ok, result.text) == (False, says)


async def test_a_fifo_hangs_nobody(call: Call, directory: ToolDirectory) -> None:
    os.mkfifo(directory.root / "fifo")
    assert "not a regular file" in (await call("read_file", path="fifo")).text
