"""When a copy serves for one more check."""

import pytest

from agentbatch.tasks.evaluator.checks.own.copies import is_untouched
from agentbatch.workspace.workspace import FileEntry, Snapshot

FILES = {"a": FileEntry("x", 1, "a", executable=False)}
LEFT_OUT = {".cache/a": "1", "__pycache__/": "1"}


@pytest.mark.parametrize(
    ("after", "untouched"),
    [
        (Snapshot(FILES, left_out=LEFT_OUT), True),
        (Snapshot(FILES, left_out={**LEFT_OUT, "__pycache__/": "2"}), True),
        (Snapshot(FILES, left_out={**LEFT_OUT, ".cache/a": "2"}), False),
        (Snapshot(FILES, left_out={**LEFT_OUT, ".cache/b": "1"}), False),
        (Snapshot({}, left_out=LEFT_OUT), False),
        (Snapshot(FILES, truncated=True, left_out=LEFT_OUT), False),
        (Snapshot(FILES, left_out=LEFT_OUT, left_out_whole=False), False),
    ],
)
def test_whether_a_check_has_changed_it(after: Snapshot, untouched: bool) -> None:
    assert is_untouched(Snapshot(FILES, left_out=LEFT_OUT), after) is untouched
