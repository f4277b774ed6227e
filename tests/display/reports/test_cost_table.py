import pytest

from agentbatch.display.reports.cost_table import render_comparison
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.text import width

ROWS = [
    ComparisonRow("dear", 1.0, 2.0, 3.0),
    ComparisonRow("unknown", None, None, None),
    ComparisonRow("cheap", 0.1, 0.2, 0.3),
    ComparisonRow("free", 0.0, 0.0, 0.0),
]


def test_cheapest_first_unknown_last_ratios_to_the_cheapest_that_costs() -> None:
    assert render_comparison(ROWS) == [
        "model       input   output    total  vs least",
        "free        $0.00    $0.00    $0.00     0.00x",
        "cheap     $0.1000  $0.2000  $0.3000     1.00x  ██",
        "dear        $1.00    $2.00    $3.00       10x  ████████████████████",
        "unknown         –        –        –         –",
    ]


def test_ratios_to_what_the_run_cost() -> None:
    lines = render_comparison(ROWS, 80, 1.5)
    assert [text.split()[4:] for text in lines[:2]] == [["vs", "actual"], ["0.00x"]]
    assert lines[3].split()[4] == "2.00x"


def test_nothing_known_makes_no_figures() -> None:
    assert render_comparison([ROWS[1]])[1].split() == ["unknown", "–", "–", "–", "–"]
    assert render_comparison([]) == []


@pytest.mark.parametrize("columns", [40, 50, 80, 200])
def test_it_fits(columns: int) -> None:
    rows = [*ROWS, ComparisonRow("整理\x1b[31m" * 30, 123456.0, 1.0, 123457.0)]
    lines = render_comparison(rows, columns)
    assert max(map(width, lines)) <= columns
    assert all(text.isprintable() for text in lines)
