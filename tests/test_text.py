import time

import pytest

from agentbatch.text import (
    clip,
    clip_words,
    counted,
    duration,
    first_line,
    fold,
    harmless,
    money,
    pad,
    random_letters,
    tokens,
    width,
)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (41.9, "0:41"), (725, "12:05"), (3723, "1:02:03"), (360_000, "100:00:00"), (-3, "0:00")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "whole", "narrow"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (12_345, "12,345", "12.3k"),
        (999_949, "999,949", "999.9k"),
        (999_950, "999,950", "1.0M"),
        (1_234_567, "1,234,567", "1.2M"),
        (5_000_000_000, "5,000,000,000", "5.0B"),
    ],
)
def test_tokens(count: int, whole: str, narrow: str) -> None:
    assert (tokens(count), tokens(count, narrow=True)) == (whole, narrow)
    assert tokens(count, estimated=True) == "≈" + whole


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (None, "–"),
        (0.0, "$0.00"),
        (0.00001, "<$0.0001"),
        (0.0123, "$0.0123"),
        (1.5, "$1.50"),
        (12345.678, "$12,345.68"),
    ],
)
def test_money_never_shows_an_unknown_price_as_zero(dollars: float | None, shown: str) -> None:
    assert money(dollars) == shown


def test_counted() -> None:
    assert [counted(n, "task") for n in (0, 1, 1200)] == ["0 tasks", "1 task", "1,200 tasks"]
    assert counted(2, "retry", "retries") == "2 retries"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain words", "plain words"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1b[2J\x1b[Htop", "top"),
        ("\x1bcreset", "reset"),
        ("a\x1b", "a"),
        ("one\r\ntwo\tthree\x0bfour\u2028five\x85six", "one two three four five six"),
        ("bell\x07 back\b\b null\x00", "bell back null"),
        ("user\u202egnp.exe\u2066x\u200b\u00ad\ufeff", "usergnp.exex"),
        ("\ud800 lone", "\ufffd lone"),
        ("[bold]markup[/bold] stays", "[bold]markup[/bold] stays"),
        ("整理 数据", "整理 数据"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_harmless(text: str, safe: str) -> None:
    assert harmless(text) == safe
    assert harmless(safe) == safe


@pytest.mark.parametrize("hostile", ["\x1b]" * 200_000, "\x1b[" * 200_000, "\x1b]0;" + "a" * 1_000_000])
def test_harmless_takes_linear_time(hostile: str) -> None:
    start = time.process_time()
    harmless(hostile)
    assert time.process_time() - start < 20


def test_width_counts_cells() -> None:
    assert [width(text) for text in ("abc", "整理", "é", "e\u0301", "ｆ", "🙂")] == [3, 4, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("a longer text", 8, "a longe…"),
        ("整理中文数据", 12, "整理中文数据"),
        ("整理中文数据", 11, "整理中文数…"),
        ("整理中文数据", 10, "整理中文…"),
        ("anything", 1, "…"),
        ("anything", 0, ""),
        ("two\nlines", 20, "two lines"),
    ],
)
def test_clip(text: str, cells: int, shown: str) -> None:
    assert clip(text, cells) == shown
    assert width(clip(text, cells)) <= cells


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("set OPENAI_API_KEY now", 22, "set OPENAI_API_KEY now"),
        ("set OPENAI_API_KEY now", 20, "set OPENAI_API_KEY …"),
        ("to set OPENAI_API_KEY", 12, "to set OPEN…"),
        ("set it so …", 20, "set it so …"),
        ("onewordonly", 5, "onew…"),
    ],
)
def test_a_cut_between_words(text: str, cells: int, shown: str) -> None:
    assert clip_words(text, cells) == shown
    assert width(shown) <= cells


def test_clip_limits_marks_without_width() -> None:
    assert len(clip("e" + "\u0301" * 100_000, 20)) <= 4 * 20 + 1


def test_clip_says_that_something_is_gone_behind_a_flood_of_nothing() -> None:
    assert clip("start" + "\u200b" * 100_000 + "end", 20).endswith("…")


def test_pad_fills_by_cells() -> None:
    assert pad("中文", 6) == "中文  "
    assert pad("12", 5, right=True) == "   12"
    assert width(pad("整理中文数据", 7)) == 7


def test_first_line_skips_blank_and_invisible_lines() -> None:
    assert first_line("\n  \n\x1b[31m\x1b[0m\nFix the tests.\nThen stop.") == "Fix the tests."
    assert first_line("") == ""


def test_fold_prefers_a_comma_and_indents() -> None:
    line = "[10:00:00] task 1/2: completed in 8.0s [1/2], 2 iterations, tokens 21,000 in/1,300 out"
    assert fold(line, 80, 11) == [
        "[10:00:00] task 1/2: completed in 8.0s [1/2], 2 iterations,",
        "           tokens 21,000 in/1,300 out",
    ]


@pytest.mark.parametrize("cells", [20, 33, 80])
@pytest.mark.parametrize(
    "line", ["word " * 60, "x" * 300, "数据" * 90, "  - " + "中文, abc " * 30, "", "e" + "\u0301" * 500]
)
def test_fold_loses_nothing_and_fits(line: str, cells: int) -> None:
    parts = fold(line, cells, 4)
    assert all(width(part) <= cells for part in parts)
    assert "".join("".join(parts).split()) == "".join(line.split())


def test_random_letters() -> None:
    drawn = [random_letters("abc", 9) for _ in range(200)]
    assert {len(one) for one in drawn} == {9}
    assert set("".join(drawn)) == set("abc")
    assert len(set(drawn)) > 190
