import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import Plan
from agentbatch.tasks.spec.selection import NothingToDo, Selection
from agentbatch.tasks.spec.task import GeneratedTask, Origin, Task

TASKS = [Task(id=f"t{n}", dir=f"d{n}", first_prompt=f"prompt {n}") for n in range(5)]


def plan(tasks: Sequence[Task], base: Path = Path("/base"), **asked: Any) -> Plan:
    return make_plan(tasks, base / "task.json", max_iterations=1, selection=Selection(**asked))


def ids(made: Plan) -> str:
    return " ".join(task.id for task in made.tasks)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({}, "t0 t1 t2 t3 t4"),
        ({"first_only": True}, "t0 t1 t2"),
        ({"pattern": "d[34]|prompt 1"}, "t1 t3 t4"),
        ({"pattern": "t[1-4]", "first_only": True}, "t1 t2 t3"),
        ({"part": "1:3"}, "t1 t2"),
        ({"part": ":2"}, "t0 t1"),
        ({"part": "3:"}, "t3 t4"),
        ({"part": ":"}, "t0 t1 t2 t3 t4"),
        ({"part": "4:99"}, "t4"),
        ({"limit": 2}, "t0 t1"),
        ({"part": "1:4", "limit": 2}, "t1 t2"),
        ({"pattern": "[0234]", "part": "1:", "limit": 2}, "t2 t3"),
        ({"first_only": True, "part": "1:9"}, "t1 t2"),
    ],
)
def test_by_name_and_number(asked: dict[str, Any], chosen: str) -> None:
    made = plan(TASKS, **asked)
    assert ids(made) == chosen
    assert [task.index for task in made.tasks] == [int(task.id[1:]) for task in made.tasks]
    assert made.left_out == {f"t{n}" for n in range(5)} - set(chosen.split())


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            {"pattern": "nothing"},
            "--filter 'nothing' matches no task's id, dir or prompt.",
        ),
        ({"part": "5:9"}, "--slice 5:9 leaves nothing of 5 tasks."),
        ({"part": "2:2", "pattern": "t0"}, "--slice 2:2 leaves nothing of 1 task."),
        ({"paths": ("d0", "d9"), "folder": Path("/base")}, "The path d9 selects no task: none has its dir,"),
        ({"paths": ("a\0b",)}, "The path 'a\\x00b' leads nowhere"),
    ],
)
def test_nothing_left(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        plan(TASKS, **asked)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        ("src", "root deep made in out"),
        ("src/deep", "deep"),
        ("src/deep/er", "deep"),
        ("src/deeper", ""),
        ("src/gen.py", "made"),
        ("../work/src/gen.py ../other", "made other"),
        ("docs", "out"),
        ("src/i", ""),
        ("lib/x", "in"),
        ("linked", "deep"),
        (".", "root deep made in out top"),
        ("..", "root deep made in out top other"),
        ("absent", "top"),
    ],
)
def test_by_path(tmp_path: Path, paths: str, chosen: str) -> None:
    base = tmp_path / "work"
    (base / "src" / "deep" / "er").mkdir(parents=True)
    (base / "linked").symlink_to("src/deep")
    tasks = [
        Task(id="root", dir="src", first_prompt="p"),
        Task(id="deep", dir="linked/er", first_prompt="p"),
        GeneratedTask(id="made", dir="absent/m", first_prompt="p", origin=Origin(0, "src/gen.py")),
        Task(id="in", dir="absent/i", first_prompt="p", inputs=("src/i*.py", "lib/x/y")),
        Task(id="out", dir="absent/o", first_prompt="p", outputs=("docs/**/*.md", "src/*.md")),
        Task(id="top", dir="absent", first_prompt="p"),
        Task(id="other", dir="../other", first_prompt="p"),
    ]
    asked = {"paths": tuple(paths.split()), "folder": base}
    if not chosen:
        with pytest.raises(UserError, match="selects no task"):
            plan(tasks, base, **asked)
    elif paths == "absent":
        assert ids(plan(tasks, base, **asked)) == "made in out top"
    else:
        assert ids(plan(tasks, base, **asked)) == chosen


