"""Whole numbers, numbers, ages and ports of the command line."""

import argparse
from collections.abc import Callable

import pytest

from agentbatch.cli.arguments import age, number, port, whole

Read = Callable[[str], float]


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (whole(), "0", 0),
        (whole(), " 12 ", 12),
        (whole(), "1,200", 1_200),
        (whole(), "1_200_000", 1_200_000),
        (whole(1, 10), "10", 10),
        (number(0, 60), "0.25", 0.25),
        (age, "30m", 1_800),
        (age, "12h", 43_200),
        (age, "7d", 604_800),
        (age, "2w", 1_209_600),
        (port, "0", 0),
        (port, "65535", 65_535),
    ],
)
def test_what_is_read(read: Read, text: str, value: float) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "rule"),
    [
        (whole(), "-1", "a whole number of 0 or more, not '-1'"),
        (whole(), "", "a whole number of 0 or more"),
        (whole(), "1.5", "a whole number"),
        (whole(), "1,2", "a whole number"),
        (whole(), "٣", "a whole number"),
        (whole(), "9" * 5_000, "a whole number"),
        (whole(1, 10), "11", "a whole number from 1 to 10, not '11'"),
        (number(0, 60), "61", "a number from 0 to 60"),
        (number(0, 60), "nan", "a number from 0 to 60"),
        (age, "30", "an age such as 30m, 12h, 7d or 2w, not '30'"),
        (age, "-1d", "an age"),
        (age, "٣d", "an age"),
        (port, "65536", "a whole number from 0 to 65535"),
    ],
)
def test_what_is_refused(read: Read, text: str, rule: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"must be {rule}"):
        read(text)
