"""Durations and moments as servers write them, in seconds. Pure."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agentbatch.patterns import regex

MAX_WAIT = 31 * 86_400.0
"""Seconds. No quota takes longer to come back than a month; a larger number is nonsense."""

_UNITS = (
    ("ms", r"ms|msecs?|milliseconds?", 1e-3),
    ("us", r"us|µs|microseconds?", 1e-6),
    ("ns", r"ns|nanoseconds?", 1e-9),
    ("w", r"w|weeks?", 604_800.0),
    ("d", r"d|days?", 86_400.0),
    ("h", r"h|hrs?|hours?", 3_600.0),
    ("m", r"m|mins?|minutes?", 60.0),
    ("s", r"s|secs?|seconds?", 1.0),
)
_PART = regex(
    r"(\d{1,15}(?:\.\d{1,12})?)\s{0,2}(?:"
    + "|".join(f"(?P<{n}>(?:{w})\\b|{n}(?=\\d))" for n, w, _ in _UNITS)
    + r")"
)
_SIZES = {name: size for name, _, size in _UNITS}

DURATION = r"\d[\d.]{0,20}\s{0,2}[a-zµ]{1,12}(?:(?:,?\s{0,2}(?:and\s)?)\d[\d.]{0,20}\s{0,2}[a-zµ]{1,12}){0,5}"
"""A pattern for what `read_duration` may be able to read, in lower case; some of it may be words that follow."""

EPOCH_SECONDS = 1e9
EPOCH_MILLISECONDS = 1e12
"""From here on a number is a moment: September 2001 in seconds, in milliseconds. No wait is as long."""

LAST = 4_102_444_800.0
"""The year 2100. Later dates are nonsense, and near the year 9999 no day follows."""


def number(text: str | None) -> float | None:
    """A finite number."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_duration(text: str) -> float | None:
    """Seconds, of `6m0s`, `60ms`, `0.5`, `1h2m3.5s`, `5 days 22 hours 11 minutes`, `2 hours, 3 minutes and 1 second`;
    what follows the last part is ignored. None for anything else, and for more than MAX_WAIT."""
    bare = number(text)
    if bare is not None:
        return _sane(bare)
    rest, total, found = text.strip().lower()[:120], 0.0, False
    while part := _PART.match(rest):
        total += float(part[1]) * _SIZES[part.lastgroup or "s"]
        found = True
        rest = rest[part.end() :].lstrip(" ,")
        rest = rest.removeprefix("and ").lstrip()
    return _sane(total) if found else None


def read_moment(text: str, zone: tzinfo = UTC) -> float | None:
    """Seconds since the epoch, of a number (seconds or milliseconds), RFC 3339 and its relatives, an HTTP date in each
    of its three forms. `zone`: of a time that names none; an HTTP date is always GMT."""
    bare = number(text)
    if bare is not None:
        if bare >= EPOCH_MILLISECONDS:
            return bare / 1000
        return bare if bare >= EPOCH_SECONDS else None
    return _iso(text.strip(), zone) or http_date(text)


def http_date(text: str | None) -> float | None:
    """Seconds since the epoch; None where it is no date, or one after LAST. RFC 9110: the old asctime form is in GMT,
    too."""
    if not text:
        return None
    try:
        date = parsedate_to_datetime(text)
        moment = (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
        return moment if moment < LAST else None
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def wait_until(moment: float | None, now: float) -> float | None:
    """Seconds from now; 0 for a moment that is over, None for none or one that is too far off."""
    return None if moment is None else _sane(max(0.0, moment - now))


def read_reset(text: str, now: float) -> float | None:
    """Seconds until a limit's reset, which servers write as a duration, as a moment, or as either's number."""
    moment = read_moment(text)
    return read_duration(text) if moment is None else wait_until(moment, now)


def next_midnight(now: float, zone_name: str, fallback: timezone) -> float:
    """The epoch second at which the next day begins there. `fallback`: where the machine knows no such zone."""
    try:
        zone: tzinfo = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = fallback
    tomorrow = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp()


_OFFSET = regex(r"\s([+-]\d{2}):?(\d{2})(?:\s[A-Z]{2,5})?$")
"""Go's way to write a time: `2026-01-21 23:59:59 +0800 CST`."""


def _iso(text: str, zone: tzinfo) -> float | None:
    text = _OFFSET.sub(r"\1:\2", text[:60]).removesuffix(" UTC")
    if not re.match(r"\d{4}-\d\d-\d\d[T ]", text):
        return None
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo is not None else date.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _sane(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= MAX_WAIT else None
