"""What an alert says, and what is none."""

import re

import pytest

from agentbatch.config.alerts import Figures, read_alert

FIGURES: Figures = {
    "failed": 3, "completed": 7, "ended": 10, "total": 40, "failure_rate": 0.3, "cost": None, "tokens": 1_200_000,
    "refused": 0, "attempts": 0, "rate_429": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("failure_rate > 0.1", True),
        ("failure_rate>30%", False),
        ("failure_rate >= 30%", True),
        ("0.1 < failure_rate", True),
        ("failed/ended > 0.25", True),
        ("failure_rate > 0.1 and ended >= 20", False),
        ("failure_rate > 0.1 and ended >= 20 or tokens > 1M", True),
        ("tokens > 1M or failed > 99 and ended > 99", True),
        ("tokens < 1200k", False),
        ("total - ended - 5 * 2 + 1 <= 21", True),
        ("failed * (completed - 4) == 9".replace("==", ">="), True),
        ("10 - 2 - 3 <= failed + 2", True),
        ("cost > 0", False),
        ("cost <= 0", False),
        ("cost * 0 < 1", False),
        ("refused / attempts > 0.1", False),
        ("refused / attempts <= 1", False),
        ("rate_429 > 1%", False),
        ("failed / (completed - 7) > 0 or failed > 2", True),
    ],
)
def test_comparisons(text: str, holds: bool) -> None:
    assert read_alert(text).holds(FIGURES) is holds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("failure_rate", "needs >, >=, < or <= and a number"),
        ("failure_rate >", "is not whole"),
        ("failurerate > 1", "has no figure 'failurerate'; did you mean failure_rate?"),
        ("__import__ > 1", "has no figure '__import__'; there are total, "),
        ("failed > 1 failed", "has 'failed' where `and`, `or` or its end should be"),
        ("failed > 1 > 2", "has '>' where `and`, `or` or its end should be"),
        ("failed == 1", "needs >, >=, < or <= before '='"),
        ("1 > 0", "must name a figure: total, "),
        ("(failed > 1", "has a ( without its )"),
        ("failed() > 1", "needs >, >=, < or <= before '('"),
        ("-1 < failed", "has '-' where a figure or a number should be"),
        ("failed > and", "has 'and' where a figure or a number should be"),
        ("", "is not whole"),
        ("(" * 300, "must be at most 200 characters"),
        ("(" * 190, "has more than 20 parentheses within each other"),
        ("failed > 1e9", "has 'e9' where `and`, `or` or its end should be"),
    ],
)
def test_what_is_none_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}"):
        read_alert(text)
