import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.documents.json_text import position_of
from agentbatch.errors import UserError
from agentbatch.tasks.spec.task_file import load_tasks


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "task.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_full_task_is_read(tmp_path: Path) -> None:
    entry = {
        "id": "one",
        "dir": "a/b",
        "first_prompt": "做",
        "verify": "make test",
        "max_iterations": 2,
        "timeout": 30,
        "env": {"X": "1"},
        "protected_paths": ["tests/**"],
    }
    (task,) = load_tasks(write(tmp_path, json.dumps({"tasks": [entry]})))
    assert task.verify == ("make test",)
    assert task.first_prompt == "做"
    assert task.timeout == 30


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    assert load_tasks(write(tmp_path, b'\xef\xbb\xbf{"tasks": [{"first_prompt": "x"}]}'))


def tasks(*entries: Any) -> str:
    return json.dumps({"tasks": list(entries)}, indent=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        (b"\xff\xfe{}", "is not UTF-8 text (byte 0)"),
        ('{"tasks": [\n  {"dir": }]}', "not valid JSON at line 2, column 11"),
        ('{"tasks": [' + "1" * 5000 + "]}", "a number that is too long: Exceeds the limit"),
        ("[]", "the top level must be an object"),
        ('"x"', "line 1, column 1: the file: must be"),
        ("{}", "tasks is missing"),
        ('{"tasks": []}', "there are no tasks"),
        ('{"tasks": 3}', "line 1, column 2: tasks: must be"),
        (tasks({"dir": "x"}), "line 3, column 5: tasks[0].first_prompt is missing"),
        (tasks({"first_prompt": "  "}), "tasks[0].first_prompt: must not be empty"),
        (
            tasks({"first_prompt": "x"}, {"first_prompt": 5}),
            "line 7, column 7: tasks[1].first_prompt: must be text, not 5",
        ),
        (
            tasks({"first_prompt": "x", "dri": "y"}),
            "line 5, column 7: unknown key tasks[0].dri; did you mean 'dir'?",
        ),
        (tasks({"first_prompt": "x", "zzz": 1}), "known keys: id, dir, first_prompt"),
        (
            tasks({"first_prompt": "x", "mcp": {"a": {"url": "https://h", "zzz": 1}}}),
            "unknown key tasks[0].mcp.a.zzz; known keys: command, url, ",
        ),
        (
            tasks({"first_prompt": "x", "setup_cache": {"zzz": 1}}),
            "tasks[0].setup_cache.zzz; known keys: key, paths.",
        ),
        (tasks({"first_prompt": "x", "attempts": [{"zzz": 1}]}), "tasks[0].attempts[0].zzz; known keys: "),
        (
            tasks({"first_prompt": "x", "mcp": {"a": {"command": "npx", "args": ["-y", "b"]}}}),
            'tasks[0].mcp.a: has its program and its arguments in one list here, as command: ["npx", "-y", "b"]',
        ),
        ('{"tasks": [{"first_prompt": "x"}], "task": 1}', "unknown key task; did you mean 'tasks'?"),
        (tasks({"first_prompt": "x", "max_iterations": 0}), "must be 1 or more, not 0"),
        (tasks({"first_prompt": "x", "max_iterations": "3"}), "max_iterations: must be a whole number"),
        (tasks({"first_prompt": "x", "timeout": -1}), "must be more than 0, not -1"),
        (tasks({"first_prompt": "x", "verify": [1]}), "tasks[0].verify[0]"),
        (tasks({"first_prompt": "x", "memory": "4 gigs"}), "memory: must be a text like 512m or 4g, and at"),
        (tasks({"first_prompt": "x", "memory": "1k"}), "at least 16m, not"),
        (tasks({"first_prompt": "x", "cpus": 0.001}), "cpus: must be 0.01 or more, or 0 for no limit"),
        (tasks({"first_prompt": "x", "processes": 1}), "processes: must be 16 or more, or 0 for no limit"),
        (tasks({"first_prompt": "x", "processes": -1}), "processes: must be 0 or more, not -1"),
        (tasks({"first_prompt": "x", "resources": {"a b": 1}}), r"must match ^[\w.\-]+$"),
        (tasks({"first_prompt": "x", "resources": {"g" * 101: 1}}), "must have at most 100 characters"),
        (
            tasks({"first_prompt": "x", "attempts": 0}),
            "must be a number from 1 to 100, or a list of so many objects",
        ),
        (tasks({"first_prompt": "x", "attempts": [{"coder_mdel": "a"}]}), "did you mean 'coder_model'?"),
        (
            tasks({"first_prompt": "x", "attempts": [{"temperature": 3}]}),
            "tasks[0].attempts[0].temperature: must be",
        ),
        (tasks({"first_prompt": "x", "stop_at": "never"}), "stop_at: must be"),
        (tasks({"first_prompt": "x", "id": "../up"}), "must be 1 to 100 letters"),
        (tasks({"first_prompt": "x", "env": {"A=B": "1"}}), "not a name for an environment variable"),
        (tasks({"first_prompt": "x", "protected_paths": ["../x"]}), "does not stay inside"),
        (tasks({"first_prompt": "x", "protected_paths": ["/x"]}), "does not stay inside"),
        (
            tasks({"first_prompt": "x", "id": "Same"}, {"first_prompt": "y", "id": "same"}),
            "the id 'same' is already that of tasks[0]",
        ),
        (
            '{"tasks": [{"first_prompt": "x", "first_prompt": "y"}]}',
            "line 1, column 34: the key 'first_prompt' is given twice",
        ),
        ("[" * 100_000, "nested too deeply"),
        (tasks({"first_prompt": "x", "id": "名" * 100}), "must take at most 240 bytes"),
        (tasks({"first_prompt": "x", "dir": "x" * 300}), "must have names of at most 240 bytes"),
        (tasks({"first_prompt": "x", "dir": "~/x"}), "~ is not expanded here"),
        (tasks({"first_prompt": "x", "dir": "$HOME/x"}), "$ is not expanded here"),
        (tasks({"first_prompt": "half \ud800"}), "\\ud800 is half of a surrogate pair"),
        (tasks(5), "line 3, column 5: tasks[0]: must be an object, not 5"),
        (
            tasks({"first_prompt": "x"}, {"first_prompt": "x", "depends_on": "a"}),
            'line 8, column 7: tasks[1].depends_on: must be a list of ids, or "children", not "a"',
        ),
        (tasks({"first_prompt": "x", "depends_on": ["a", 3]}), 'a list of ids, or "children", not ["a", 3]'),
        (tasks({"first_prompt": "x", "depends_on": "children"}), '"children" needs foreach.dirs'),
        (tasks({"first_prompt": "x", "outputs": ["../x"]}), "tasks[0].outputs: '../x' does not stay inside"),
        (
            tasks({"first_prompt": "x", "inputs": ["/etc/x"]}),
            "tasks[0].inputs: '/etc/x' does not stay inside",
        ),
        (tasks({"first_prompt": "x", "inputs": ["~/x"]}), "tasks[0].inputs: '~/x' does not stay inside"),
        (tasks({"first_prompt": "x", "inputs": [""]}), "'' names no file"),
        (tasks({"first_prompt": "x", "inputs": ["[z-a]"]}), "The pattern '[z-a]' is not valid"),
        (
            tasks({"first_prompt": "x", "foreach": {"dirs": "**/[z-a]"}}),
            "The pattern '**/[z-a]' is not valid",
        ),
        (tasks({"first_prompt": "x", "protected_paths": ["[z-a]"]}), "The pattern '[z-a]' is not valid"),
        (tasks({"first_prompt": "x", "forech": {}}), "unknown key tasks[0].forech; did you mean 'foreach'?"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError) as error:
        load_tasks(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no task file .*agentbatch init"):
        load_tasks(tmp_path / "none.json")
    with pytest.raises(UserError, match="is a folder"):
        load_tasks(tmp_path)


def test_positions_survive_tricky_strings() -> None:
    text = '{"a\\"]}": [1, "}]", {"k": []}],\n "b": {"c": 1}}'
    assert position_of(text, ['a"]}', 1]) == (1, 15)
    assert position_of(text, ["b", "c"]) == (2, 8)
    assert position_of(text, ["b", "missing"]) == (2, 2)
