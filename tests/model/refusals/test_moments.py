"""Durations and moments as servers write them."""

import pytest

from agentbatch.model.refusals.moments import read_duration


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
