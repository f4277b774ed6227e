import pytest

from agentbatch.spending.failure_limit import FailureLimit


@pytest.mark.parametrize(
    ("text", "total", "most"),
    [
        ("3", 100, 3),
        ("3", 2, 3),
        ("10%", 30, 3),
        ("10%", 31, 4),
        ("10%", 5, 1),
        ("0%", 50, 1),
        ("100%", 7, 7),
        ("12.5%", 8, 1),
        ("12.5%", 16, 2),
        ("7%", 100, 7),
    ],
)
def test_a_number_or_a_part_of_all_tasks(text: str, total: int, most: int) -> None:
    assert FailureLimit.parse(text, total).most == most


@pytest.mark.parametrize("text", ["", "many", "%", "3 of 4"])
def test_nothing_else_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid literal"):
        FailureLimit.parse(text, 10)


def test_the_limit_is_reached_by_as_many_as_it_names() -> None:
    limit = FailureLimit.parse("3", 10)
    assert [limit.reached(n) for n in (0, 2)] == ["", ""]
    assert limit.reached(3) == "3 tasks have failed, as many as --max-failures allows."
    assert limit.reached(5) == "5 tasks have failed, more than the 3 tasks that --max-failures allows."


@pytest.mark.parametrize(
    ("max_failures", "fail_fast", "expected"),
    [
        (None, False, None),
        ("2", False, FailureLimit(2)),
        (None, True, FailureLimit(1, "--fail-fast")),
        ("20%", True, FailureLimit(1, "--fail-fast")),
    ],
)
def test_both_flags_together(
    max_failures: str | None, fail_fast: bool, expected: FailureLimit | None
) -> None:
    assert FailureLimit.of(max_failures, fail_fast, 10) == expected


def test_one_failure_is_told_in_the_singular() -> None:
    assert FailureLimit(1, "--fail-fast").reached(1) == "1 task has failed, as many as --fail-fast allows."
