"""edit_file: exact, and helpful where there is no match or more than one."""

import os
from collections.abc import Awaitable, Callable

import pytest

from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.workspace import ToolResult

Call = Callable[..., Awaitable[ToolResult]]

CODE = """\
import os


def first(x):
    return x + 1


def second(y):
    total = y * 2
    return total
"""


@pytest.fixture
def code(directory: ToolDirectory) -> ToolDirectory:
    (directory.root / "a.py").write_text(CODE)
    (directory.root / "a.py").chmod(0o755)
    return directory


async def test_an_edit_shows_what_is_there_now(call: Call, code: ToolDirectory) -> None:
    result = await call(
        "edit_file", path="a.py", old_string="    return x + 1", new_string="    y = x\n    return y"
    )
    assert result.text == (
        "Edited a.py: replaced 1 occurrence. It now reads:\n"
        "     2\t\n     3\t\n     4\tdef first(x):\n     5\t    y = x\n     6\t    return y\n"
        "     7\t\n     8\t\n     9\tdef second(y):"
    )
    assert (result.ok, result.changed, result.note) == (True, True, "1 replaced")
    assert (code.root / "a.py").read_text() == CODE.replace("return x + 1", "y = x\n    return y")
    assert (code.root / "a.py").stat().st_mode & 0o777 == 0o755


async def test_several_matches_are_numbered(call: Call, code: ToolDirectory) -> None:
    result = await call("edit_file", path="a.py", old_string="return", new_string="yield")
    assert not result.ok
    assert result.text == (
        "old_string occurs 2 times in a.py: at line 5, 10. Take more of the lines around the one you mean, "
        "or set replace_all to true. Nothing was changed."
    )
    assert (code.root / "a.py").read_text() == CODE
    result = await call("edit_file", path="a.py", old_string="return", new_string="yield", replace_all="true")
    assert result.note == "2 replaced"
    assert (code.root / "a.py").read_text() == CODE.replace("return", "yield")


async def test_no_match_shows_the_closest_lines(call: Call, code: ToolDirectory) -> None:
    result = await call(
        "edit_file", path="a.py", old_string="def second(x):\n    total = x * 2", new_string="x"
    )
    assert not result.ok
    assert "The closest lines are:\n     8\tdef second(y):\n     9\t    total = y * 2\n" in result.text
    assert result.text.endswith("Nothing was changed.")


async def test_wrong_indentation_is_named(call: Call, code: ToolDirectory) -> None:
    result = await call("edit_file", path="a.py", old_string="def first(x):\n  return x + 1", new_string="x")
    assert (
        "     4\tdef first(x):\n     5\t    return x + 1\nOnly blanks or indentation differ." in result.text
    )


async def test_line_numbers_are_recognised(call: Call, code: ToolDirectory) -> None:
    old = "     4\tdef first(x):\n     5\t    return x + 1"
    result = await call("edit_file", path="a.py", old_string=old, new_string="x")
    assert "contains the line numbers that read_file puts" in result.text


async def test_nothing_alike_shows_nothing(call: Call, code: ToolDirectory) -> None:
    result = await call("edit_file", path="a.py", old_string="QQQQ ZZZZ @@@@", new_string="x")
    assert "nor anything like it (11 lines)" in result.text


async def test_crlf_files_stay_crlf(call: Call, directory: ToolDirectory) -> None:
    path = directory.root / "w.txt"
    path.write_bytes(b"a\r\nb\r\nc\r\n")
    assert (await call("edit_file", path="w.txt", old_string="a\nb\n", new_string="x\ny\nz\n")).ok
    assert path.read_bytes() == b"x\r\ny\r\nz\r\nc\r\n"
    assert (await call("edit_file", path="w.txt", old_string="y\r\nz", new_string="1\r\n2")).ok
    assert path.read_bytes() == b"x\r\n1\r\n2\r\nc\r\n"


async def test_mixed_line_ends_and_a_bom_are_left_alone(call: Call, directory: ToolDirectory) -> None:
    path = directory.root / "m.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\nc\r")
    assert (await call("edit_file", path="m.txt", old_string="b\n", new_string="B\n")).ok
    assert path.read_bytes() == b"\xef\xbb\xbfa\r\nB\nc\r"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("", "x", "old_string is empty, so there is nothing to replace in a.py."),
        ("return", "return", "old_string and new_string are the same"),
    ],
)
async def test_edits_that_mean_nothing(
    call: Call, code: ToolDirectory, old: str, new: str, says: str
) -> None:
    result = await call("edit_file", path="a.py", old_string=old, new_string=new)
    assert (result.ok, result.changed) == (False, False)
    assert result.text.startswith(says)


async def test_files_that_cannot_be_edited(call: Call, directory: ToolDirectory) -> None:
    (directory.root / "latin").write_bytes(b"caf\xe9")
    (directory.root / "folder").mkdir()
    (directory.root / "empty").touch()
    (directory.root / "huge").touch()
    os.truncate(directory.root / "huge", 11 * 1024 * 1024)
    for path, says in (
        ("latin", "latin is not UTF-8 (byte 3)"),
        ("folder", "folder is a folder."),
        ("missing", "missing does not exist. Make a new file with write_file."),
        ("empty", "empty is empty. Write its content with write_file."),
        ("huge", "huge is 11,534,336 bytes large"),
    ):
        result = await call("edit_file", path=path, old_string="x", new_string="y")
        assert not result.ok
        assert result.text.startswith(says)
        assert result.text.endswith("Nothing was changed.")


async def test_searching_a_large_file_for_the_closest_lines_is_bounded(
    call: Call, directory: ToolDirectory
) -> None:
    lines = [f"value_{n} = compute({n}, {n * 7})" for n in range(30_000)]
    (directory.root / "big.py").write_text("\n".join(lines))
    old = "\n".join(f"value_{n} = compute({n},{n * 7})" for n in range(5000, 5200))
    result = await call("edit_file", path="big.py", old_string=old, new_string="x")
    assert "  5001\tvalue_5000 = compute(5000, 35000)" in result.text
    assert len(result.text) < 10_000


async def test_whole_lines_match_the_end_of_a_file_that_has_no_last_newline(
    call: Call, directory: ToolDirectory
) -> None:
    file = directory.root / "a.txt"
    file.write_text("one\ntwo")
    result = await call("edit_file", path="a.txt", old_string="two\n", new_string="three\n")
    assert result.ok
    assert file.read_text() == "one\nthree"
    assert not (await call("edit_file", path="a.txt", old_string="one\nx\n", new_string="y\n")).ok
