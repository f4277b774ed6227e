"""What each reader makes of an agent's output: lines in the shape of its program, and what is told. Tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.tasks.coders.command.readers.claude import ClaudeReader
from agentbatch.tasks.coders.command.readers.codex import CodexReader
from agentbatch.tasks.coders.command.readers.gemini import GeminiReader
from agentbatch.tasks.coders.command.readers.opencode import OpencodeReader
from agentbatch.tasks.coders.command.readers.pi import PiReader
from agentbatch.tasks.coders.command.readers.plain import PlainReader
from agentbatch.tasks.coders.command.readers.reader import Ended, Reader, ReaderUpdate, Session
from agentbatch.tasks.coders.external.limits import MAX_WEIGHT
from agentbatch.tasks.coders.external.updates.update import (
    CostUpdate,
    MessageChunk,
    PlanUpdate,
    ToolCallUpdate,
    UsageUpdate,
)


def begins(name: str, tool: str, kind: str, arguments: dict[str, Any], **more: Any) -> ToolCallUpdate:
    return ToolCallUpdate(name, True, tool, kind, "in_progress", arguments=arguments, **more)


RECORDINGS: dict[str, tuple[Callable[[], Reader], list[ReaderUpdate]]] = {
    "claude": (
        ClaudeReader,
        [
            Session("0b-1", "2.1.197"),
            MessageChunk("Hm.", thought=True),
            MessageChunk("I begin.\n"),
            begins("t1", "Bash", "execute", command="make", arguments={"command": "make", "description": "Build"}),
            ToolCallUpdate("t1", status="failed", exit_code=2, output="Exit code 2\nno rule"),
            begins("t2", "Bash", "execute", command="true", arguments={"command": "true"}),
            ToolCallUpdate("t2", status="completed", exit_code=0, output="ok"),
            begins("t3", "Bash", "execute", command="serve", arguments={"command": "serve", "run_in_background": True}),
            ToolCallUpdate("t3", status="completed", output="in the background"),
            PlanUpdate((("a", "completed"), ("b", "in_progress"))),
            begins("t5", "Edit", "edit", paths=("/w/a.py",), arguments={"file_path": "/w/a.py", "old_string": "x"}),
            CostUpdate(0.25),
            UsageUpdate(19, 3, 5, 4),
            Ended("end_turn"),
        ],
    ),
    "qwen": (
        ClaudeReader,
        [
            Session("q1", "0.15.10"),
            begins("c", "run_shell_command", "execute", command="ls x", arguments={"command": "ls x"}),
            ToolCallUpdate("c", status="completed", exit_code=2, output="Command: ls x\nOutput: (empty)\nExit Code: 2"),
            Ended("error", "[API Error: 402]"),
        ],
    ),
    "codex": (
        CodexReader,
        [
            Session("019a-7"),
            MessageChunk("**Look**\n", thought=True),
            ToolCallUpdate("item_1", True, "command_execution", "execute", "in_progress", "make test"),
            ToolCallUpdate("item_1", False, "command_execution", "execute", "failed", "make test", 1, "1 failed\n"),
            ToolCallUpdate("item_2", False, "file_change", "edit", "completed", paths=("/w/a.py",)),
            PlanUpdate((("a", "completed"), ("b", "pending"))),
            MessageChunk("Done.\n"),
            UsageUpdate(100, 9, 60),
            Ended("end_turn"),
        ],
    ),
    "opencode": (
        OpencodeReader,
        [
            Session("ses_1"),
            begins("k", "bash", "execute", command="false", arguments={"command": "false"}),
            ToolCallUpdate("k", status="completed", exit_code=1),
            begins("l", "write", "edit", paths=("/w/b",), arguments={"filePath": "/w/b"}),
            ToolCallUpdate("l", status="failed", output="denied"),
            CostUpdate(0.5),
            MessageChunk("Done.\n"),
            CostUpdate(0.75),
            Ended("end_turn"),
        ],
    ),
    "pi": (
        PiReader,
        [
            Session("01a2-7", "pi"),
            MessageChunk("Hm.", thought=True),
            MessageChunk("I write it.\n"),
            begins("a", "write", "edit", paths=("b.txt",), arguments={"path": "b.txt", "content": "b"}),
            ToolCallUpdate("a", status="completed", output="Successfully wrote to b.txt"),
            begins("c", "bash", "execute", command="make", arguments={"command": "make"}),
            ToolCallUpdate("c", status="failed", exit_code=2, output="no rule\n\n\nCommand exited with code 2"),
            begins("d", "bash", "execute", command="true", arguments={"command": "true"}),
            ToolCallUpdate("d", status="completed", exit_code=0),
            begins("e", "bash", "execute", command="false", arguments={"command": "false"}),
            ToolCallUpdate("e", status="failed", exit_code=1, output="x"),
            MessageChunk("Done.\n"),
            CostUpdate(0.25),
            UsageUpdate(203, 24, 80, 3),
            Ended("end_turn"),
        ],
    ),
    "gemini": (
        GeminiReader,
        [
            Session("g-1"),
            MessageChunk("I "),
            MessageChunk("see."),
            begins("r1", "run_shell_command", "execute", command="ls", arguments={"command": "ls"}),
            ToolCallUpdate("r1", status="completed", exit_code=0, output="a\nExit Code: 0"),
            ToolCallUpdate("r2", status="failed", output="gone"),
            Ended("end_turn"),
        ],
    ),
}  # fmt: skip


def recording(name: str) -> list[bytes]:
    return (Path(__file__).with_name("recordings") / f"{name}.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording(name: str) -> None:
    make, told = RECORDINGS[name]
    reader = make()
    assert [one for line in recording(name) for one in reader.read(line)] == told
    assert list(reader.end(1)) == []


@pytest.mark.parametrize(
    ("reader", "line", "ended"),
    [
        (ClaudeReader, {"type": "result", "subtype": "success", "is_error": True, "result": "402"}, ("error", "402")),
        (ClaudeReader, {"type": "result", "subtype": "error_max_turns"}, ("max_turn_requests", "")),
        (ClaudeReader, {"type": "result", "subtype": "error_max_budget_usd"}, ("cost", "")),
        (ClaudeReader, {"type": "result"}, ("error", "")),
        (CodexReader, {"type": "turn.failed", "error": {"message": "402"}}, ("error", "402")),
        (OpencodeReader, {"type": "step_finish", "part": {"reason": "length"}}, ("max_tokens", "")),
        (OpencodeReader, {"type": "step_finish", "part": {"reason": "odd"}}, ("error", "")),
        (OpencodeReader, {"type": "error", "error": {"name": "E", "data": {"message": "402"}}}, ("error", "402")),
        (GeminiReader, {"type": "result", "status": "error", "error": {"message": "no"}}, ("error", "no")),
    ],
)  # fmt: skip
def test_how_a_turn_ends(reader: Callable[[], Reader], line: dict[str, Any], ended: tuple[str, str]) -> None:
    (told,) = reader().read(json.dumps(line).encode())
    assert isinstance(told, Ended)
    assert (told.reason, told.problem if ended[0] != "max_turn_requests" else "") == ended


@pytest.mark.parametrize(
    ("stop", "ended"),
    [("length", Ended("max_tokens")), ("error", Ended("error", "402")), (7, Ended("error", "402"))],
)  # fmt: skip
def test_how_a_turn_of_pi_ends_at_the_end_of_its_output(stop: object, ended: Ended) -> None:
    reader = PiReader()
    answer = {"role": "assistant", "stopReason": stop, "errorMessage": "402"}
    assert list(reader.read(json.dumps({"type": "message_end", "message": answer}).encode())) == []
    assert list(reader.end(0))[-1] == ended
    assert list(PiReader().end(1)) == []


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [("I did it.", 0, "end_turn"), ("I failed.", 1, "end_turn"), ("", 0, "error"), ("x", 137, "error")],
)  # fmt: skip
def test_plain_output_is_what_it_says(text: str, code: int, reason: str) -> None:
    reader = PlainReader()
    assert list(reader.read(f"\x1b[31m{text}\x07".encode())) == [MessageChunk(f"{text}\n")]
    assert [told.reason for told in reader.end(code) if isinstance(told, Ended)] == [reason]


ODD: list[Any] = [None, 0, True, "", "x", [], [None], {}, {"x": None}, -1, 1e400, ["x", {"text": 1}]]


@pytest.mark.parametrize("name", RECORDINGS)
def test_nothing_that_an_agent_writes_breaks_its_reader(name: str) -> None:
    """Each value of each line in the recording in turn is one of another kind."""
    make, _ = RECORDINGS[name]
    tried = 0
    for line in recording(name):
        for changed in _changed(json.loads(line)):
            list(make().read(json.dumps(changed).encode()))
            tried += 1
    assert tried > 100
    for data in (
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b'{"type":' + b"[" * 99_999,
        b'"type"',
        b'{"type":"x"',
    ):
        assert list(make().read(data)) == []


def _changed(value: Any) -> list[Any]:
    found = list(ODD)
    if isinstance(value, dict):
        found += [{**value, key: other} for key, inner in value.items() for other in _changed(inner)]
    if isinstance(value, list):
        found += [
            [*value[:n], other, *value[n + 1 :]] for n, inner in enumerate(value) for other in _changed(inner)
        ]
    return found


def test_what_would_take_too_much_memory_is_left_out() -> None:
    """`[],[],[]...` takes twenty times its length."""
    line = json.dumps({"type": "result", "subtype": "success"}).encode()
    heavy = line[:-1] + b',"x":[' + b"[]," * (MAX_WEIGHT // 100) + b"1]}"
    assert list(ClaudeReader().read(line)) == [Ended("end_turn")]
    assert list(ClaudeReader().read(heavy)) == []


@pytest.mark.parametrize(
    ("told", "command"),
    [
        ("/bin/bash -lc 'make test'", "make test"),
        ("/bin/bash -lc make", "make"),
        ("""bash -lc "python3 -c 'print(1)'\"""", "python3 -c 'print(1)'"),
        (r'''/bin/bash -lc "echo 'a' \"b\" \$HOME \`c\` \\n"''', r"""echo 'a' "b" $HOME `c` \n"""),
        ("/bin/bash -lc \"cat <<'X'\na\nX\"", "cat <<'X'\na\nX"),
        ("""bash -lc 'a'"'"'b'""", "a'b"),
        ("""bash -lc "echo 'a"'!'"'\"""", "echo 'a!'"),
        ("bash -lc 'make' test", "'make' test"),
        ("bash -lc 'open", "'open"),
        ("bash -lc ''", "''"),
        ("make -j2", "make -j2"),
    ],
)
def test_the_command_that_codex_gives_its_shell(told: str, command: str) -> None:
    item = {"type": "command_execution", "id": "1", "command": told, "exit_code": 0, "status": "completed"}
    (call,) = CodexReader().parse({"type": "item.completed", "item": item})
    assert isinstance(call, ToolCallUpdate)
    assert call.command == command
