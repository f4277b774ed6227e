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


@pytest.mark.parametrize(("exit_code", "said"), [(0, ""), (1, "2 tests failed"), (None, "2 tests failed")])
def test_what_it_said_last_is_kept_of_one_that_failed(exit_code: int | None, said: str) -> None:
    assert CheckResult("make", exit_code, "Traceback\n2 tests failed\n^^^\n", 0.1).line.said == said
