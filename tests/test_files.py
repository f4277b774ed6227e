"""Files are whole or as they were."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentbatch.files import as_json, json_line, open_own, read_given, real_folder, write_atomic


def test_parts_that_fail_halfway_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "out.jsonl"
    write_atomic(path, (f"{n}\n" for n in range(3)))
    path.chmod(0o640)

    def broken() -> Iterator[str]:
        yield "x" * 100_000
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write_atomic(path, broken())
    assert path.read_text() == "0\n1\n2\n"
    write_atomic(path, "whole\r\n")
    assert path.read_bytes() == b"whole\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [place.name for place in path.parent.iterdir()] == ["out.jsonl"]


LINES: dict[str, tuple[Any, str]] = {
    "real characters": ({"a": "中文 é 😀"}, '{"a":"中文 é 😀"}'),
    "no numbers": ([math.nan, {"x": (math.inf, -math.inf, 1.5)}], '[null,{"x":[null,null,1.5]}]'),
    "half a pair": (["\ud800 中"], '["\\ud800 中"]'),
    "a pair in halves": (["\ud83d\ude00"], '["\\ud83d\\ude00"]'),
    "line ends": (["a\x85b\u2028c\u2029d\n\x0b"], '["a\\u0085b\\u2028c\\u2029d\\n\\u000b"]'),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_json_is_one_line_that_every_parser_takes(name: str) -> None:
    value, line = LINES[name]
    assert json_line(value) == line
    assert len(line.splitlines()) == 1
    line.encode("utf-8")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(line, parse_constant=refuse)
    json.loads(as_json(value), parse_constant=refuse)


def test_a_file_of_ours_is_for_its_owner_and_is_neither_link_nor_fifo(tmp_path: Path) -> None:
    made = tmp_path / "made"
    os.close(open_own(made, os.O_WRONLY | os.O_CREAT))
    assert made.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(made)
    (tmp_path / "nowhere").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "nowhere", "fifo", "."):
        for flags in (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT):
            with pytest.raises(OSError, match="regular|symbolic|directory|No such device"):
                open_own(tmp_path / name, flags)
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_given_is_read_within_bounds(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(given)
    assert read_given(given, 5) == read_given(tmp_path / "link", 5) == b"12345"
    with open(tmp_path / "huge", "wb") as huge:
        huge.truncate(2**40)
    os.mkfifo(tmp_path / "fifo")
    for path, most, why in (
        (given, 4, "larger than"), (tmp_path / "huge", 2**20, "larger than 1 MB"), (tmp_path / "fifo", 5, "fifo"),
        (tmp_path, 5, "folder"), (Path("/dev/zero"), 5, "device"), (tmp_path / "none", 5, "No such file"),
    ):  # fmt: skip
        with pytest.raises(OSError, match=why):
            read_given(path, most)
    reading, writing = os.pipe()
    os.write(writing, b"piped")
    os.close(writing)
    assert read_given(Path(f"/dev/fd/{reading}"), 5) == b"piped"
    os.close(reading)


def test_a_folder_s_real_path_is_that_of_realpath(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b é"
    inner.mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(inner)
    (tmp_path / "over").symlink_to("a/../link/../b é")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("a", "a/b é", "link", "over", "a/../link/.", "link/.."):
        assert real_folder(f"{tmp_path}/{name}") == os.path.realpath(tmp_path / name), name
    for name in ("file", "loop", "dangling", "missing", "file/x", ""):
        assert real_folder(f"{tmp_path}/{name}" if name else "") == "", name
