"""The text protocol's form: what is written is read back, and a history only ever grows at its end."""

import itertools
import json
import random
from typing import Any

import pytest

from agentbatch.model.reply import Message
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.blocks.calls import find_blocks
from agentbatch.toolcalls.blocks.rendering import REMINDER, STOP, instructions, render, written
from agentbatch.workspace.tools.toolbox import specs

NAMES = frozenset(TOOLBOX)
TOOLS = specs(TOOLBOX)

LINES = (
    "def f():", "    return 1", "x = 'a' + \"b\" + `c`", 'print("It\'s \\"done\\"")', "trailing   ", "\ttab", "", "  ",
    "```", "```python", "````", "~~~", "~~~bash", "    ```bash", "```bash title=\"a.py\"", "``` ```",
    "FILE: a.py", "FILE: b.md", "EDIT: x", "DONE: yes", "DONE", "READ: q.py", "RUN: ls", "**a.py**", "# a.py",
    "[Result of bash]", "[Result of write_file] ok", "<think>", "</think>", "$ ls", "> x", "cat <<'EOF'", "EOF",
    "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "<<<<<<<< SEARCH", "========", ">>>>>",
    '{"tool": "bash", "arguments": {"command": "ls"}}', "@@ -1 +1 @@", "--- a/x", "diff --git a b",
    "form\x0cfeed", "line\u2028separator", "next\x85line", "cr\rinside", "cr at the end\r",
    "\ufeffmark", "é 中 \U0001f600",
    "...", "Traceback (most recent call last):", "# Title", "- item",
    "Title\n=====",
)  # fmt: skip
PATHS = (
    "a.py", "src/a.py", "README.md", "doc.rst", "Makefile", ".gitignore", "run.sh", "_p.py", "__init__.py",
    "naïve.py", "my notes.txt", "a b c d e.txt", "we'ird.py", 'q"uote.py', "back`tick.py", "new\nline.py",
    "nul\0.py", "(new).py", "a (1).py", "x.py:", "dir/", "-x.py", "*.py", " lead.py", "a.py, b.py", "a.py b.py",
    "a.py 10-20", "DONE", "FILE: x",
)  # fmt: skip


def text_of(rng: random.Random) -> str:
    whole = "".join(rng.choice(LINES) + "\n" for _ in range(rng.randint(0, 9)))
    return whole + (rng.choice(LINES) if rng.random() < 0.3 else "")


def ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def call_of(rng: random.Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A call, and its arguments as a block can hold them: whole lines, a command without empty lines around it."""
    name, path = rng.choice(("write_file", "bash", "edit_file", "read_file", "finish")), rng.choice(PATHS)
    match name:
        case "write_file":
            content = text_of(rng)
            return name, {"path": path, "content": content}, {"path": path, "content": ended(content)}
        case "bash":
            command = text_of(rng)
            return name, {"command": command}, {"command": command.strip("\n")}
        case "edit_file":
            old, new = text_of(rng), text_of(rng)
            return (
                name,
                {"path": path, "old_string": old, "new_string": new},
                {"path": path, "old_string": ended(old), "new_string": ended(new)},
            )
        case "read_file":
            first = rng.choice((None, 1, 7))
            more = {} if first is None else {"offset": first, "limit": rng.randint(1, 9)}
            return name, {"path": path, **more}, {"path": path, **more}
    summary = rng.choice(("All is done.", "f is in a.py.\n\nIt was run.", "Done."))
    return name, {"summary": summary}, {"summary": summary}


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_read_back(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        name, arguments, as_lines = call_of(rng)
        text = written(name, arguments)
        found = find_blocks(text, NAMES)
        assert found is not None, text
        assert found.calls in (((name, as_lines),), ((name, arguments),)), text


@pytest.mark.parametrize("seed", range(40))
def test_several_calls_of_one_reply_are_read_back(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        given = [call_of(rng) for _ in range(rng.randint(1, 4))]
        acts = [call for call in given if call[0] != "finish"]
        ends = [call for call in given if call[0] == "finish"][-1:]
        text = "I do it.\n" + "\n".join(written(name, arguments) for name, arguments, _ in acts + ends)
        found = find_blocks(text, NAMES)
        assert found is not None, text
        assert len(found.calls) == len(acts + ends), text
        for (name, arguments), (expected, exact, as_lines) in zip(found.calls, acts + ends, strict=True):
            assert name == expected
            assert arguments in (exact, as_lines), text


def test_what_weak_models_write_themselves_is_what_they_are_shown() -> None:
    """Plain content is a plain block: no JSON, no longer fence, nothing that only a parser likes."""
    assert (
        written("write_file", {"path": "src/a.py", "content": "x = 1\n"})
        == "FILE: src/a.py\n```python\nx = 1\n```"
    )
    assert written("write_file", {"path": "Makefile", "content": "all:"}) == "FILE: Makefile\n```\nall:\n```"
    assert (
        written("write_file", {"path": "a.md", "content": "```\nx\n```\n"})
        == "FILE: a.md\n````markdown\n```\nx\n```\n````"
    )
    assert (
        written("write_file", {"path": "__init__.py", "content": ""}) == "FILE: __init__.py\n```python\n```"
    )
    assert written("bash", {"command": "ls\n", "timeout": 5}) == "```bash\nls\n```"
    assert written("read_file", {"path": "a.py"}) == "READ: a.py"
    assert written("read_file", {"path": "a.py", "offset": 5, "limit": 2}) == "READ: a.py lines 5-6"
    assert written("finish", {"summary": "It works."}) == "DONE: It works."
    assert written(
        "edit_file", {"path": "a.py", "old_string": "a\n", "new_string": "", "replace_all": True}
    ) == ("EDIT: a.py\n```\n<<<<<<< SEARCH\na\n=======\n>>>>>>> REPLACE\n```")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bash", {}),
        ("bash", {"command": None}),
        ("bash", {"command": ""}),
        ("bash", {"command": ["ls"]}),
        ("write_file", {"path": "a.py"}),
        ("write_file", {"path": 3, "content": "x"}),
        ("search", {"words": "x"}),
        ("bash", ["ls"]),
        ("bash", None),
    ],
)
def test_a_wrong_call_of_the_past_is_shown_as_what_it_was(name: str, arguments: Any) -> None:
    assert json.loads(written(name, arguments)) == {"tool": name, "arguments": arguments}


def history_of(rng: random.Random, steps: int) -> list[Message]:
    history: list[Message] = [
        {"role": "system", "content": "You code."},
        {"role": "user", "content": "Do it."},
    ]
    for step in range(steps):
        match rng.randint(0, 4):
            case 0:
                history.append({"role": "assistant", "content": "I am not sure."})
                history.append({"role": "user", "content": "Go on."})
            case 1:
                history.append({"role": "assistant", "content": ""})
                history.append({"role": "user", "content": "It was empty."})
                history.append({"role": "user", "content": "Ten steps are left."})
            case _:
                calls = [call_of(rng) for _ in range(rng.randint(1, 3))]
                broken = rng.random() < 0.2
                made = [
                    {
                        "id": f"{step}-{at}",
                        "type": "function",
                        "function": {
                            "name": name,
                            "arguments": json.dumps({"invalid_json": "{x"} if broken else arguments),
                        },
                    }
                    for at, (name, arguments, _) in enumerate(calls)
                ]
                history.append(
                    {"role": "assistant", "content": rng.choice(("", "I look.")), "tool_calls": made}
                )
                history += [
                    {"role": "tool", "tool_call_id": call["id"], "content": text_of(rng)} for call in made
                ]
                if rng.random() < 0.3:
                    history.append({"role": "user", "content": "A limit is near."})
    return history


@pytest.mark.parametrize("seed", range(30))
def test_the_next_request_begins_with_the_last_one(seed: int) -> None:
    """A request goes out where the model's turn is: in front of every assistant message, and at the end."""
    history = history_of(random.Random(seed), 12)
    asked = [at for at, message in enumerate(history) if message["role"] == "assistant"]
    requests = [render(history[:at], TOOLS) for at in [*asked, len(history)]]
    for before, after in itertools.pairwise(requests):
        assert after[: len(before)] == before
        assert len(after) > len(before)


@pytest.mark.parametrize("seed", range(10))
def test_no_trace_of_tool_calls_is_left_and_roles_take_turns(seed: int) -> None:
    rendered = render(history_of(random.Random(seed), 12), TOOLS)
    assert all(set(message) == {"role", "content"} for message in rendered)
    assert [m["role"] for m in rendered] == ["system"] + ["user", "assistant"] * (
        (len(rendered) - 2) // 2
    ) + ["user"]


def test_the_history_as_the_model_sees_it() -> None:
    function = {"name": "bash", "arguments": '{"command": "ls"}'}
    history: list[Message] = [
        {"role": "system", "content": "You code."},
        {"role": "user", "content": "List."},
        {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "1", "function": function}]},
        {"role": "tool", "tool_call_id": "1", "content": "a.py"},
        {"role": "assistant", "content": "There it is."},
        {"role": "user", "content": "Go on."},
    ]
    assert render(history, TOOLS) == [
        {"role": "system", "content": f"You code.\n\n{instructions(TOOLS)}"},
        {"role": "user", "content": "List."},
        {"role": "assistant", "content": "I look.\n```bash\nls\n```"},
        {"role": "user", "content": "[Result of bash]\na.py"},
        {"role": "assistant", "content": "There it is."},
        {"role": "user", "content": f"Go on.\n\n{REMINDER}"},
    ]
    assert history[5]["content"] == "Go on.", "the caller's history is not touched"
    assert f"\n{render(history, TOOLS)[3]['content']}".startswith(STOP)


