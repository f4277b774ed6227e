"""What one round of checks has found."""

from dataclasses import replace

from agentbatch.tasks.evaluator.checks.round import too_many
from tests.tasks.evaluator.judging.scene import snapshot


def test_more_files_than_can_be_seen_are_refused() -> None:
    few, many = (
        snapshot({"a.py": ""}),
        replace(snapshot({"out/1": "", "out/2": "", "a.py": ""}), truncated=True),
    )
    assert too_many(few, few) is None
    assert too_many(many, many) is None
    found = too_many(few, many)
    assert found is not None
    assert found.told == (
        "There are too many files: only 3 files can be looked at. Remove what is no part of the work; most are in "
        "out/, ./."
    )
    assert not found.passed
