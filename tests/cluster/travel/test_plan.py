"""What is done to a directory so that it holds what a manifest says."""

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from agentbatch.cluster.travel.manifest import UNSENT, Entry, checked
from agentbatch.cluster.travel.plan import Plan, plan, with_half

ONE = Entry("file", 0o644, 1, "1" * 64)
TWO = Entry("file", 0o644, 1, "2" * 64)
RUNS = replace(ONE, mode=0o755)
UNREAD = replace(ONE, size=0, digest=UNSENT)
FOLDER = Entry("folder", 0o755, 0, "")
LOCKED = replace(FOLDER, mode=0)
UNLISTED = replace(FOLDER, digest=UNSENT)
LINK = Entry("link", 0, 0, "x")


def carried_out(
    steps: Plan, here: Mapping[str, Entry], want: Mapping[str, Entry], kept: Collection[str] = ()
) -> dict[str, Entry]:
    """In a directory without a disk: a folder goes only when it is empty, and everything has a folder around it."""
    there = dict(here)

    def inside(path: str) -> bool:
        return any(other.startswith(f"{path}/") for other in (*there, *kept))

    for path in steps.remove:
        if not inside(path):
            del there[path]
    for path in steps.folders:
        folder = path.rpartition("/")[0]
        assert not folder or there[folder].kind == "folder"
        assert path not in there
        there[path] = want[path]
    for path in steps.write:
        folder = path.rpartition("/")[0]
        assert not folder or there[folder].kind == "folder"
        assert path not in there or there[path].kind != "folder"
        there[path] = want[path]
    for path in steps.modes:
        there[path] = replace(there[path], mode=want[path].mode)
    return there


def of_chance(chance: random.Random, base: Mapping[str, Entry] | None = None) -> dict[str, Entry]:
    """A tree; `base`: one that is nearly that."""
    paths = ["a", "a/b", "a/b/c", "a/d", "e", "e/f", "g"]
    tree = {
        p: chance.choice([ONE, TWO, RUNS, LINK, FOLDER, FOLDER, LOCKED])
        for p in paths
        if chance.random() < 0.7
    }
    if base is not None:
        tree = {path: chance.choice([*[base.get(path)] * 3, tree.get(path)]) for path in paths}  # type: ignore[misc]
    return checked({path: entry for path, entry in tree.items() if entry is not None})[0]


def test_any_directory_comes_to_any_other() -> None:
    chance = random.Random(1)
    for _ in range(500):
        here, want = of_chance(chance), of_chance(chance)
        steps = plan(here, want)
        assert carried_out(steps, here, want) == want
        assert steps.problems == []
        again = plan(want, want)
        assert again == Plan()


def test_what_only_one_end_changed_is_as_that_end_has_it() -> None:
    """Files and links of three trees, whose folders may differ as well."""
    chance = random.Random(2)
    for _ in range(1000):
        since = of_chance(chance)
        here, want = of_chance(chance, since), of_chance(chance, since)
        there = carried_out(plan(here, want, since), here, want) if _fits(here, want) else None
        for path in () if there is None else {*here, *want}:
            if here.get(path) == since.get(path):
                _is_same(there, want, path)
            elif want.get(path) == since.get(path):
                _is_same(there, here, path)
            elif want.get(path) is not None:
                _is_same(there, want, path)


def _fits(here: Mapping[str, Entry], want: Mapping[str, Entry]) -> bool:
    """No path that is a folder at one end and something else at the other: what then stays is a case of its own."""
    return all(
        (here[path].kind == "folder") == (want[path].kind == "folder") for path in here if path in want
    )


def _is_same(there: Mapping[str, Entry] | None, other: Mapping[str, Entry], path: str) -> None:
    assert there is not None
    entry = other.get(path)
    if entry is None or entry.kind != "folder":
        assert there.get(path) == entry or (there.get(path) or FOLDER).kind == "folder"


