"""Which files of a change can be run here."""

from dataclasses import replace

import pytest

from agentbatch.tasks.evaluator.judging.execution.runnable import runnable
from agentbatch.workspace.workspace import FileEntry, Snapshot


@pytest.mark.parametrize(
    ("path", "text", "runs"),
    [
        ("a.py", "1", True),
        ("a.SH", "1", True),
        ("a.mjs", "1", True),
        ("run", "#!/usr/bin/env python3\n", True),
        ("run", "#!/bin/sh\n", True),
        ("run", "python", False),
        ("a.md", "#!/bin/sh\n", False),
        ("a.py", "", False),
        ("index.html", "<p>", False),
        ("a.go", "package main", False),
    ],
)
def test_what_can_be_run_here(path: str, text: str, runs: bool) -> None:
    after = Snapshot({path: FileEntry("1", len(text), text, executable=False)})
    assert (runnable(Snapshot({}), after) == (path,)) is runs
    assert runnable(after, after) == ()
    assert runnable(after, Snapshot({})) == ()


def test_a_long_script_can_be_run() -> None:
    entry = FileEntry("1", 1, None, executable=False)
    after = Snapshot({"prog": replace(entry, excerpt="#!/usr/bin/env python3\n"), "data": entry})
    assert runnable(Snapshot({}), after) == ("prog",)
