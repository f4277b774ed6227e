"""Checks that are scripts: what their runs count for, and what a judge can make of them. No model is asked here."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.own.own_checks import own_refs, speaks_against
from agentbatch.tasks.evaluator.checks.own.script import OwnCheck
from agentbatch.tasks.evaluator.checks.own.written import WrittenChecks
from agentbatch.tasks.results.verdict import Ruling
from agentbatch.workspace.workspace import Snapshot
from tests.support.workspaces import local_workspace

NOTHING: Any = None
"""In place of a model and prompts, which are not needed after `prepare`."""


class Place:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "work"
        self.root.mkdir()
        self.events: list[e.Event] = []
        workspace = local_workspace(
            self.root, folder / "outputs", env={"PATH": "/usr/local/bin:/usr/bin:/bin"}
        )
        runner = CheckRunner("t", self.events.append, Redactor([]), workspace)
        self.work = Work(1, Snapshot({}), Snapshot({}), runner)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def written(*checks: OwnCheck) -> WrittenChecks:
    return WrittenChecks(NOTHING, NOTHING, Redactor([]), 5, 30.0, list(checks))


async def test_what_passed_before_the_work_counts_only_when_it_fails(place: Place) -> None:
    own = written(
        OwnCheck("a", "true", guard=True), OwnCheck("b", "false", guard=True), OwnCheck("c", "true")
    )
    results = await own.run(place.work)
    assert [(one.passed, one.ran, one.binding) for one in results] == [
        (True, False, False),
        (False, True, False),
        (True, True, False),
    ]
    against = speaks_against(results)
    assert against is not None
    assert against.requirement == "b"


@pytest.mark.parametrize("mark", ["mark", ".cache/mark", ".cache/deep/"])
async def test_no_check_sees_what_another_has_done(place: Place, mark: str) -> None:
    script = f"test ! -e {mark} && mkdir -p $(dirname {mark}x) && touch {mark}"
    if mark == "mark":
        script += " && rm -f here"
    (place.root / "here").write_text("")
    own = written(*[OwnCheck(name, f"test -e here && {script}") for name in "abc"])
    assert [one.passed for one in await own.run(place.work)] == [True, True, True]
    assert [path.name for path in place.root.iterdir()] == ["here"]
    assert not list((place.root.parent / "scratch").glob("fork-*/files"))


RULED = [
    (Ruling(ref="K2", wrong=True, why="no"), (False, True, True)),
    (Ruling(ref="K2", wrong=True, why="no", mended="true"), (True, False, False)),
    (Ruling(ref="K2", wrong=True, why="no", mended="exit 9"), (False, False, False)),
    (Ruling(ref="K2", wrong=True, why="no", mended="if true; then"), (False, True, True)),
    (Ruling(ref="K2", wrong=True, why="no", mended="exit 3"), (False, True, True)),
    (Ruling(ref="K2", wrong=False, why="it is right"), (False, False, False)),
    (Ruling(ref="K1", wrong=True, why="no check of ours"), (False, False, False)),
    (Ruling(ref="K9", wrong=True), (False, False, False)),
]


@pytest.mark.parametrize(("ruling", "after"), RULED, ids=[f"{r.ref} {r.wrong} {r.mended}" for r, _ in RULED])
async def test_what_a_judge_says_of_a_failed_check(
    place: Place, ruling: Ruling, after: tuple[bool, bool, bool]
) -> None:
    own = written(OwnCheck("a", "exit 3"))
    sound = CheckResult("sound", 0, "", 0.0, "sound", ran=False)
    results = [sound, *await own.run(place.work)]
    assert own_refs(results) == {"K2": 1}
    ruled = await own.rule([ruling], results, place.work)
    assert ruled[0] == sound
    assert (ruled[1].passed, ruled[1].overruled, bool(own.checks[0].dropped)) == after
    assert not (ruled[1].passed and ruled[1].ran), (
        "a check that was never tried before the work proves nothing"
    )
    assert bool(own.state()) is (ruling.ref == "K2" and ruling.wrong)
    later = written(OwnCheck("a", "exit 3"))
    later.restore(own.state())
    assert later.checks == own.checks


async def test_the_checks_of_all_attempts_are_one_list(place: Place) -> None:
    """Once each, in the same order whoever asks, without those that were found wrong, and nothing of them stays."""
    mine = [OwnCheck("a", "true").record(), OwnCheck("b", "touch x; false").record()]
    others = [
        OwnCheck("c", "true").record(),
        OwnCheck("d", "true", dropped="wrong").record(),
        OwnCheck("e", "exit 3").record(),
    ]
    known: list[dict[str, Any]] = [{"checks": mine}, {"checks": others}, {"expected": []}]
    tried = await written().tried(known, place.work)
    assert [(one.check, one.passed) for one in tried] == [
        ("true", True),
        ("touch x; false", False),
        ("exit 3", False),
    ]
    assert list(place.root.iterdir()) == []
