# ruff: noqa: E501 - replies as they come
"""Calls that a model wrote as Python, and programs and examples that are none."""

import json
from typing import Any

import pytest

from agentbatch.model.answer.answer import Answer
from agentbatch.model.capabilities import ToolMode
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.forms import with_text_calls
from agentbatch.toolcalls.python_calls import MAX_CODE
from agentbatch.workspace.tools.toolbox import specs

TOOLS = specs(TOOLBOX)
LS = ("bash", {"command": "ls"})
HI = ("write_file", {"path": "a.txt", "content": "hi\n"})
CALL = 'write_file(path="a.txt", content="hi\\n")'


def read(text: str, mode: ToolMode = "native") -> tuple[list[tuple[str, Any]], str]:
    answer = with_text_calls(Answer(text, (), "", "stop", None), TOOLS, mode)
    return [(call.name, json.loads(call.arguments)) for call in answer.tool_calls], answer.content


@pytest.mark.parametrize("mode", ["native", "schema", "text"])
@pytest.mark.parametrize(
    ("text", "calls", "prose"),
    [
        (f"[{CALL}]", [HI], ""),
        (f'[{CALL}, bash(command="ls")]', [HI, LS], ""),
        (f"I write it.\n\n[{CALL}]\n", [HI], "I write it."),
        (f"<think>\nhm [bash()]\n</think>\n\n[{CALL}]", [HI], ""),
        (f"<|python_start|>[{CALL}]<|python_end|>", [HI], ""),
        (f"<|python_start|>[{CALL}]<|python_end|><|eom|>", [HI], ""),
        ("<|python_tag|>bash(command='ls')<|eom_id|>", [LS], ""),
        ("Now.\n<|tool_call_start|>[bash(command='ls')] <|tool_call_end|>", [LS], "Now."),
        ("<function_calls>\nbash(command='ls')\nbash(command='ls')\n</function_calls>", [LS, LS], ""),
        (f"```tool_code\n{CALL}\n```", [HI], ""),
        ('I look.\n\n```tool_code\nprint(default_api.bash(command = "ls"))\n```', [LS], "I look."),
        ('[write_file(\n    path="a.txt",\n    content="""hi\n""",\n)]', [HI], ""),
        ('[bash(command="ls", timeout=5)]', [("bash", {"command": "ls", "timeout": 5})], ""),
        (CALL, [HI], ""),
        (f"```python\n{CALL}\n```", [HI], ""),
        ('[write_file(path="a.py", content="bash(command=\'x\')\\n[bash(command=\'x\')]")]', [("write_file", {"path": "a.py", "content": "bash(command='x')\n[bash(command='x')]"})], ""),
    ],
)  # fmt: skip
def test_calls_written_as_python(text: str, calls: list[tuple[str, Any]], prose: str, mode: ToolMode) -> None:
    assert read(text, mode) == (calls, prose)


@pytest.mark.parametrize(
    "text",
    [
        f"You could call `{CALL}` for that.",
        f"Call {CALL}",
        f"The call is:\n\n{CALL}",
        f"For example:\n\n```python\n{CALL}\n```",
        f"For example:\n\n```python\n{CALL}\n```\n\nThat is how it works.",
        f"The calls are\n[{CALL}]\nand no more.",
        f"```text\n[{CALL}]\n```",
        f"> [{CALL}]",
        f"```python\nimport os\n{CALL}\n```",
        "```python\nwrite_file(path=name, content=data)\n```",
        '```python\nwrite_file("a.txt", "hi")\n```',
        "```python\nprint(read_file(path='a.txt').upper())\n```",
        "```python\nread_file(path=open('a').read())\n```",
        "```python\nread_file(path='a.txt', encoding='utf-8')\n```",
        "```python\nwrite_file(path='a.txt')\n```",
        "[delete_all(path='a.txt')]",
        "[other.bash(command='ls')]",
        f"[{CALL}, 7]",
        f"[{CALL}",
        f"<|python_start|>[{CALL}]<|python_end|> is how I would do it.",
        "<|python_start|>import os<|python_end|>",
        "[bash(**{'command': 'ls'})]",
        "[bash(command=b'ls')]",
    ],
)
def test_programs_and_examples_are_no_calls(text: str) -> None:
    assert read(text) == ([], text)


@pytest.mark.parametrize(
    "text",
    [
        "[bash(" + "(" * 29_000 + "]",
        "[bash(command=" + "-" * 29_000 + "1)]",
        "[bash(command=" + "[" * 14_000 + "]" * 14_000 + ")]",
        "[bash(command=f'" + "{1}" * 9_000 + "')]",
        "[bash(\n" * 4_000 + "]",
        "<|python_start|>" + " \n" * 14_000 + "x>",
    ],
)
def test_python_of_any_shape_comes_to_an_end(text: str) -> None:
    assert len(text) < MAX_CODE, "it is looked at"
    assert read(text)[0] == []


def test_a_reply_that_is_too_long_is_not_parsed() -> None:
    long = f"[bash(command='{'x' * MAX_CODE}')]"
    assert read(long) == ([], long)
    assert read(long[:20] + long[200:])[0] == [("bash", {"command": "x" * (MAX_CODE - 180)})]
