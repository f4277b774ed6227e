"""A comparison of models as text, in every report: nothing that its figures do not carry."""

import csv
import io
from pathlib import Path

import pytest

from agentbatch.display.reports.bakeoff_text import render_bake_off
from agentbatch.display.reports.exports.export import export
from agentbatch.display.reports.html.page import html_file
from agentbatch.display.reports.material import Material
from agentbatch.display.reports.summary import Summary
from agentbatch.display.reports.summary_text import render_text
from agentbatch.tasks.bakeoff.bakeoff import BakeOff, bake_off
from agentbatch.text import width
from tests.support.bake_offs import BILL, Attempt, compared

NOT_SHOWN = compared(("small", "large"), [[[True, False], [True, True]]] * 3)
SHOWN = compared(("small", "large"), [[[False] * 3, [True] * 3]] * 5)
HOSTILE = "=<script>alert(1)</script>\x1b[31m|`_"


def found(state: object) -> BakeOff:
    made = bake_off(state)  # type: ignore[arg-type]
    assert made is not None
    return made


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_it_keeps_to_the_screen(columns: int) -> None:
    state = compared(
        ("a-very-long-name-of-a-model/with-a-provider-in-front-of-it", "b"),
        [[[{"hidden": True, "bills": (BILL.model_copy(update={"cost": 1234.5}),)}] * 12] * 2] * 100,
    )
    lines = render_bake_off(found(state), columns)
    assert max(map(width, lines)) <= columns


def test_a_difference_that_is_not_shown_is_no_ranking() -> None:
    text = " ".join(" ".join(render_bake_off(found(NOT_SHOWN), 200)).split())
    assert "No difference between the models is shown." in text
    assert "solves more" not in text
    assert "large against small: +50 points (" in text
    assert "of each at each task would settle one of that size." in text


def test_a_difference_that_is_shown() -> None:
    text = " ".join(" ".join(render_bake_off(found(SHOWN), 200)).split())
    assert "large solves more than small: +100 points (+" in text
    assert "No difference" not in text
    assert "settle" not in text


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        ({"hidden": True}, "Solved: its hidden checks pass."),
        (True, "Solved: it is completed, without a verify."),
    ],
)
def test_it_says_what_solved_means(attempt: Attempt, said: str) -> None:
    lines = render_bake_off(found(compared(("a", "b"), [[[attempt], [attempt]]])), 300)
    assert said in " ".join(lines)
    assert ("false" in lines[0]) is isinstance(attempt, dict)


def test_false_completed_stands_where_hidden_checks_are() -> None:
    head, row, _ = render_bake_off(found(compared(("a", "b"), [[[{"hidden": False}], [True]]])), 80)[:3]
    assert row.split()[head.split().index("false")] == "1"


def test_it_is_in_the_summary() -> None:
    summary = Summary(SHOWN, (), Path("results.json"), None)
    lines = render_text(summary, 80)
    assert "Models" in lines
    assert any(line.split()[:2] == ["large", "15/15"] for line in lines)


def test_coders_are_not_called_models() -> None:
    state = compared(("small", "large"), [[[False], [True]]])
    assert state.info is not None
    state.info = state.info.model_copy(update={"settings": {"coders": ["small", "large"]}})
    lines = render_text(Summary(state, (), Path("results.json"), None), 80)
    assert "Coders" in lines
    assert "  coders compared, nothing brought back; total time 1:40" in lines
    assert "## Coders" in export("md", state, 1100.0)


def test_it_is_in_markdown_and_json() -> None:
    text = export("md", SHOWN, 1100.0)
    assert "| large | 15/15 | 80-100% |" in text
    assert "- large solves more than small:" in text
    assert '"comparison": {' in export("json", SHOWN, 1100.0)
    assert '"comparison": {' not in export("json", compared((), [[]]), 1100.0)


def test_csv_has_a_row_an_attempt() -> None:
    rows = list(csv.DictReader(io.StringIO(export("csv", SHOWN, 1100.0))))
    assert len(rows) == 30
    first = {
        name: rows[0][name]
        for name in ("task", "id", "model", "attempt", "hidden_verify", "solved", "cost_usd")
    }
    assert first == {
        "task": "1", "id": "t0@1", "model": "small", "attempt": "1", "hidden_verify": "", "solved": "no",
        "cost_usd": "0.500000",
    }  # fmt: skip


def test_the_page_has_intervals_and_what_is_shown() -> None:
    page = "".join(html_file(Material(SHOWN, 1100.0)))
    assert page.count('class="interval"') == 2
    assert "large solves more than small" in page


def test_a_hostile_name_is_harmless_everywhere() -> None:
    state = compared((HOSTILE, "b"), [[[False] * 3, [True] * 3]] * 5)
    page = "".join(html_file(Material(state, 1100.0)))
    assert "<script>alert" not in page
    texts = [
        page,
        *render_bake_off(found(state), 80),
        export("md", state, 1100.0),
        export("csv", state, 1100.0),
    ]
    assert not any("\x1b" in text for text in texts)
    assert "<script>" not in export("md", state, 1100.0)
    assert "'=<script>" in export("csv", state, 1100.0)
