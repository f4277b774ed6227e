import itertools
import random
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.spec.dependencies import find_cycle, settle_dependencies
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.selection import Selection
from agentbatch.tasks.spec.task import GeneratedTask, Origin, Task


def tasks(**depends_on: str) -> list[Task]:
    return [
        Task(id=name, dir=name, first_prompt="p", depends_on=tuple(needs.split()))
        for name, needs in depends_on.items()
    ]


def settle(**depends_on: str) -> list[tuple[str, ...]]:
    return settle_dependencies(tasks(**depends_on), list(depends_on))


def test_ids_are_settled_in_order_and_once() -> None:
    assert settle(a="c b c", b="c", c="") == [("c", "b"), ("c",), ()]


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (
            {"compile": "", "test": "compil"},
            "The task test depends on 'compil', which is not a task's id; did you mean",
        ),
        ({"compile": "", "test": "zzz"}, "'zzz', which is not a task's id. It takes ids of tasks"),
        ({"a": "a"}, "The task a depends on itself."),
        ({"a": "b", "b": "c", "c": "a"}, "in a cycle: a -> b -> c -> a."),
        ({"x": "a", "a": "b", "b": "a"}, "in a cycle: a -> b -> a."),
        ({"x": "", "c": "x b", "b": "x a", "a": "x c"}, "in a cycle: c -> b -> a -> c."),
    ],
)
def test_what_cannot_be_settled(graph: dict[str, str], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        settle(**graph)
    assert sentence in str(error.value)


def test_a_long_cycle_is_shown_in_part() -> None:
    count = 10_000
    with pytest.raises(UserError) as error:
        settle(**{f"t{n}": f"t{(n + 1) % count}" for n in range(count)})
    assert "t0 -> t1 -> " in str(error.value)
    assert "(9989 more) -> t0." in str(error.value)
    assert len(str(error.value)) < 300


def test_a_long_chain_and_a_wide_one_are_no_cycles() -> None:
    count = 10_000
    ids = [f"t{n}" for n in range(count)]
    assert find_cycle(ids, [[f"t{n + 1}"] if n + 1 < count else [] for n in range(count)]) == []
    assert find_cycle(ids, [ids[1:], *([] for _ in range(count - 1))]) == []


def test_a_cycle_is_found_where_there_is_one() -> None:
    """Against a plain way to tell: take out, again and again, what depends on nothing."""
    chance, seen = random.Random(5), {True: 0, False: 0}
    for _ in range(300):
        ids = [str(n) for n in range(chance.randrange(1, 9))]
        needs = {name: [other for other in ids if chance.random() < 0.2 and other != name] for name in ids}
        left = set(ids)
        while free := {name for name in left if left.isdisjoint(needs[name])}:
            left -= free
        cycle = find_cycle(ids, [needs[name] for name in ids])
        assert bool(cycle) is bool(left)
        assert all(b in needs[a] for a, b in itertools.pairwise(cycle))
        assert cycle[:1] == cycle[-1:]
        seen[bool(cycle)] += 1
    assert min(seen.values()) > 50


def folder(path: str, entry: int = 0, number: int = 1) -> GeneratedTask:
    return GeneratedTask(
        id=f"{path}#{entry}.{number}".replace("/", "-").replace("#", "_"),
        dir=path,
        first_prompt="p",
        depends_on="children",
        origin=Origin(entry, path, number),
    )


def test_children_are_the_nearest_matched_folders_below() -> None:
    made = [folder("a"), folder("a/b/c"), folder("a/b"), folder("a/x/y"), folder("ab"), folder("a/b/c/d/e")]
    ids = [task.id or "" for task in made]
    found = settle_dependencies(made, ids)
    assert dict(zip(ids, found, strict=True)) == {
        "a_0.1": ("a-b_0.1", "a-x-y_0.1"),
        "a-b-c_0.1": ("a-b-c-d-e_0.1",),
        "a-b_0.1": ("a-b-c_0.1",),
        "a-x-y_0.1": (),
        "ab_0.1": (),
        "a-b-c-d-e_0.1": (),
    }


def test_children_are_of_the_same_entry_and_number() -> None:
    made = [
        folder("a"),
        folder("a/b"),
        folder("a", 0, 2),
        folder("a/b", 0, 2),
        folder("a", 1),
        folder("a/b", 1),
    ]
    ids = [task.id or "" for task in made]
    assert settle_dependencies(made, ids) == [
        ("a-b_0.1",), (), ("a-b_0.2",), (), ("a-b_1.1",), ()
    ]  # fmt: skip


def test_a_dependency_that_was_left_out_counts_as_done_and_is_told_once() -> None:
    graph = tasks(a="", b="a", c="a b", d="x y", x="", y="")
    plan = make_plan(graph, Path("/base/task.json"), max_iterations=1, selection=Selection(part="1:4"))
    assert {task.id: task.depends_on for task in plan.tasks} == {"b": (), "c": ("b",), "d": ()}
    assert plan.left_out == {"a", "x", "y"}
    assert plan.warnings() == ["3 tasks that others depend on are left out and taken for done: a, x, y."]


def test_what_is_left_out_is_checked_all_the_same() -> None:
    with pytest.raises(UserError, match="in a cycle: b -> c -> b"):
        make_plan(
            tasks(a="", b="c", c="b"), Path("/base/task.json"), max_iterations=1, selection=Selection(limit=1)
        )
