"""From what a model wrote to a call: lenient where nothing is lost, never an exception."""

import json
from typing import Any

import pytest

from agentbatch.tasks.coders.builtin.toolbox import TOOLS
from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.tools.toolbox import HANDS, choose_hands, dispatch, specs, summarise


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bash", '{"command": "echo hi"}'),
        ("bash", '{"command": "echo hi", "timeout": "30"}'),
        ("bash", '{"command": "echo hi", "timeout": 99999999}'),
        ("bash", '{"command": "echo hi", "timeout": null}'),
        ("bash", ' "{\\"command\\": \\"echo hi\\"}" '),
        ("read_file", '{"path": "hi.txt", "offset": "1", "limit": 5.0}'),
        ("read_file", '{"path": "hi.txt", "offset": 0, "limit": null}'),
    ],
)
async def test_slips_are_forgiven(directory: ToolDirectory, name: str, arguments: str) -> None:
    (directory.root / "hi.txt").write_text("hi")
    result = await dispatch(HANDS, name, arguments, directory)
    assert result.ok
    assert "hi" in result.text


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("bash", "", "'command' is missing"),
        ("bash", "{}", "'command' is missing"),
        ("bash", '{"command": "touch made"', "not valid JSON"),
        ("bash", '{"command": "touch ma', "cut off"),
        ("bash", '["touch made"]', "must be a JSON object"),
        ("bash", '"touch made"', "not valid JSON"),
        ("bash", "null", "must be a JSON object"),
        ("bash", '{"command": null}', "'command': Input should be a valid string"),
        ("bash", '{"command": 12}', "'command': Input should be a valid string"),
        ("bash", '{"command": ""}', "'command': String should have at least 1 character"),
        ("bash", '{"cmd": "touch made"}', "there is no argument 'cmd'"),
        ("bash", '{"command": "touch made", "cwd": "/"}', "there is no argument 'cwd'"),
        ("bash", '{"command": "touch made", "timeout": -1}', "'timeout': Input should be greater than 0"),
        ("bash", '{"command": "touch made", "timeout": "soon"}', "'timeout': Input should be a valid number"),
        ("bash", '{"command": "touch made", "timeout": NaN}', "NaN is no JSON number"),
        ("bash", '{"command": "touch made", "command": "x"}', "a name is given twice"),
        ("bash", '{"command": "\\ud800"}', "'command': "),
        ("bash", "[" * 100_000, "nested too deeply"),
        ("read_file", '{"path": "x", "offset": ' + "9" * 5000 + "}", "not valid JSON"),
        ("read_file", '{"path": "x", "limit": 0}', "'limit': Input should be greater than or equal to 1"),
        ("write_file", '{"path": "made"}', "'content' is missing"),
        ("edit_file", '{"path": "x", "old_string": "a"}', "'new_string' is missing"),
        ("bsh", '{"command": "touch made"}', "There is no tool 'bsh'; did you mean 'bash'?"),
        ("", "{}", "There is no tool ''"),
        ("\ud800" * 1000, "{}", "There is no tool "),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_done(
    directory: ToolDirectory, name: str, arguments: str, says: str
) -> None:
    result = await dispatch(HANDS, name, arguments, directory)
    assert (result.ok, result.invalid, result.changed) == (False, True, False)
    assert says in result.text
    assert len(result.text) < 2000
    result.text.encode()
    assert list(directory.root.iterdir()) == []


async def test_wrong_arguments_are_answered_with_the_right_form(directory: ToolDirectory) -> None:
    result = await dispatch(HANDS, "edit_file", "{}", directory)
    assert "edit_file(path, old_string, new_string, replace_all?)" in result.text


async def test_the_systems_refusals_are_answers(directory: ToolDirectory) -> None:
    (directory.root / "file").write_text("x")
    arguments = json.dumps({"path": "file/inner/" + "y" * 200, "content": "x"})
    result = await dispatch(HANDS, "write_file", arguments, directory)
    assert not result.ok
    assert result.text == f"file is a file, so file/inner/{'y' * 200} cannot be in it. Choose another path."
    result = await dispatch(HANDS, "read_file", json.dumps({"path": "file/inner"}), directory)
    assert not result.ok


async def test_the_operators_command_timeout(directory: ToolDirectory) -> None:
    hands = choose_hands(["bash"], command_timeout=1)
    result = await dispatch(hands, "bash", '{"command": "sleep 300"}', directory)
    assert result.note == "killed: timeout after 1 s"


def test_specs_are_flat() -> None:
    found = specs(TOOLS)
    assert [spec["function"]["name"] for spec in found] == list(TOOLS)
    text = json.dumps(found)
    for word in ("$defs", "$ref", "title", "anyOf", "allOf", '"null"'):
        assert word not in text
    parameters: dict[str, dict[str, Any]] = {
        spec["function"]["name"]: spec["function"]["parameters"] for spec in found
    }
    assert all(p["additionalProperties"] is False and p["type"] == "object" for p in parameters.values())
    assert all(prop["description"] for p in parameters.values() for prop in p["properties"].values())
    assert {name: (list(p["properties"]), p["required"]) for name, p in parameters.items()} == {
        "bash": (["command", "timeout"], ["command"]),
        "read_file": (["path", "offset", "limit"], ["path"]),
        "write_file": (["path", "content"], ["path", "content"]),
        "edit_file": (
            ["path", "old_string", "new_string", "replace_all"],
            ["path", "old_string", "new_string"],
        ),
        "finish": (["summary"], ["summary"]),
    }


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("bash", '{"command": "pytest -q\\n  && echo ok"}', "bash pytest -q && echo ok"),
        ("bash", '{"command": "echo \\u001b[31m\\u202e\\u0007x"}', "bash echo [31mx"),
        ("bash", '{"command": "half', 'bash {"command": "half'),
        ("read_file", '{"path": "a.py"}', "read_file a.py"),
        ("read_file", '{"path": "a.py", "offset": 20}', "read_file a.py from line 20"),
        ("write_file", '{"path": "a.py", "content": "1\\n2"}', "write_file a.py (2 lines)"),
        ("edit_file", '{"path": "a", "old_string": "x", "new_string": "y"}', "edit_file a"),
        ("finish", '{"summary": "done"}', "finish done"),
        ("nope\u001b", "{}", "nope {}"),
        ("bash", json.dumps({"command": "x" * 1_000_000}), "bash " + "x" * 94 + "…"),
    ],
)
def test_summaries(name: str, arguments: str, line: str) -> None:
    assert summarise(TOOLS, name, arguments) == line
    assert len(line) <= 100
