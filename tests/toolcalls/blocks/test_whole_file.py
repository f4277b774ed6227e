"""A block of code that nothing names: when it is the file that the task asks for, and when it is left."""

import json
from typing import Any

import pytest

from agentbatch.model.reply import Message
from agentbatch.toolcalls.blocks.calls import find_blocks
from agentbatch.toolcalls.blocks.whole_file import ReplyContext

NAMES = frozenset({"bash", "read_file", "write_file", "edit_file", "finish"})
CODE = "def to_roman(n):\n    return 'I' * n\n"
WRITE = ("write_file", {"path": "roman.py", "content": CODE})
TASK = "Write roman.py with a function to_roman(n)."


def asked(task: str = TASK, *more: Message) -> ReplyContext:
    return ReplyContext(
        [{"role": "system", "content": "Example: hello.py"}, {"role": "user", "content": task}, *more]
    )


def did(name: str, result: str = "", **arguments: Any) -> list[Message]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"{name}1", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"{name}1", "content": result},
    ]


def calls_in(text: str, context: ReplyContext) -> list[Any]:
    found = find_blocks(text, NAMES, context)
    return [] if found is None else list(found.calls)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (f"```python\n{CODE}```", []),
        (f"```py\n{CODE}```", []),
        (f"Sure!\n\n```python\n{CODE}```\n\nThis function repeats I.", []),
        (f"```python\n{CODE}```\nDONE: It works.", [("finish", {"summary": "It works."})]),
        (
            f"```python\n{CODE}```\n```bash\npython3 roman.py\n```",
            [("bash", {"command": "python3 roman.py"})],
        ),
        (f"```python\n{CODE}```\nUse it:\n```python\nfrom roman import to_roman\nto_roman(3)\n```", []),
        (f"```python\n{CODE}```\nIt prints:\n```\nIII\n```", []),
        (f"```python\n{CODE}", []),
    ],
)
def test_the_only_block_is_the_only_file_of_the_task(text: str, more: list[Any]) -> None:
    assert calls_in(text, asked()) == [WRITE, *more]


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{CODE}```",
        f"```javascript\n{CODE}```",
        f"```text\n{CODE}```",
        f"```python\n{CODE}```\nOr:\n```python\n{CODE}```",
        "```python\nfrom roman import to_roman\nprint(to_roman(3))\n```",
        "```python\nimport roman\nroman.to_roman(3)\n```",
        '```python\nTraceback (most recent call last):\n  File "roman.py", line 1\n```',
        "```python\n>>> to_roman(3)\n'III'\n```",
        "```python\n$ python3 roman.py\n```",
        "```python\n--- a/roman.py\n+++ b/roman.py\n@@ -1 +1 @@\n-x\n+y\n```",
        "```python\n@@ -1 +1 @@\n-x\n+y\n```",
        "```python\n    return 'I' * n\n```",
        "```python\ndef to_roman(n):\n    # ... as before\n```",
        "```python\nimport sys\n...\n```",
        "```python\n\n```",
        "```python\n",
    ],
)
def test_what_may_be_something_else_is_left(text: str) -> None:
    assert calls_in(text, asked()) == []


@pytest.mark.parametrize(
    "task",
    [
        "Write a function to_roman(n).",
        "Write roman.py and test_roman.py.",
        "Write roman.js.",
        "Write a Node.js script.",
        "Fetch https://example.com/roman.py",
        "",
    ],
)
def test_a_task_that_does_not_name_one_file_leaves_it_open(task: str) -> None:
    assert calls_in(f"```python\n{CODE}```", asked(task)) == []
    assert calls_in(f"```python\n{CODE}```", ReplyContext()) == []


@pytest.mark.parametrize(
    ("task", "path"),
    [
        ("Write ./roman.py. Test it.", "roman.py"),
        (
            "In `src/roman.py`, which reads data.csv, write to_roman (roman.to_roman). See src/roman.py.",
            "src/roman.py",
        ),
    ],
)
def test_the_name_is_found_in_the_task(task: str, path: str) -> None:
    assert calls_in(f"```python\n{CODE}```", asked(task)) == [("write_file", {"path": path, "content": CODE})]


def test_a_call_in_front_or_another_file_leaves_it_open() -> None:
    read = ("read_file", {"path": "roman.py"})
    assert calls_in(f"READ: roman.py\n```python\n{CODE}```", asked()) == [read]
    other = f"FILE: b.txt\n```\nb\n```\n```python\n{CODE}```"
    assert [arguments["path"] for _, arguments in calls_in(other, asked())] == ["b.txt"]


def test_a_block_for_another_file_is_not_taken_for_this_one() -> None:
    helper = did("write_file", path="helper.py", content="def a(): ...\ndef b(): ...\n")
    text = "Change helper.py:\n```python\ndef a(): return 1\n```"
    assert calls_in(text, asked(TASK, *helper)) == [], "it is a part of helper.py, and no roman.py"
    assert calls_in(text, asked()) == [
        ("write_file", {"path": "helper.py", "content": "def a(): return 1\n"})
    ]


def test_a_part_of_what_the_file_held_is_not_the_file() -> None:
    two = CODE + "\n\ndef from_roman(text):\n    return len(text)\n"
    numbered = "".join(f"{n:6}\t{line}\n" for n, line in enumerate(two.splitlines(), 1))
    for before in (
        did("write_file", path="roman.py", content=two),
        did("read_file", numbered, path="./roman.py"),
    ):
        assert calls_in(f"```python\n{CODE}```", asked(TASK, *before)) == []
        assert calls_in(f"```python\n{two}```", asked(TASK, *before)) == [
            ("write_file", {"path": "roman.py", "content": two})
        ]
        label = f"### roman.py\n```python\n{CODE}```"
        assert calls_in(label, asked(TASK, *before)) == [
            ("edit_file", {"path": "roman.py", "old_string": "", "new_string": CODE})
        ], "the tool answers that it has to be told what to replace"
        whole = f"FILE: roman.py\n```python\n{CODE}```"
        assert calls_in(whole, asked(TASK, *before)) == [WRITE], "it said that it is the whole file"


def test_the_last_state_counts() -> None:
    two = did("write_file", path="roman.py", content=CODE + "def from_roman(text): ...\n")
    one = did("write_file", path="roman.py", content=CODE)
    assert calls_in(f"```python\n{CODE}```", asked(TASK, *two, *one)) == [WRITE]
    assert calls_in(f"```python\n{CODE}```", asked(TASK, *one, *two)) == []


def test_a_file_that_only_commands_touched_is_not_written_over() -> None:
    assert calls_in(f"```python\n{CODE}```", asked(TASK, *did("bash", command="cat roman.py"))) == []
    assert calls_in(f"```python\n{CODE}```", asked(TASK, *did("bash", command="ls"))) == [WRITE]


def test_broken_calls_of_the_past_are_no_matter() -> None:
    wrapped = did("write_file", invalid_json='{"path": "roman.py", "content": "def')
    odd: list[Message] = [
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "bash", "arguments": '{"command": 3'}}],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "2", "function": None}, {"function": {"arguments": "[]"}}],
        },
    ]
    assert calls_in(f"```python\n{CODE}```", asked(TASK, *wrapped, *odd)) == [WRITE]
    assert (
        ReplyContext([{"role": "user", "content": None}, {"role": "user", "content": TASK}]).file_for(
            "python"
        )
        == ""
    )
