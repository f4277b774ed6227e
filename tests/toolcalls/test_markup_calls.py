# ruff: noqa: E501 - markup as it comes
"""Calls in the markup of chat templates, which a server has left in the text."""

import json
import time
from typing import Any

import pytest

from agentbatch.model.answer.answer import Answer
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.forms import with_text_calls
from agentbatch.toolcalls.markup_calls import MARKUPS, find_markup
from agentbatch.workspace.tools.toolbox import specs

TOOLS = specs(TOOLBOX)
LS = ("bash", {"command": "ls"})
HI = ("write_file", {"path": "a.txt", "content": "hi\n"})
M3 = "]<]minimax[>["


def dsml(bar: str, section: str, blank: str = "") -> str:
    tag = f"{bar}DSML{bar}{blank}"
    return (
        f'<{tag}{section}>\n<{tag}invoke name="bash">\n<{tag}parameter name="command" string="true">ls</{tag}parameter>\n'
        f"</{tag}invoke>\n</{tag}{section}>"
    )


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>", [LS]),
        ("<function=write_file>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\nhi\n\n</parameter>\n</function>\n</tool_call>", [HI]),
        ("<seed:tool_call>\n<function=write_file>\n<parameter=path>a.txt</parameter>\n<parameter=content>hi\n</parameter>\n</function>\n</seed:tool_call>", [HI]),
        ("<tool_call><function=bash>\n<parameter=command>\nls\n</parameter>\n<parameter=timeout>\n5\n</parameter>\n</function></tool_call>", [("bash", {"command": "ls", "timeout": 5})]),
        (dsml("｜", "function_calls"), [LS]),
        ('>>>bash\n{"command": "ls"}', [LS]),
        ('<|from|>assistant\n<|recipient|>bash\n<|content|>{"command": "ls"}', [LS]),
        ('Action: bash\nAction Input: {"command": "ls"}', [LS]),
        ('Action: bash\nAction Input:\n```json\n{"command": "ls"}\n```', [LS]),
        ('Action: bash\nAction Input: {"command": "ls"}\nObservation: a.txt\nThought: done\nFinal Answer: done', [LS]),
        (dsml("｜", "tool_calls"), [LS]),
        (dsml("｜｜", "calls", " "), [LS]),
        (dsml("‖", "tool_calls"), [LS]),
        (dsml("|", "tool_calls"), [LS]),
        ('<minimax:tool_call>\n<invoke name="write_file">\n<parameter name="path">a.txt</parameter>\n<parameter name="content">hi\n</parameter>\n</invoke>\n</minimax:tool_call>', [HI]),
        (f'{M3}<tool_call>\n{M3}<invoke name="bash">{M3}<command>ls{M3}</command>{M3}</invoke>\n{M3}</tool_call>', [LS]),
        ('<function_calls>\n<invoke name="bash">\n<parameter name="command">ls</parameter>\n</invoke>\n<invoke name="bash">\n<parameter name="command">ls</parameter>\n</invoke>\n</function_calls>', [LS, LS]),
        ('<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="bash"><steptml:parameter name="command">ls</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>', [LS]),
        ("<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>ls</arg_value>\n</tool_call>", [LS]),
        ("<tool_call>write_file<arg_key>path</arg_key><arg_value>a.txt</arg_value><arg_key>content</arg_key><arg_value>hi\n</arg_value></tool_call>", [HI]),
        ('<|tool_call>call:write_file{path:<|"|>a.txt<|"|>,content:<|"|>hi\n<|"|>}<tool_call|>', [HI]),
        ('<function=bash>{"command": "ls"}</function>', [LS]),
        ('[TOOL_CALLS]bash[ARGS]{"command": "ls"}', [LS]),
        ('[TOOL_CALLS]bash[CALL_ID]abcdefghi[ARGS]{"command": "ls"}[TOOL_CALLS]bash[ARGS]{"command": "ls"}</s>', [LS, LS]),
        ('[TOOL_CALLS]bash{"command": "ls"}[TOOL_CALLS]bash{"command": "ls"}', [LS, LS]),
        ('<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>bash\n```json\n{"command": "ls"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>', [LS]),
        ('<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>bash<｜tool▁sep｜>{"command": "ls"}<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>', [LS]),
        ('<|tool_calls_section_begin|><|tool_call_begin|>functions.bash:0<|tool_call_argument_begin|>{"command": "ls"}<|tool_call_end|><|tool_calls_section_end|>', [LS]),
        ('<|channel|>commentary to=functions.bash <|constrain|>json<|message|>{"command": "ls"}<|call|>', [LS]),
        ('<|start|>assistant<|channel|>analysis to=functions.bash code<|message|>{"command": "ls"}', [LS]),
        ('commentary to=functions.bash json{"command": "ls"}', [LS]),
        # The argument is text, where the tool takes text; a file may hold the tags themselves.
        ("<function=write_file>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\n</parameter> is its end\n</parameter>\n</function>", [("write_file", {"path": "a.txt", "content": "</parameter> is its end"})]),
        ('<function=write_file>\n<parameter=path>\na.json\n</parameter>\n<parameter=content>\n{"tool": "bash", "arguments": {"command": "ls"}}\n</parameter>\n</function>', [("write_file", {"path": "a.json", "content": '{"tool": "bash", "arguments": {"command": "ls"}}'})]),
        # Examples, other tools, what is cut off.
        ("Write <function=bash><parameter=command>ls</parameter></function> to see the files.", None),
        ("<tool_call>\n<function=rm>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>", None),
        ("<tool_call>\n<function=bash>\n<parameter=command>\nls", None),
        ("<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n", None),
        ("<think><function=bash><parameter=command>ls</parameter></function></think>\nAll done.", None),
        ('[TOOL_CALLS]bash[ARGS]{"command": "l', None),
        ("", None),
    ],
)  # fmt: skip
def test_calls_in_markup(text: str, calls: list[tuple[str, Any]] | None) -> None:
    for prose in ("", "I look.\n\n"):
        found = find_markup(prose + text, TOOLS)
        if calls is None:
            assert found is None
            continue
        assert found is not None
        assert [(name, json.loads(arguments)) for name, arguments in found.calls] == calls
        assert (found.prose, found.ends_with_call) == (prose.strip(), True)


