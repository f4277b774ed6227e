"""How it is known that nobody is left of what a command has started. Tables."""

import os

import pytest

from agentbatch.workspace.shell.marks import Members, is_still, members


@pytest.mark.parametrize(
    ("ended", "before", "beginning", "settled"),
    [
        ([], [], False, True),
        ([1], [1], False, True),  # a zombie that nobody reaps
        ([1], [], False, False),  # it may have begun another before it ended
        ([1, 2], [1], False, False),
        ([], [1], False, True),
        ([], [], True, False),  # its environment cannot be read yet
    ],
)
def test_a_look_that_found_nobody(
    ended: list[int], before: list[int], beginning: bool, settled: bool
) -> None:
    assert Members(set(), frozenset(ended), beginning).settled(frozenset(before)) is settled


def test_a_token_that_nobody_carries_means_nobody() -> None:
    assert members("no-process-has-this-in-its-environment").pids == set()


def test_who_runs_is_not_still() -> None:
    assert is_still(os.getpid()) is False
    assert is_still(2**22 + 1) is True, "there is none"
