"""Advice after a batch, and what the dry run says of the knobs."""

from dataclasses import replace

import pytest

from agentbatch.requests.report.advice import Figures, advice_for, wanted_batch_size, wanted_concurrency

FINE = Figures(requests=200, seconds=60.0, attempts=200, refused=0)


@pytest.mark.parametrize(
    ("requests", "concurrency", "batch_size"),
    [
        (1, (2, 3), (1, 2)),
        (19, (2, 3), (1, 2)),
        (20, (4, 6), (3, 5)),
        (100, (4, 6), (3, 5)),
        (101, (6, 8), (5, 8)),
        (1_000_000, (6, 8), (5, 8)),
    ],
)
def test_the_knobs_by_the_size_of_a_batch(
    requests: int, concurrency: tuple[int, int], batch_size: tuple[int, int]
) -> None:
    assert wanted_concurrency(requests) == concurrency
    assert wanted_batch_size(requests) == batch_size


@pytest.mark.parametrize(
    "figures",
    [
        FINE,
        Figures(requests=0, seconds=0.0, attempts=0, refused=0),
        replace(FINE, refused=20),  # one in ten is the limit itself
        replace(FINE, requests=15, attempts=19, refused=19),  # too few to say
        replace(FINE, concurrency=1, seconds=5.0),  # nobody has waited
        replace(FINE, concurrency=1, limited=True),  # it was wanted so
        replace(FINE, concurrency=1, requests=19, attempts=19),
        replace(FINE, concurrency=6),
        replace(FINE, concurrency=5, refused=1),
        replace(FINE, failed_packs=0.9),  # one a call
        replace(FINE, batch_size=4, failed_packs=0.1),
    ],
)
def test_no_advice_where_nothing_is_clearly_wrong(figures: Figures) -> None:
    assert advice_for(figures) == ""


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        (
            replace(FINE, attempts=240, refused=40),
            "17% of the calls were answered 429: set --rpm 200 or --throttle-ms 300.",
        ),
        (
            replace(FINE, attempts=40, refused=20, seconds=600.0),  # past what --throttle-ms takes
            "50% of the calls were answered 429: set --rpm 2.",
        ),
        (
            replace(FINE, attempts=40, refused=40),
            "100% of the calls were answered 429: set --rpm to what the endpoint allows.",
        ),
        (
            replace(FINE, batch_size=5, failed_packs=0.25),
            "25% of the items had to be asked again: --batch-size 2 costs less than what is asked twice.",
        ),
        (
            replace(FINE, concurrency=2),
            "Nothing was refused at 2 at once: a batch of this size goes faster with --concurrency 8 or more.",
        ),
        (
            replace(FINE, concurrency=3, requests=50, attempts=50),
            "Nothing was refused at 3 at once: a batch of this size goes faster with --concurrency 6 or more.",
        ),
    ],
)
def test_one_sentence_where_a_knob_is_wrong(figures: Figures, told: str) -> None:
    assert advice_for(figures) == told


def test_what_is_refused_goes_before_what_is_slow() -> None:
    both = replace(FINE, attempts=240, refused=40, batch_size=5, failed_packs=0.25)
    assert "429" in advice_for(both)
