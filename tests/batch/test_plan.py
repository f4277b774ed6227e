from pathlib import Path

import pytest

from agentbatch.batch.plan import Plan, make_plan, overlap, task_ids
from agentbatch.batch.task import Task
from agentbatch.errors import UserError


def plan(*tasks: Task, first_only: bool = False, pattern: str | None = None) -> Plan:
    return make_plan(
        tasks, Path("/base/task.json"), max_iterations=10, first_only=first_only, pattern=pattern
    )


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


def test_selection() -> None:
    tasks = [Task(id=f"t{n}", dir=f"d{n}", first_prompt=f"prompt {n}") for n in range(5)]
    assert [t.id for t in plan(*tasks, first_only=True).tasks] == ["t0", "t1", "t2"]
    chosen = plan(*tasks, pattern="d[34]|prompt 1")
    assert [(t.id, t.index) for t in chosen.tasks] == [("t1", 1), ("t3", 3), ("t4", 4)]
    assert chosen.left_out == 2
    with pytest.raises(UserError, match="matches no task"):
        plan(*tasks, pattern="nothing")


def test_overlap() -> None:
    assert overlap(Path("/a/b"), Path("/a/b"))
    assert overlap(Path("/a"), Path("/a/b/c"))
    assert not overlap(Path("/a/b"), Path("/a/bc"))


def test_a_loop_of_links_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="leads nowhere|cannot be made"):
        make_plan([Task(id="a", dir="loop/x", first_prompt="p")], tmp_path / "task.json", max_iterations=1)
