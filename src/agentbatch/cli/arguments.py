"""What arguments mean: whole numbers, seconds, ages, ports, for argparse's `type`; and what help says of a RUN.

Each reader raises argparse.ArgumentTypeError with the rule and what was given; the parser names the flag.
"""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress

SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
"""Seconds of the units of an age."""


def whole(minimum: int = 0, maximum: int = 10**9) -> Callable[[str], int]:
    """A whole number from `minimum` to `maximum`; 1,200 and 1_200 are 1200."""
    rule = f"a whole number from {minimum} to {maximum}"
    if maximum >= 10**9:
        rule = f"a whole number of {minimum} or more"

    def read(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,19}|[0-9]{1,3}([,_][0-9]{3}){1,5}", text.strip()) is None:
            raise _wrong(rule, text)
        value = int(text.replace(",", "").replace("_", ""))
        if not minimum <= value <= maximum:
            raise _wrong(rule, text)
        return value

    return read


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A number from `minimum` to `maximum`."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if minimum <= float(text) <= maximum:
                return float(text)
        raise _wrong(f"a number from {minimum:g} to {maximum:g}", text)

    return read


def age(text: str) -> int:
    """Seconds of an age such as 30m, 12h, 7d, 2w."""
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if found is None:
        raise _wrong("an age such as 30m, 12h, 7d or 2w", text)
    return int(found[1]) * SECONDS[found[2]]


port = whole(0, 65_535)
"""A TCP port; 0: any free one."""

RUN_HELP = "a run's id, how it begins, or its folder [the newest run]"
ACTIVE_RUN_HELP = "a run's id, how it begins, or its folder [the newest running one, else the newest]"


def _wrong(rule: str, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"must be {rule}, not {text!r:.60}")
