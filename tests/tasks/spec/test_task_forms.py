"""Task files in YAML, JSON lines and as tables: the same tasks, and mistakes with their line."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.spec.task import Task
from agentbatch.tasks.spec.task_document import AS_TEXT, TEXT_OR_LIST
from agentbatch.tasks.spec.task_file import load_tasks

ENTRIES: list[Mapping[str, Any]] = [
    {
        "id": "one",
        "dir": "a",
        "first_prompt": 'Say "hi",\nthen stop.',
        "verify": ["test -s hi", "[ -s hi ]"],
        "timeout": 30,
        "env": {"X": "1"},
        "attempts": [{"seed": 7}],
    },
    {"foreach": {"matrix": {"n1": [1, 2]}}, "id": "m-{n1}", "first_prompt": "Do {n1}", "depends_on": ["one"]},
]

YAML = """\
# a comment
tasks:
  - id: one
    dir: a
    first_prompt: |-
      Say "hi",
      then stop.
    verify: [test -s hi, "[ -s hi ]"]
    timeout: 30
    env: {X: "1"}
    attempts: [{seed: 7}]
  - foreach:
      matrix: {n1: [1, 2]}
    id: "m-{n1}"
    first_prompt: Do {n1}
    depends_on: [one]
"""

CSV = """\
id,dir,first_prompt,verify,timeout,env,attempts,foreach,depends_on
one,a,"Say ""hi"",
then stop.","[""test -s hi"", ""[ -s hi ]""]",30,"{""X"": ""1""}","[{""seed"": 7}]",,
,,,,,,,,
m-{n1},,Do {n1},,,,,"{""matrix"": {""n1"": [1, 2]}}","[""one""]"
"""

FORMS = {
    "task.json": json.dumps({"tasks": ENTRIES}),
    "task.jsonl": "\n\n".join(map(json.dumps, ENTRIES)) + "\n",
    "TASK.YML": YAML,
    "task.csv": CSV,
    "task.tsv": "id\tfirst_prompt\nx\tgo\n",
}


def load(folder: Path, name: str, text: str) -> list[Task]:
    path = folder / name
    path.write_text(text, newline="")
    return load_tasks(path)


def test_every_form_gives_the_same_tasks(tmp_path: Path) -> None:
    first, *others = (load(tmp_path, name, text) for name, text in FORMS.items() if name != "task.tsv")
    assert [task.id for task in first] == ["one", "m-1", "m-2"]
    assert first[0].first_prompt == ENTRIES[0]["first_prompt"]
    assert all(other == first for other in others)
    assert load(tmp_path, "task.tsv", FORMS["task.tsv"])[0].first_prompt == "go"


def test_every_field_has_its_kind_of_cell() -> None:
    text = {name for name, field in Task.model_fields.items() if field.annotation in (str, str | None)}
    assert text <= {*AS_TEXT}
    assert {*AS_TEXT, *TEXT_OR_LIST} <= {*Task.model_fields}


@pytest.mark.parametrize(
    ("cells", "field", "value"),
    [
        ("verify\n[ -f x ]", "verify", ("[ -f x ]",)),
        ("verify\ntrue", "verify", ("true",)),
        ('hidden_verify\n"[""a"", ""b""]"', "hidden_verify", ("a", "b")),
        ("depends_on\n[]", "depends_on", ()),
        ("id\n007", "id", "007"),
        ("timeout\n 1.5 ", "timeout", 1.5),
        ("dir\n\n", "dir", ""),
        ("isolation\ncopy", "isolation", "copy"),
        ("attempts\n2", "stop_at", None),
    ],
)
def test_cells(tmp_path: Path, cells: str, field: str, value: object) -> None:
    heading, _, cell = cells.partition("\n")
    (task,) = load(tmp_path, "t.csv", f"first_prompt,{heading}\ngo,{cell.rstrip()}\n")
    assert getattr(task, field) == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("first_prompt: 2026-01-02", "2026-01-02"),
        ("first_prompt: no", "no"),
        ("first_prompt: 12:30", "12:30"),
        ("first_prompt: '5'", "5"),
        ("first_prompt: 010", "010"),
        ("first_prompt: >\n  a\n  b\n", "a b\n"),
        (r'first_prompt: "\u00e9"', "é"),
    ],
)
def test_what_yaml_leaves_text(tmp_path: Path, line: str, value: str) -> None:
    (task,) = load(tmp_path, "t.yaml", "tasks:\n- " + line.replace("\n", "\n  ") + "\n")
    assert task.first_prompt == value


WRONG_YAML = [
    ("tasks:\n- first_prompt: 5\n", "line 2, column 3: tasks[0].first_prompt: must be text, not 5"),
    ("tasks:\n- first_prompt: x\n  timeout: no\n", "line 3, column 3: tasks[0].timeout: must be a number"),
    ("tasks:\n- first_prompt: x\n  dri: y\n", "line 3, column 3: unknown key tasks[0].dri; did you mean"),
    ("tasks:\n- dir: x\n", "line 2, column 3: tasks[0].first_prompt is missing"),
    ("- first_prompt: x\n", "the top level must be an object"),
    ("# nothing\n", "line 1, column 1: the file: must be an object"),
    ("a: &a [x]\nb: *a\n", "line 2, column 4: aliases (*a) are not taken"),
    ("a: !!python/object/apply:os.system [id]\n", "line 1, column 4: tags (tag:yaml.org,2002:python/object"),
    ("a: !x 1\n", "line 1, column 4: tags (!x) are not taken"),
    ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' is given twice"),
    ("? [a]\n: 1\n", "line 1, column 3: a key must be text"),
    ("a: 1\n---\nb: 1\n", "more than one document"),
    ("a: [1\nb: 2\n", "not valid YAML at line 2, column"),
    ("a:\n\t- x\n", "not valid YAML at line 2, column 1"),
    ("a: \x07\n", "not valid YAML: "),
    ("[" * 60, "line 1, column 51: nested too deeply"),
    ("a: " + "1" * 5000, "line 1, column 4: a number that is too long"),
    ("tasks:\n- id: a\n  first_prompt: x\n- id: A\n  first_prompt: x\n", "line 4, column 3: the id 'A' is already"),
]  # fmt: skip
WRONG_LINES = [
    ('{"first_prompt": "x"}\n\n{"first_prompt": 5}\n', "line 3, column 2: first_prompt: must be text, not 5"),
    (
        '{"first_prompt": "x"}\n{"first_prompt" 5}\n',
        "line 2: not valid JSON at column 17: a colon is missing",
    ),
    ('{"first_prompt": "x", "id": 1, "id": 2}', "line 1, column 32: the key 'id' is given twice"),
    ("[]\n", "line 1, column 1: must be an object, not []"),
    ('{"first_prompt": "x", "dri": 1}', "line 1, column 23: unknown key dri; did you mean 'dir'?"),
    ('{"dir": "x"}', "line 1, column 1: first_prompt is missing"),
    ('{"id": "a", "first_prompt": "x"}\n' * 2, "line 2, column 2: the id 'a' is already that of line 1."),
    ('{"foreach": {"glob": "no/*"}, "first_prompt": "x"}', "foreach.glob: 'no/*' matches no file"),
    ("{\n", "line 1: not valid JSON at column 2"),
    ("[" * 100_000, "line 1: nested too deeply"),
]
WRONG_TABLES = [
    (
        "first_prompt,timeout\ngo,3\ngo,-1\n",
        'line 3, column "timeout": must be more than 0, not -1',
    ),
    ('first_prompt,timeout\n"a\nb",3\ngo,soon\n', "line 4, column \"timeout\": must be JSON, like 3"),
    ('first_prompt,env\ngo,"{""X"": 1}"\n', 'line 2, column "env": X: must be text, not 1'),
    ('first_prompt,env\ngo,"{""X"": ""1"", ""X"": ""2""}"\n', 'line 2, column "env": the key \'X\' is given twice'),
    ("first_prompt,inputs\ngo,src/*.py\n", "line 2, column \"inputs\": must be JSON, like"),
    ("first_prompt,depends_on\ngo,a\n", 'line 2, column "depends_on": must be a list of ids, or "children"'),
    ("first_prompt,dri\ngo,a\n", "line 1: unknown column 'dri'; did you mean 'dir'?"),
    ("id,first_prompt\na,\n", 'line 2, column "first_prompt" is missing'),
    ("id,first_prompt\na,x,y\n", "line 2: 3 cells, but 2 columns"),
    ("id;first_prompt\na;x\n", "line 1: the columns are separated by semicolons"),
    ("id,id\na,b\n", "line 1: two columns have the heading 'id'"),
    ('id,first_prompt\na,"x\n', "line 2: unexpected end of data"),
    ("id,first_prompt\na,x\nA,x\n", "line 3, column \"id\": the id 'A' is already that of line 2"),
    ("id,first_prompt\n", "there are no tasks"),
    ("id,first_prompt\na," + "x" * 140_000, "line 2: a cell of more than 131,072 characters"),
    ("first_prompt,timeout\n" + "go,soon\n" * 3, "(2 more like this)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        *(("t.yaml", *one) for one in WRONG_YAML),
        *(("t.jsonl", *one) for one in WRONG_LINES),
        *(("t.csv", *one) for one in WRONG_TABLES),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, name, text)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / name}: ")


def test_without_pyyaml_a_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UserError, match=r"t\.yaml: YAML needs PyYAML: pip install 'agentbatch\[yaml\]'\.?$"):
        load(tmp_path, "t.yaml", YAML)


def test_a_file_of_another_form_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(YAML)
    with pytest.raises(UserError, match=r"There is no task file .*; task\.yaml is there: -t task\.yaml\."):
        load_tasks(tmp_path / "task.json")
