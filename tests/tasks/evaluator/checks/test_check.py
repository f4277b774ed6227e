"""A check's result, as it is stored."""

from typing import Any

import pytest

from agentbatch.tasks.evaluator.checks.check import CheckResult


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({"exit_code": 0}, True),
        ({"exit_code": 1}, True),
        ({"exit_code": None}, True),
        ({"exit_code": 1, "kind": "tests", "binding": False}, False),
        ({"exit_code": 1, "kind": "own", "binding": False}, True),
        ({"exit_code": 1, "kind": "own", "binding": False, "overruled": True}, False),
        ({"exit_code": 0, "kind": "own", "binding": False, "overruled": True}, True),
    ],
)
def test_a_failure_counts_where_it_speaks_against_the_work(how: dict[str, Any], counts: bool) -> None:
    result = CheckResult(**{"command": "make", "tail": "", "seconds": 0.1, **how})
    assert result.line.counts is counts