def test_without_tools_there_is_nothing_to_be_told() -> None:
    history: list[Message] = [
        {"role": "assistant", "content": "Hm."},
        {"role": "user", "content": "Sum up."},
    ]
    assert render(history, []) == history


def cut(name: str, arguments: dict[str, Any], characters: int) -> str:
    """A call that was cut off, as the conversation keeps it."""
    text = json.dumps({"invalid_json": json.dumps(arguments)[:characters]})
    function = {"name": name, "arguments": text}
    message: Message = {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": function}]}
    return str(render([message], [])[0]["content"])


def test_a_call_that_was_cut_off_is_shown_as_far_as_it_came() -> None:
    arguments = {"path": "a.py", "content": 'print("a\\n")\nprint("é\\\\")\n'}
    whole = json.dumps(arguments)
    assert cut("write_file", arguments, len(whole) - 2) == written("write_file", arguments)
    assert cut("write_file", arguments, whole.index("print") + 5) == "FILE: a.py\n```python\nprint\n```"
    for characters in range(len(whole) - 2):
        shown = cut("write_file", arguments, characters)
        come = characters >= whole.index("print")
        assert shown.startswith("FILE: a.py\n```python\n" if come else "(a call of write_file"), characters


def test_a_call_that_cannot_be_read_is_only_mentioned() -> None:
    function = {"name": "write_\nfile", "arguments": '{"path": "a.py", "content": "print("hi")"}'}
    shown = render(
        [{"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": function}]}], []
    )
    assert shown == [{"role": "assistant", "content": "(a call of write_ file that could not be read)"}]
    assert find_blocks(shown[0]["content"], NAMES) is None


def test_the_instructions_are_an_example_that_is_read() -> None:
    found = find_blocks(instructions(TOOLS), NAMES)
    assert found is not None
    assert {name for name, _ in found.calls} == {"write_file", "edit_file", "finish"}
    assert "```bash" in instructions(TOOLS)
    only = [tool for tool in TOOLS if tool["function"]["name"] in ("bash", "finish")]
    assert "FILE:" not in instructions(only)
    assert "```bash\npython3 hello.py\n```" in instructions(only)
    assert "EDIT" not in instructions(only)
    unknown = {
        "type": "function",
        "function": {"name": "search", "description": "Searches.", "parameters": {}},
    }
    assert "- search: Searches." in instructions([*TOOLS, unknown])
