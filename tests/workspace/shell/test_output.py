"""The collector: same text however it is cut into pieces, both ends kept, file only when needed."""

from pathlib import Path

import pytest

from agentbatch.workspace.shell.output import SHOWN, Collector


def collect(folder: Path, data: bytes, piece: int) -> tuple[Collector, str]:
    collector = Collector(folder)
    for start in range(0, len(data), piece):
        collector.feed(data[start : start + piece])
    return collector, collector.finish()


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        (b"\x1b(B\x1b7x\x1bM", "x"),
        ("漢字\U0001f600é".encode(), "漢字\U0001f600é"),
        (b"\xc2\x85\xc2\xa0\xc2", "\xa0\ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"a\0\x08\x7fb", "ab"),
        (b"end\r", "end\n"),
        (b"end\x1b[3", "end[3"),
        (b"", ""),
    ],
)
def test_cleaning_does_not_depend_on_the_pieces(tmp_path: Path, raw: bytes, text: str, piece: int) -> None:
    assert collect(tmp_path / "outputs", raw, piece)[1] == text
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("character", ["x", "é", "漢", "\U0001f600"])
@pytest.mark.parametrize("piece", [4096, 65_536])
def test_just_enough_is_whole_and_one_more_is_cut(tmp_path: Path, character: str, piece: int) -> None:
    collector, text = collect(tmp_path, (character * SHOWN).encode(), piece)
    assert text == character * SHOWN
    assert collector.spilled is None
    collector, text = collect(tmp_path, (character * (SHOWN + 1)).encode(), piece)
    assert len(text) <= SHOWN
    assert "\ufffd" not in text
    assert text.startswith(character * 1000)
    assert text.endswith(character * 1000)
    assert collector.spilled is not None
    assert collector.spilled.read_text() == character * (SHOWN + 1)


@pytest.mark.parametrize("byte", [b"\x80", b"\xff", b"\xc2"])
def test_bytes_that_are_no_text_are_bounded_too(tmp_path: Path, byte: bytes) -> None:
    _, text = collect(tmp_path, byte * 50_000, 1000)
    assert len(text) <= SHOWN
    _, text = collect(tmp_path, byte * 500_000, 1000)
    assert len(text) <= SHOWN


def test_the_marker_says_how_much_and_where(tmp_path: Path) -> None:
    collector, text = collect(tmp_path, b"x" * 130_000, 65_536)
    assert f"about 100,000 characters left out here; the whole output is in {collector.spilled}" in text


def test_a_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("in the way")
    collector, text = collect(tmp_path / "outputs", b"x" * 130_000, 65_536)
    assert collector.spilled is None
    assert "the whole could not be kept: File exists" in text
    assert len(text) <= SHOWN


def test_an_endless_escape_sequence_does_not_hold_everything_back(tmp_path: Path) -> None:
    collector, text = collect(tmp_path, b"\x1b]" + b"x" * 100_000, 1000)
    assert collector.characters > 90_000
    assert text.endswith("x" * 1000)