def test_paths_are_relative_to_where_the_command_runs(tmp_path: Path) -> None:
    tasks = [Task(id="a", dir="x", first_prompt="p"), Task(id="b", dir="sub/x", first_prompt="p")]
    assert ids(plan(tasks, tmp_path, paths=("x",), folder=tmp_path / "sub")) == "b"


def touch(base: Path, **times: int) -> None:
    """`a_b=5`: a/b was changed at 5."""
    for name, when in times.items():
        path = base / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (when, when))


def task(name: str, inputs: str = "", outputs: str = "", needs: str = "") -> Task:
    return Task(
        id=name,
        dir=name,
        first_prompt="p",
        inputs=tuple(inputs.split()),
        outputs=tuple(outputs.split()),
        depends_on=tuple(needs.split()),
    )


FRESHNESS = [
    ("up to date", task("t", "in/a", "out/x"), False, False),
    ("of the same time", task("t", "in/b", "out/y"), False, False),
    ("an input is newer", task("t", "in/a in/c", "out/x"), True, False),
    ("newer than one of two outputs", task("t", "in/b", "out/x out/old"), True, False),
    ("one of many inputs is newer", task("t", "in/*", "out/x"), True, False),
    ("a folder of inputs", task("t", "in", "out/x"), True, False),
    ("an output is missing", task("t", "in/a", "out/x out/z"), True, True),
    ("no output matches", task("t", "in/a", "out/*.md"), True, True),
    ("an empty folder is no output", task("t", "", "empty"), True, True),
    ("a hidden output", task("t", "in/a", "out/.h/x"), False, False),
    ("an output that no foreach would find", task("t", "in/a", "node_modules/x"), False, False),
    ("no inputs", task("t", "", "out/old"), False, False),
    ("an input that is not there", task("t", "in/zzz", "out/old"), False, False),
    ("no outputs", task("t", "in/a"), True, False),
    ("nothing said", task("t"), True, False),
]


@pytest.mark.parametrize(("case", "one", "stale", "missing"), FRESHNESS, ids=[row[0] for row in FRESHNESS])
def test_out_of_date(tmp_path: Path, case: str, one: Task, stale: bool, missing: bool) -> None:
    touch(tmp_path, in_a=100, in_b=200, in_c=300, out_x=200, out_y=200, out_old=50)
    touch(tmp_path, **{"out_.h_x": 200})
    (tmp_path / "empty").mkdir()
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x").touch()
    other = task("other", outputs="out/nothing")
    for asked, expected in (("stale", stale), ("missing", missing)):
        assert ids(plan([one, other], tmp_path, **{asked: True})) == ("t other" if expected else "other")


def test_what_follows_a_stale_task_is_stale(tmp_path: Path) -> None:
    touch(tmp_path, x=100)
    tasks = [
        task("a", outputs="gone"),
        task("b", outputs="x", needs="a"),
        task("c", outputs="x", needs="b"),
        task("d", outputs="x"),
        task("e", outputs="x", needs="d"),
    ]
    assert ids(plan(tasks, tmp_path, stale=True)) == "a b c"
    made = plan(tasks, tmp_path, missing=True)
    assert (ids(made), made.warnings()) == ("a", [])


@pytest.mark.parametrize(
    ("asked", "count", "sentence"),
    [
        ({"stale": True}, 3, "Nothing to do: all 3 tasks are up to date."),
        ({"stale": True, "pattern": "t1"}, 3, "Nothing to do: the task is up to date."),
        ({"missing": True, "limit": 1}, 2, "Nothing to do: all 2 tasks are there with their outputs."),
        ({"missing": True, "stale": True}, 2, "Nothing to do: all 2 tasks are up to date."),
    ],
)
def test_nothing_to_do_is_good_news(tmp_path: Path, asked: dict[str, Any], count: int, sentence: str) -> None:
    touch(tmp_path, x=100)
    with pytest.raises(NothingToDo) as news:
        plan([task(f"t{n}", outputs="x") for n in range(count)], tmp_path, **asked)
    assert str(news.value) == sentence
