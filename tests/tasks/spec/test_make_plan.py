from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.make_plan import make_plan, task_ids
from agentbatch.tasks.spec.plan import Plan
from agentbatch.tasks.spec.shared_directories import shared_directories
from agentbatch.tasks.spec.task import AttemptSpec, Task


def plan(*tasks: Task, **given: Any) -> Plan:
    return make_plan(tasks, Path("/base/task.json"), max_iterations=10, **given)


def test_ids_are_given_or_made_and_stable() -> None:
    a = Task(first_prompt="write a", dir="pkg/My Module")
    b = Task(first_prompt="写一个程序")
    ids = task_ids([a, Task(id="own", first_prompt="x"), b, a])
    assert ids[0].startswith("my-module-")
    assert ids[1] == "own"
    assert ids[2].startswith("写一个程序-")
    assert ids[3] == ids[0] + "-2"
    assert task_ids([b, a]) == [ids[2], ids[0]]


def test_an_id_has_no_path_in_it() -> None:
    (name,) = task_ids([Task(first_prompt="../../etc/passwd; rm -rf /", dir="..")])
    assert "/" not in name
    assert not name.startswith(".")


def test_same_and_nested_dirs_are_grouped_and_announced() -> None:
    made = plan(
        Task(id="a", dir="x", first_prompt="p"),
        Task(id="b", dir="y", first_prompt="p"),
        Task(id="c", dir="x/deep/er", first_prompt="p"),
        Task(id="d", dir="./x", first_prompt="p"),
        Task(id="e", dir="xx", first_prompt="p"),
    )
    assert made.shared == (("a", "c", "d"),)
    assert made.warnings() == [
        "3 tasks share the directory x or lie in it; those that overlap run one after another: a, c, d."
    ]


def test_an_empty_dir_is_the_files_folder_and_holds_all_others() -> None:
    made = plan(Task(id="a", first_prompt="p"), Task(id="b", dir="sub", first_prompt="p"))
    assert made.tasks[0].root == Path("/base")
    assert made.shared == (("a", "b"),)


def test_links_do_not_hide_that_two_dirs_are_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    tasks = [Task(id="a", dir="real", first_prompt="p"), Task(id="b", dir="link", first_prompt="p")]
    assert make_plan(tasks, tmp_path / "task.json", max_iterations=1).shared == (("a", "b"),)


def test_what_a_task_does_not_say_the_run_says() -> None:
    made = plan(
        Task(id="a", dir="a", first_prompt="p"),
        Task(
            id="b",
            dir="b",
            first_prompt="p",
            isolation="none",
            max_cost=1.0,
            max_tokens=5,
            timeout=7,
            max_iterations=2,
            inputs=("i",),
            outputs=("o",),
        ),
        isolation="copy",
        max_cost=2.5,
        max_tokens=10,
        timeout=60,
    )
    told = [
        (t.isolation, t.max_cost, t.max_tokens, t.timeout, t.max_iterations, t.task.inputs, t.task.outputs)
        for t in made.tasks
    ]
    assert told == [("copy", 2.5, 10, 60, 10, (), ()), ("none", 1.0, 5, 7, 2, ("i",), ("o",))]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"first_prompt": "other"}, False),
        ({"dir": "other"}, False),
        ({"verify": ("true",)}, False),
        ({"env": {"A": "1"}}, False),
        ({"protected_paths": ("x",)}, False),
        ({"coder_model": "m"}, False),
        ({"evaluator_model": "m"}, False),
        ({"isolation": "copy"}, False),
        ({"dir": "./d"}, True),
        ({"id": "other"}, True),
        ({"isolation": "none"}, True),
        ({"priority": 3, "timeout": 5.0, "max_iterations": 2, "max_cost": 1.0, "max_tokens": 5}, True),
        ({"inputs": ("x",), "outputs": ("y",)}, True),
    ],
)
def test_the_definition_is_what_makes_the_result(change: dict[str, Any], same: bool) -> None:
    task = Task(id="t", dir="d", first_prompt="p")
    (before,), (after,) = plan(task).tasks, plan(task.model_copy(update=change)).tasks
    assert len(before.definition) == 64
    assert (before.definition == after.definition) is same


@pytest.mark.parametrize(
    ("places", "groups"),
    [
        ("a b/c b", [[1, 2]]),
        ("a+ a+ a/x+", []),
        ("a+ a a+", [[0, 1, 2]]),
        ("a+ a/x a/y+ a/z", [[0, 1, 3]]),
        ("a a/x+ a/x+ b+ b+", [[0, 1, 2]]),
        ("a+ a/b+ a/b/c a/d+", [[0, 1, 2]]),
        ("a/b a/c a", [[0, 1, 2]]),
        ("a/b a/c a+", [[0, 1, 2]]),
        ("a/b+ a/c+ a+", []),
    ],
)
def test_groups_of_shared_directories(places: str, groups: list[list[int]]) -> None:
    """`+`: works in a copy."""
    names = places.split()
    roots = [Path("/base") / name.rstrip("+") for name in names]
    assert shared_directories(roots, [name.endswith("+") for name in names]) == groups