@pytest.mark.parametrize(
    ("here", "want", "since", "steps"),
    [
        ({}, {}, None, Plan()),
        ({"a": ONE}, {"a": TWO}, None, Plan(write=["a"])),
        ({"a": ONE}, {"a": RUNS}, None, Plan(modes=["a"])),
        ({"a": ONE}, {"a": LINK}, None, Plan(remove=["a"], write=["a"])),
        ({"a": FOLDER, "a/b": ONE}, {"a": ONE}, None, Plan(remove=["a/b", "a"], write=["a"])),
        ({"a": ONE}, {"a": FOLDER}, None, Plan(remove=["a"], folders=["a"], modes=["a"])),
        # What could not be read there stays what it is here, and what is below it too.
        ({"a": ONE}, {"a": replace(UNREAD, mode=0)}, None, Plan(modes=["a"])),
        ({"a": FOLDER, "a/b": ONE}, {"a": UNLISTED}, None, Plan(modes=["a"])),
        ({"a": UNLISTED}, {"b": ONE}, None, Plan(write=["b"])),
        (
            {},
            {"a": UNREAD},
            None,
            Plan(problems=["a cannot be brought: it could not be read there, or is too large."]),
        ),
        # What came here alone stays; what was removed here alone stays away.
        ({"a": ONE, "mine": ONE}, {"a": ONE}, {"a": ONE}, Plan()),
        ({}, {"a": ONE}, {"a": ONE}, Plan()),
        ({"a": ONE}, {}, {"a": ONE}, Plan(remove=["a"])),
        (
            {"a": TWO},
            {},
            {"a": ONE},
            Plan(problems=["a was changed on this machine: it stays, though the task has removed it."]),
        ),
        (
            {"a": LINK},
            {"a": TWO},
            {"a": ONE},
            Plan(
                remove=["a"],
                write=["a"],
                problems=["a was changed on this machine too: the task's version is there now."],
            ),
        ),
        ({"a": TWO}, {"a": TWO}, {"a": ONE}, Plan()),
        # A folder that went here alone comes back around what is new in it.
        (
            {},
            {"a": FOLDER, "a/b": FOLDER, "a/b/c": ONE},
            {"a": FOLDER, "a/b": FOLDER},
            Plan(folders=["a", "a/b"], write=["a/b/c"], modes=["a/b", "a"]),
        ),
    ],
)
def test_steps(
    here: dict[str, Entry], want: dict[str, Entry], since: dict[str, Entry] | None, steps: Plan
) -> None:
    assert plan(here, want, since) == steps


def test_what_is_kept_from_tasks_neither_goes_nor_comes() -> None:
    here, want = {"a": FOLDER}, {".env": ONE, "b": ONE, "secrets": FOLDER, "secrets/x": ONE}
    steps = plan(here, want, kept=[".env", "a/.env", "secrets"])
    assert steps.write == ["b"]
    assert len(steps.problems) == 3
    assert "a" in carried_out(steps, here, want, ["a/.env"])


def test_what_is_read_only_for_tasks_stays() -> None:
    here = {".git": FOLDER, ".git/config": ONE, ".git/hooks": FOLDER, ".git/hooks/x": ONE, ".git/index": ONE}
    want = {".git": FOLDER, ".git/config": TWO, ".git/hooks": ONE, ".git/index": TWO}
    steps = plan(here, want, guarded=[".git/config", ".git/hooks"])
    assert steps.write == [".git/index"]
    assert steps.remove == []
    assert len(steps.problems) == 3


@pytest.mark.parametrize(
    ("old", "new", "now", "common"),
    [
        (ONE, TWO, TWO, TWO),
        (ONE, TWO, ONE, ONE),
        (ONE, TWO, RUNS, ONE),
        (ONE, TWO, None, ONE),
        (ONE, LINK, None, None),
        (FOLDER, ONE, None, None),
        (None, FOLDER, LOCKED, LOCKED),
        (FOLDER, LOCKED, FOLDER, FOLDER),
        (ONE, None, None, None),
        (ONE, None, TWO, ONE),
        (ONE, ONE, TWO, ONE),
    ],
)
def test_what_is_here_in_the_middle_of_a_transfer(
    old: Entry | None, new: Entry | None, now: Entry | None, common: Entry | None
) -> None:
    since, half, here = ({"a": entry} if entry else {} for entry in (old, new, now))
    assert with_half(since, [half], here).get("a") == common


def test_what_an_interrupted_transfer_brought_is_the_other_end_s() -> None:
    since = {"a": ONE, "b": ONE, "c": ONE}
    here = {"a": TWO, "new": ONE, "mine": ONE, "c": ONE}  # a and new came, b went, c was not reached
    common = with_half(since, [{"a": TWO, "new": ONE, "c": TWO}], here)
    assert common == {"a": TWO, "new": ONE, "c": ONE}
    want = {"a": ONE, "b": ONE, "c": TWO}
    steps = plan(here, want, common)
    assert carried_out(steps, here, want) == {**want, "mine": ONE}
    assert steps.problems == []