def test_each_says_where_it_was_seen() -> None:
    assert all(markup.source for markup in MARKUPS)


def test_a_call_that_is_the_whole_thought_is_one_where_calls_are_native() -> None:
    thought = "I look first.\n<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>"
    ended = Answer("", (), thought, "stop", None)
    read = with_text_calls(ended, TOOLS, "native")
    assert [(call.name, json.loads(call.arguments)) for call in read.tool_calls] == [LS]
    assert (read.content, read.reasoning) == ("", thought)
    said = Answer("Done.", (), thought, "stop", None)
    assert with_text_calls(said, TOOLS, "native") == said
    cut = Answer("", (), thought, "length", None)
    assert with_text_calls(cut, TOOLS, "native") == cut


def test_markup_inside_of_json_is_content() -> None:
    content = "<function=bash><parameter=command>ls</parameter></function>"
    text = json.dumps({"tool": "write_file", "arguments": {"path": "a", "content": content}})
    read = with_text_calls(Answer(text, (), "", "stop", None), TOOLS, "native")
    assert [(call.name, json.loads(call.arguments)["content"]) for call in read.tool_calls] == [
        ("write_file", content)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<function=bash>\n<parameter=command>" * 10_000,
        "<tool_call>bash" + "<arg_key>a</arg_key><arg_value>" * 10_000,
        "[TOOL_CALLS]bash{" * 20_000,
        "<｜tool▁call▁begin｜>" * 20_000,
        "<" * 200_000,
        "commentary to=bash " * 20_000,
        '<invoke name="bash"><parameter name="command">x</parameter>' + " </parameter>" * 20_000,
    ],
)
def test_hostile_text_takes_no_quadratic_time(text: str) -> None:
    before = time.process_time()
    assert find_markup(text, TOOLS) is None
    assert time.process_time() - before < 3, "without limits this takes minutes"
