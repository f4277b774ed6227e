import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import GeneratedTask, Task
from agentbatch.tasks.spec.task_file import load_tasks
from agentbatch.workspace.files.globs import FileSearch

FILES = "src/a.py src/deep/b.py src/c.txt top.py packages/one/x packages/one/core/x packages/two/x"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in FILES.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def load(base: Path, *entries: dict[str, Any]) -> list[Task]:
    path = base / "task.json"
    path.write_text(json.dumps({"tasks": entries}, indent=2), encoding="utf-8")
    return load_tasks(path)


def shown(tasks: list[Task], *fields: str) -> list[dict[str, Any]]:
    return [{field: getattr(task, field) for field in fields} for task in tasks]


def test_one_task_for_each_file(base: Path) -> None:
    tasks = load(
        base,
        {
            "foreach": {"glob": "**/*.py"},
            "id": "doc-{path}",
            "dir": "{parent}/out",
            "first_prompt": "Document {path} as {{name}} {name}, keep {value}.",
            "verify": ["test -s {name}.md", "true"],
            "inputs": ["{path}"],
            "outputs": ["docs/{parent}/{name}.md"],
            "env": {"FILE": "{path}"},
            "protected_paths": ["{name}.py"],
            "priority": 3,
        },
    )
    assert [task.id for task in tasks] == ["doc-src-a.py", "doc-src-deep-b.py", "doc-top.py"]
    assert tasks[1].model_dump(exclude_defaults=True, exclude={"origin"}) == {
        "id": "doc-src-deep-b.py",
        "dir": "src/deep/out",
        "first_prompt": "Document src/deep/b.py as {name} b, keep {value}.",
        "verify": ("test -s b.md", "true"),
        "inputs": ("src/deep/b.py",),
        "outputs": ("docs/src/deep/b.md",),
        "env": {"FILE": "src/deep/b.py"},
        "protected_paths": ("b.py",),
        "priority": 3,
    }
    assert (tasks[2].dir, tasks[2].outputs) == ("./out", ("docs/./top.md",))


def test_one_task_for_each_folder_and_children(base: Path) -> None:
    tasks = load(
        base,
        {"first_prompt": "first"},
        {
            "foreach": {"dirs": ["packages", "packages/**"]},
            "id": "{path}",
            "dir": "{path}",
            "first_prompt": "Tidy {name} in {parent}.",
            "depends_on": "children",
        },
    )
    plan = make_plan(tasks, base / "task.json", max_iterations=1)
    assert [(t.id, t.index, t.depends_on) for t in plan.tasks[1:]] == [
        ("packages", 1, ("packages-one", "packages-two")),
        ("packages-one", 2, ("packages-one-core",)),
        ("packages-one-core", 3, ()),
        ("packages-two", 4, ()),
    ]
    assert plan.tasks[3].task.first_prompt == "Tidy core in packages/one."


def test_one_task_for_each_combination(base: Path) -> None:
    tasks = load(
        base,
        {
            "foreach": {"matrix": {"language": ["de", "fr fr"], "level": [1, 2.5, True]}, "count": 2},
            "id": "{language}-{level}-{n}",
            "dir": "{language}",
            "first_prompt": "{language} {level} {n}",
            "verify": "check {language}",
            "depends_on": ["lint-{n}"],
        },
    )
    assert [task.first_prompt for task in tasks[:4]] == ["de 1 1", "de 1 2", "de 2.5 1", "de 2.5 2"]
    assert len(tasks) == 12
    assert shown(tasks[-1:], "id", "dir", "verify", "depends_on") == [
        {"id": "fr-fr-true-2", "dir": "fr fr", "verify": ("check 'fr fr'",), "depends_on": ("lint-2",)}
    ]


def test_count_alone_and_with_files(base: Path) -> None:
    alone = load(base, {"foreach": {"count": 3}, "dir": "try-{n}", "first_prompt": "p"})
    assert [task.dir for task in alone] == ["try-1", "try-2", "try-3"]
    files = load(base, {"foreach": {"glob": "src/*.py", "count": 2}, "first_prompt": "{name}{n}"})
    assert [task.first_prompt for task in files] == ["a1", "a2"]
    origins = [task.origin for task in files if isinstance(task, GeneratedTask)]
    assert origins == [(0, "src/a.py", 1), (0, "src/a.py", 2)]


def test_ids_are_made_where_none_is_given(base: Path) -> None:
    entry = {"foreach": {"count": 2}, "dir": "x", "first_prompt": "same"}
    ids = [task.id for task in make_plan(load(base, entry), base / "t.json", max_iterations=1).tasks]
    assert ids[1] == f"{ids[0]}-2"


ODD = [
    "a b.py",
    "$(touch hit).py",
    "'; touch hit; '.py",
    "[x]*?.py",
    "~x.py",
    "{name}.py",
    "${path}.py",
    "文.py",
]


