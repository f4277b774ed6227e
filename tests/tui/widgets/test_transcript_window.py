"""Which part of a long transcript stands on the screen."""

import pytest

from agentbatch.tui.widgets.transcript.block_window import FOLLOWED, MAX_MOUNTED, PAGE, Window


def test_it_begins_with_the_last_page() -> None:
    assert Window().at_end(1_000) == Window(1_000 - PAGE, 1_000)
    assert Window().at_end(5) == Window(0, 5)


def test_pages_above_push_out_what_is_below() -> None:
    window = Window(900, 1_000)
    for _ in range(20):
        window = window.earlier()
        assert window.end - window.start <= MAX_MOUNTED
    assert window == Window(0, MAX_MOUNTED)


def test_pages_below_push_out_what_is_above() -> None:
    window = Window(0, PAGE)
    for _ in range(20):
        window = window.later(1_000)
        assert window.end - window.start <= MAX_MOUNTED
    assert window == Window(1_000 - MAX_MOUNTED, 1_000)


@pytest.mark.parametrize(
    ("window", "before", "total", "follow", "after"),
    [
        (Window(40, 100), 100, 110, True, Window(40, 110)),
        (Window(40, 100), 100, 400, True, Window(400 - FOLLOWED, 400)),
        (Window(40, 100), 100, 110, False, Window(40, 110)),
        (Window(40, 100), 100, 900, False, Window(40, 40 + MAX_MOUNTED)),
        (Window(0, 60), 100, 110, False, Window(0, 60)),
        (Window(0, MAX_MOUNTED), MAX_MOUNTED, 300, False, Window(0, MAX_MOUNTED)),
    ],
)
def test_it_grows_with_what_comes(
    window: Window, before: int, total: int, follow: bool, after: Window
) -> None:
    assert window.grown(before, total, follow=follow) == after


def test_it_goes_where_a_search_leads() -> None:
    assert Window(900, 1_000).around(950, 1_000) == Window(900, 1_000)
    assert Window(900, 1_000).around(500, 1_000) == Window(500 - PAGE // 2, 500 + PAGE // 2)
    assert Window(900, 1_000).around(0, 1_000) == Window(0, PAGE)
    assert Window(0, 60).around(999, 1_000) == Window(1_000 - PAGE, 1_000)