@pytest.mark.parametrize(
    ("places", "depends_on", "behind"),
    [
        ("a a a", {}, {}),
        ("a* b* c", {}, {}),
        ("a* a* b a", {}, {"t1": "t0", "t3": "t1"}),
        ("a a*", {}, {"t1": "t0"}),
        ("a* a*", {"t0": "t1"}, {"t0": "t1"}),
        ("a* b a*", {"t0": "t1", "t1": "t2"}, {"t0": "t2"}),
        ("a/x* a/y* a a/x/z* a", {}, {"t2": "t0 t1", "t3": "t2", "t4": "t2 t3"}),
        ("a/x* a a/y a/x a", {}, {"t1": "t0", "t2": "t1", "t3": "t1", "t4": "t1 t2 t3"}),
        ("a*! a*!", {}, {}),
        ("a* a*! a", {}, {"t1": "t0", "t2": "t1"}),
    ],
)
def test_whose_turn_in_a_directory_comes_first(
    places: str, depends_on: dict[str, str], behind: dict[str, str]
) -> None:
    """`*`: with two attempts, `!`: in copies that were asked for."""
    tasks = [
        Task(
            id=f"t{n}",
            dir=name.rstrip("*!"),
            first_prompt="p",
            attempts=(AttemptSpec(),) * (2 if "*" in name else 1),
            isolation="copy" if "!" in name else None,
            depends_on=tuple(filter(None, [depends_on.get(f"t{n}")])),
        )
        for n, name in enumerate(places.split())
    ]
    made = with_attempts(plan(*tasks))
    assert {one.id: " ".join(sorted(one.behind)) for one in made.tasks if one.behind} == {
        name: turn
        for one, turn in behind.items()
        for name in (one, f"{one}@1", f"{one}@2")
        if name in made_ids(made)
    }


def made_ids(made: Plan) -> set[str]:
    return {one.id for one in made.tasks}


def test_a_loop_of_links_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="leads nowhere|cannot be made"):
        make_plan([Task(id="a", dir="loop/x", first_prompt="p")], tmp_path / "task.json", max_iterations=1)


@pytest.mark.parametrize(
    ("fields", "default", "models", "isolation", "bring_back"),
    [
        ({}, 1, [], "none", False),
        ({}, 2, [None, None], "copy", True),
        ({"attempts": 1}, 3, [], "none", False),
        ({"attempts": 2, "isolation": "copy"}, 1, [None, None], "copy", False),
        ({"attempts": 2, "isolation": "worktree"}, 1, [None, None], "worktree", False),
        ({"attempts": [{"coder_model": "a"}, {"temperature": 0.5}], "coder_model": "b"}, 1, ["a", "b"], "copy", True),
        ({"attempts": [{"coder_model": "a"}]}, 1, ["a"], "copy", True),
    ],
)  # fmt: skip
def test_attempts(
    fields: dict[str, Any], default: int, models: list[str | None], isolation: str, bring_back: bool
) -> None:
    task = Task.model_validate({"id": "t", "dir": "a", "first_prompt": "p", **fields})
    plan = with_attempts(make_plan([task], Path("/base/task.json"), max_iterations=1, attempts=default))
    whole, *attempts = plan.tasks
    assert (whole.isolation, whole.bring_back) == (isolation, bring_back)
    assert [one.task.coder_model for one in attempts] == models
    assert [one.id for one in attempts] == list(whole.after) == [f"t@{n + 1}" for n in range(len(models))]
    assert len({one.attempt.seed for one in attempts if one.attempt}) == len(models)
    assert len({one.definition for one in plan.tasks}) == len(plan.tasks)


def test_a_task_of_an_earlier_version_is_the_same_task() -> None:
    """Its digest is that of a version that knew no coders and no context: a run of it is resumed, not begun again."""
    attempts = (AttemptSpec(), AttemptSpec(coder_model="m", seed=7))
    task = Task(id="t", dir="d", first_prompt="p", attempts=attempts)
    plan = with_attempts(make_plan([task], Path("/base/task.json"), max_iterations=1))
    known = ["fa87d93a4113bab2", "93c6814501741ec4", "22c9591a58fed669"]
    assert [one.definition[:16] for one in plan.tasks] == known
    other = task.model_copy(update={"attempts": (AttemptSpec(coder="codex"), *attempts[1:])})
    again = with_attempts(make_plan([other], Path("/base/task.json"), max_iterations=1))
    assert [one.definition[:16] == digest for one, digest in zip(again.tasks, known, strict=True)] == [
        True,
        False,
        True,
    ]
