"""The output file: whole lines, begun anew in one step, one writer at a time."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.journal.output_file import OutputFile, replace_lines


def test_it_begins_with_what_is_known_and_grows(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.jsonl"
    path.parent.mkdir()
    path.write_text("whatever\nand half a li")
    path.chmod(0o640)
    output = OutputFile(path, ["one", "two"])
    assert path.read_text() == "one\ntwo\n"
    output.add("three")
    assert path.read_text() == "one\ntwo\nthree\n"  # it is there without a flush
    output.close()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [place.name for place in path.parent.iterdir()] == ["out.jsonl"]


def test_a_folder_is_made(tmp_path: Path) -> None:
    OutputFile(tmp_path / "a" / "b" / "out.jsonl").close()
    assert (tmp_path / "a" / "b" / "out.jsonl").read_bytes() == b""


def test_another_writer_is_kept_out_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = OutputFile(path, ["mine"])
    with pytest.raises(UserError, match=r"Another batch writes to .*out\.jsonl"):
        OutputFile(path, ["yours"])
    assert path.read_text() == "mine\n"
    first.close()
    OutputFile(path, ["yours"]).close()
    assert path.read_text() == "yours\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.jsonl"
    target.touch()
    (tmp_path / "out.jsonl").symlink_to(target)
    output = OutputFile(tmp_path / "out.jsonl", ["one"])
    output.add("two")
    output.close()
    replace_lines(output.path, ["two", "one"])
    assert (tmp_path / "out.jsonl").is_symlink()
    assert target.read_text() == "two\none\n"


def test_half_a_surrogate_pair_is_no_crash(tmp_path: Path) -> None:
    output = OutputFile(tmp_path / "out.jsonl", ["\ud800 before"])
    output.add("\udfff after")
    output.close()
    assert (tmp_path / "out.jsonl").read_text() == "\\ud800 before\n\\udfff after\n"


def test_what_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/out\.jsonl cannot be written: "):
        OutputFile(tmp_path / "file" / "out.jsonl")
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        OutputFile(tmp_path)


def test_a_new_file_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")

    def lines() -> "list[str]":
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        replace_lines(path, (line for _ in range(2) for line in (["one"] if _ == 0 else lines())))
    assert path.read_text() == "old\n"
    assert [place.name for place in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process can grow past 4,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_half_line_is_left_where_there_is_no_room(tmp_path: Path, small_files: None) -> None:
    path = tmp_path / "out.jsonl"
    output = OutputFile(path)
    output.add("x" * 2_999)
    with pytest.raises(OSError, match=r"/out\.jsonl cannot be written: File too large\.") as told:
        output.add("y" * 2_999)
    assert told.value.strerror is None  # the text is the whole sentence
    assert path.stat().st_size == 3_000
    output.add("z" * 99)
    output.close()
    assert [len(line) for line in path.read_text().splitlines()] == [2_999, 99]