def test_odd_names_stay_what_they_are(tmp_path: Path) -> None:
    for name in ODD:
        (tmp_path / name).touch()
    tasks = load(
        tmp_path,
        {
            "foreach": {"glob": "*.py"},
            "dir": "out/{name}",
            "first_prompt": "p {path}",
            "verify": "printf %s {path} >&2 && test -e {path}",
            "inputs": ["{path}"],
        },
    )
    plan = make_plan(tasks, tmp_path / "task.json", max_iterations=1)
    assert sorted(task.first_prompt.removeprefix("p ") for task in tasks) == sorted(ODD)
    for planned in plan.tasks:
        name = planned.task.first_prompt.removeprefix("p ")
        assert planned.root == tmp_path / "out" / name.removesuffix(".py")
        (command,) = planned.task.verify
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
        )
        assert done.stderr == name
        assert FileSearch(tmp_path).find(planned.task.inputs[0], "files") == [name]
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize(
    ("foreach", "fields", "sentence"),
    [
        ({}, {}, "line 8, column 7: tasks[1].foreach: it names nothing: give glob, dirs, matrix or count."),
        (5, {}, "tasks[1].foreach: must be an object"),
        ({"globb": "*"}, {}, "unknown key tasks[1].foreach.globb; did you mean 'glob'?"),
        ({"xyz": 1}, {}, "known keys: glob, dirs, matrix, count."),
        ({"glob": "*.py", "dirs": "*"}, {}, "glob and dirs are given; take one of them"),
        (
            {"glob": "*.rs"},
            {},
            "line 9, column 9: tasks[1].foreach.glob: '*.rs' matches no file below the task",
        ),
        ({"glob": ["*.py", "x/*"]}, {}, "'x/*' matches no file"),
        ({"dirs": "src/a.py"}, {}, "'src/a.py' matches no folder"),
        ({"glob": 5}, {}, "tasks[1].foreach.glob: must be text, or a list of texts, not 5"),
        ({"glob": "../*.py"}, {}, "'../*.py' does not stay inside the task file's folder"),
        ({"glob": "/etc/*"}, {}, "'/etc/*' does not stay inside"),
        ({"dirs": ""}, {}, "'' names no file"),
        ({"matrix": ["a"]}, {}, "tasks[1].foreach.matrix: must be an object of lists"),
        ({"matrix": {}}, {}, "it names nothing"),
        ({"matrix": {"a": []}}, {}, "a must be a list of strings, numbers or booleans, and not empty"),
        ({"matrix": {"a": [None]}}, {}, "a must be a list of strings, numbers or booleans"),
        ({"matrix": {"a": "de"}}, {}, "a must be a list of strings"),
        ({"matrix": {"a": [float("nan")]}}, {}, "a must be a list of strings, numbers"),
        ({"matrix": {"a b": ["x"]}}, {}, "'a b' is not a name"),
        (
            {"matrix": {"path": ["x"]}},
            {},
            "'path' is not a name: letters, digits and _, not path, name, parent, n",
        ),
        ({"count": 0}, {}, "tasks[1].foreach.count: must be 1 or more, not 0"),
        ({"count": "3"}, {}, "must be a whole number"),
        ({"count": 100_001}, {}, "it makes 100,001 tasks; a file may make 100,000."),
        ({"matrix": {"a": [0] * 400, "b": [0] * 400}}, {}, "it makes 160,000 tasks"),
        (
            {"count": 2},
            {"id": "x"},
            "the id 'x' comes up twice among the tasks that tasks[1] makes: name in it",
        ),
        (
            {"count": 2},
            {"id": "Other-{n}"},
            "line 12, column 7: the id 'Other-1' is already that",
        ),
        ({"count": 2}, {"first_prompt": 5}, "tasks[1].first_prompt: must be text, not 5"),
        ({"count": 2}, {"first_prompt": "  "}, "must not be empty"),
        (
            {"count": 2},
            {"dir": "x/{path}"},
            "tasks[1].dir: {path} is not a name of the foreach; there is {n}.",
        ),
        (
            {"dirs": "src"},
            {"first_prompt": "{paht}"},
            "tasks[1].first_prompt: {paht} is not a name of the foreach; did",
        ),
        ({"dirs": "src"}, {"env": {"A": "{nam}"}}, "tasks[1].env: {nam} is not a name"),
        ({"dirs": "src"}, {"verify": ["true", "x {parnet}"]}, "tasks[1].verify: {parnet} is not a name"),
        ({"count": 2}, {"depends_on": "children"}, 'tasks[1].depends_on: "children" needs foreach.dirs'),
        ({"glob": "*.py"}, {"depends_on": "children"}, '"children" needs foreach.dirs'),
        ({"count": 2}, {"id": "-{n}"}, "must be 1 to 100 letters"),
        (
            {"count": 2},
            {"frist_prompt": "x"},
            "unknown key tasks[1].frist_prompt; did you mean 'first_prompt'?",
        ),
    ],
)
def test_what_is_wrong_with_an_entry(
    base: Path, foreach: object, fields: dict[str, Any], sentence: str
) -> None:
    entry = {"foreach": foreach, "first_prompt": "p", **fields}
    with pytest.raises(UserError) as error:
        load(base, {"id": "other-1", "first_prompt": "p"}, entry)
    assert sentence in str(error.value)
    assert str(base / "task.json") in str(error.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a\nb.py", "'a\\nb.py' has characters in its name that are no text"),
        ("\udcff.py", "'\\udcff.py' has characters in its name that are no text"),
        ("-rf.py", "'-rf.py' has a name that begins with '-', which commands take for an option"),
    ],
)
def test_names_that_are_refused(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError) as error:
        load(tmp_path, {"foreach": {"glob": "*.py"}, "first_prompt": "{path}"})
    assert sentence in str(error.value)


@pytest.mark.slow
def test_the_limit_is_one_for_the_file(base: Path) -> None:
    entry = {"foreach": {"count": 50_001}, "first_prompt": "p"}
    with pytest.raises(
        UserError, match=r"tasks\[1\].foreach: it makes 50,001 tasks; a file may make 100,000"
    ):
        load(base, entry, entry)
