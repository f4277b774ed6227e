"""Durations and moments as servers write them."""

import time
from collections.abc import Iterator
from datetime import UTC

import pytest

from agentbatch.model.refusals.moments import http_date, next_midnight, read_duration, read_moment

NOW = 1_800_000_000.0
"""Friday, 15 January 2027, 08:00:00 GMT; midnight in Los Angeles."""


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    "text",
    [
        "Fri, 15 Jan 2027 08:00:00 GMT",
        "Friday, 15-Jan-27 08:00:00 GMT",
        "Fri Jan 15 08:00:00 2027",
        "2027-01-15T08:00:00Z",
        "2027-01-15 08:00:00",
        "2027-01-15T13:30:00+05:30",
        "2027-01-15 16:00:00 +0800 CST",
        "1800000000",
        "1800000000000",
    ],
)
def test_a_moment_is_the_same_in_every_zone_of_ours(text: str) -> None:
    assert read_moment(text) == NOW


@pytest.mark.parametrize(
    "text", ["", "soon", "12", "999999999", "2027-13-45T00:00:00Z", "Mon, 99 Foo 2026", "2027"]
)
def test_nonsense_is_no_moment(text: str) -> None:
    assert read_moment(text) is None
    assert http_date(text) is None


def test_the_next_midnight_is_that_of_the_place() -> None:
    assert next_midnight(NOW, "America/Los_Angeles", UTC) == NOW + 86_400
    assert next_midnight(NOW - 1, "America/Los_Angeles", UTC) == NOW
    assert next_midnight(NOW, "No/Such_Place", UTC) == NOW + 16 * 3_600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("60ms", 0.06),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3_723.5),
        ("1d", 86_400.0),
        ("12µs", 12e-6),
        ("250us", 250e-6),
        ("0s", 0.0),
        ("0.5", 0.5),
        ("12", 12.0),
        ("5 days 22 hours 11 minutes", 511_860.0),
        ("2 hours, 3 minutes and 1 second", 7_381.0),
        ("9m38.016s. Need", 578.016),
    ],
)
def test_forms_of_a_duration(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "s", "soon", "nan", "inf", "-inf", "1e999", "-1", "-1s", "1y", "--",
        "2026-01-01T00:00:00Z", "32d", "9" * 400,
    ],
)  # fmt: skip
def test_nonsense_is_no_duration(text: str) -> None:
    assert read_duration(text) is None
