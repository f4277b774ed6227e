"""One script for agents whose tools have other names and arguments."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.apis.agent_tools import is_foreign, translated
from agentbatch.rehearsal.apis.side_calls import side_question
from agentbatch.rehearsal.play import coder_step, summary
from agentbatch.rehearsal.rehearsal_model import RehearsalModel, Turn
from agentbatch.rehearsal.script import Say, Script, ScriptedCall

TEXT = {"type": "string"}
USER = {"role": "user", "content": "do it"}
AT = {"role": "system", "content": "<env>\nWorking directory: /work\n</env>"}


def tool(name: str, *required: str, **optional: Any) -> dict[str, Any]:
    properties = dict.fromkeys(required, TEXT) | optional
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


CODEX = [
    tool("exec_command", "cmd", workdir=TEXT),
    tool("write_stdin", "session_id", chars=TEXT),
    {"type": "custom", "custom": {"name": "apply_patch"}},
]
OLD_CODEX = [tool("shell", "command", command={"type": "array"}), tool("apply_patch", "input")]
OPENCODE = [tool("bash", "command", "description"), tool("write", "filePath", "content")]
CLAUDE = [tool("Bash", "command", timeout={"type": "number"}), tool("Write", "file_path", "content")]
QWEN = [
    tool("run_shell_command", "command", "is_background", is_background={"type": "boolean"}),
    tool("write_file", "file_path", "content"),
]
PI = [tool("bash", "command"), tool("write", "path", "content")]
BARE = [tool("terminal", "command")]

RUN = ScriptedCall(name="bash", arguments={"command": "ls"})
WRITE = ScriptedCall(name="write_file", arguments={"path": "a.py", "content": "x = 1\n"})
PATCH = "*** Begin Patch\n*** Add File: a.py\n+x = 1\n*** End Patch\n"


@pytest.mark.parametrize(
    ("tools", "call", "name", "arguments"),
    [
        (CODEX, RUN, "exec_command", {"cmd": "ls"}),
        (CODEX, WRITE, "apply_patch", PATCH),
        (OLD_CODEX, RUN, "shell", {"command": ["bash", "-lc", "ls"]}),
        (OLD_CODEX, WRITE, "apply_patch", {"input": PATCH}),
        (OPENCODE, RUN, "bash", {"command": "ls", "description": "as the task asks"}),
        (OPENCODE, WRITE, "write", {"filePath": "/work/a.py", "content": "x = 1\n"}),
        (CLAUDE, RUN, "Bash", {"command": "ls"}),
        (CLAUDE, WRITE, "Write", {"file_path": "/work/a.py", "content": "x = 1\n"}),
        (QWEN, RUN, "run_shell_command", {"command": "ls", "is_background": False}),
        (QWEN, WRITE, "write_file", {"file_path": "/work/a.py", "content": "x = 1\n"}),
        (PI, RUN, "bash", {"command": "ls"}),
        (PI, WRITE, "write", {"path": "/work/a.py", "content": "x = 1\n"}),
        (PI, ScriptedCall(name="read_file", arguments={"path": "a b"}), "bash", {"command": "cat 'a b'"}),
        # What is said broken stays broken, and what nobody knows stays unknown.
        (PI, ScriptedCall(name="bash", arguments='{"comm'), "bash", '{"comm'),
        (PI, ScriptedCall(name="dance", arguments={"to": "it"}), "dance", {"to": "it"}),
    ],
)
def test_a_step_is_said_in_the_tools_that_are_offered(
    tools: list[Any], call: ScriptedCall, name: str, arguments: object
) -> None:
    (said,) = translated(Say(calls=[call]), tools, [AT, USER]).calls
    assert (said.name, said.arguments) == (name, arguments)


@pytest.mark.parametrize("tools", [BARE, PI])
def test_what_is_there_already_is_written_and_edited_by_a_shell(tools: list[Any], tmp_path: Path) -> None:
    steps = [
        ScriptedCall(name="write_file", arguments={"path": "in/a.py", "content": "it's = 'a'\n"}),
        ScriptedCall(
            name="edit_file", arguments={"path": "in/a.py", "old_string": "'a'", "new_string": '"b" \\'}
        ),
    ]
    before = {"function": {"name": "write", "arguments": json.dumps({"path": "in/a.py"})}}
    asked: list[dict[str, Any]] = [USER, {"role": "assistant", "tool_calls": [before]}]
    for step in steps:
        (said,) = translated(Say(calls=[step]), tools, asked).calls
        assert isinstance(said.arguments, dict)
        subprocess.run(["bash", "-c", said.arguments["command"]], cwd=tmp_path, check=True)
    assert (tmp_path / "in/a.py").read_text() == 'it\'s = "b" \\\n'


def test_an_agent_ends_a_turn_by_saying_so_and_goes_on_with_the_next_step() -> None:
    finish = ScriptedCall(name="finish", arguments={"summary": "There."})
    model = RehearsalModel([Script(prompt="do it", coder=[Say(calls=[RUN, finish]), Say(calls=[WRITE])])])
    messages: list[dict[str, Any]] = [USER]
    said = []
    for _ in range(3):
        turn = model.turn("coder", messages, native=True, tools=PI)
        assert isinstance(turn, Turn)
        assert isinstance(turn.answer, Say)
        said.append([turn.answer.content, *(call.name for call in turn.answer.calls)])
        messages.append({"role": "assistant", "content": turn.answer.content})
        if turn.answer.calls:
            call = {"id": f"call_step{turn.step}_0", "function": {"name": "x", "arguments": "{}"}}
            messages[-1]["tool_calls"] = [call]
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "ok"})
        else:
            messages.append({"role": "user", "content": "Not yet."})
    assert said == [["", "bash"], ["There."], ["", "write"]]


@pytest.mark.parametrize(
    ("tools", "foreign"),
    [(PI, True), ([*PI, tool("finish", "summary")], False), ([], False), (None, False), ("?", False)],
)
def test_the_builtin_coders_tools_have_finish(tools: object, foreign: bool) -> None:
    assert is_foreign(tools) is foreign


@pytest.mark.parametrize(
    ("first", "last", "side"),
    [
        ("You are a title generator. You output ONLY a thread title.", "do it", "title"),
        ("Your task is to generate a very short title for a conversation", "do it", "title"),
        ("You are Codex.", "You are performing a CONTEXT CHECKPOINT COMPACTION. Create a …", "summary"),
        ("Be kind.", "Your task is to create a detailed summary of the conversation so far", "summary"),
        ("You are the component that summarizes internal chat history into …", "…", "summary"),
        ("You are a coding agent.", "Write a web page and generate titles.", None),
    ],
)
def test_what_agents_ask_beside_the_work(first: str, last: str, side: str | None) -> None:
    messages = [{"role": "system", "content": first}, {"role": "user", "content": last}]
    assert side_question(messages) == side


def test_a_summary_in_the_place_of_a_conversation_is_gone_on_from() -> None:
    model = RehearsalModel([Script(prompt="do it", coder=[Say(calls=[RUN])])])
    worked = {"role": "assistant", "tool_calls": [{"id": "call_step0_0"}]}
    asked = {"role": "user", "content": "CONTEXT CHECKPOINT COMPACTION"}
    turn = model.turn("coder", [USER, worked, {"role": "tool"}, asked], native=False)
    assert isinstance(turn, Turn)
    assert turn.answer == Say(content=summary("do it", 1))
    told = {"role": "user", "content": f"Another model was here before. {summary('do it', 1)}"}
    assert coder_step([told], 0) == 1
    assert coder_step([USER, told, {"role": "assistant", "content": "…"}], 0) == 2
