"""Finds tool calls that a model wrote as Python: `[bash(command="ls")]`, what Llama 4, LFM2 and Gemini were trained to
write, and what their server should have read.

Only what is nothing but calls of the tools that are offered counts, with names and literals for arguments, and only
where the reply ends with it: in the marks of a chat template, in a ```tool_code fence, or as a list on lines of its
own. A call without a list, or in a fence of Python, is how a program is shown as well: it counts where the reply has
nothing else. Pure.
"""

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.model.reply import ToolSpec
from agentbatch.patterns import regex
from agentbatch.toolcalls.json_calls import MAX_CALLS, THOUGHT, TextCalls

MAX_CODE = 30_000
"""Characters of a reply that is parsed as Python: an f-string takes its length squared, 0.1 s for so many and 3 s for
200,000, in which no other task goes on."""


class Place(NamedTuple):
    """Where Python is taken for calls: from what the pattern finds to the end of the reply."""

    opens: re.Pattern[str]
    closes: tuple[str, ...]
    """What may stand behind it, the last one first."""
    source: str


_CALL = r"(?:\w{1,32}\.)?[a-zA-Z_]\w{0,63}\("

PLACES = (
    Place(
        regex(r"<\|python_start\|>|<\|python_tag\|>|<\|tool_call_start\|>|<function_calls>"),
        (
            "<|eot_id|>",
            "<|eom_id|>",
            "<|eot|>",
            "<|eom|>",
            "<|python_end|>",
            "<|tool_call_end|>",
            "</function_calls>",
        ),
        "Llama 4 (llama.com: pythonic tool calls), LFM2 (lmstudio-ai/lmstudio-bug-tracker#1979, "
        "vllm-project/vllm#39243), Olmo 3",
    ),
    Place(
        regex(r"^```tool_code[ \t]*\n", re.MULTILINE),
        ("```",),
        "Gemini and Gemma (googleapis/python-aiplatform#4472, camel-ai/camel#2064)",
    ),
    Place(
        regex(rf"^(?=\[\s{{0,9}}{_CALL})", re.MULTILINE),
        (),
        "Llama 4, behind words of its own: vllm-project/vllm#22917",
    ),
    Place(
        regex(rf"\A\s*(?:```(?:python|py)?[ \t]*\n)?(?={_CALL})"),
        ("```",),
        "small models: the reply is a call",
    ),
)

NAMESPACES = ("default_api", "functions", "tools")
"""In front of a tool's name: Gemini's, OpenAI's."""

CONSTANTS = {"true": True, "false": False, "null": None}
"""JSON's words in the middle of Python."""


def find_python(text: str, tools: Sequence[ToolSpec]) -> TextCalls | None:
    """The calls with which a reply ends, or None when it does not."""
    thought = THOUGHT.match(text)
    said = text[thought.end() if thought else 0 :].rstrip()
    if not said.endswith((")", "]", ">", "```")) or len(said) > MAX_CODE:
        return None
    offered = {tool["function"]["name"]: tool for tool in tools}
    for place in PLACES:
        found = place.opens.search(said)
        if found is None or said[: found.start()].count("```") % 2:
            continue
        calls = _calls(_unclosed(said[found.end() :], place.closes), offered)
        if calls:
            start = found.start() + (thought.end() if thought else 0)
            return TextCalls(tuple(calls[:MAX_CALLS]), said[: found.start()].strip(), True, start)
    return None


def _unclosed(code: str, closes: tuple[str, ...]) -> str:
    for mark in closes:
        code = code.removesuffix(mark).rstrip()
    return code.lstrip()


def _calls(code: str, offered: Mapping[str, ToolSpec]) -> list[tuple[str, str]]:
    """Those that the code consists of; none where it is anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            parsed = ast.parse(code)
        calls = [_call(node, offered) for one in parsed.body for node in _expressions(one)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    whole = [call for call in calls if call is not None]
    return whole if len(whole) == len(calls) else []


def _expressions(statement: ast.stmt) -> Sequence[ast.expr]:
    if not isinstance(statement, ast.Expr):
        raise ValueError("no expression")
    value = statement.value
    return value.elts if isinstance(value, ast.List | ast.Tuple) else [value]


def _call(node: ast.expr, offered: Mapping[str, ToolSpec]) -> tuple[str, str] | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
        node = node.args[0] if len(node.args) == 1 and not node.keywords else node
    if not isinstance(node, ast.Call) or node.args:
        return None
    name = _name(node.func)
    if name not in offered:
        return None
    given = {str(one.arg): _value(one.value) for one in node.keywords if one.arg is not None}
    schema = offered[name]["function"].get("parameters") or {}
    known, required = schema.get("properties") or {}, schema.get("required") or ()
    if (
        len(given) != len(node.keywords)
        or not given.keys() <= known.keys()
        or not given.keys() >= set(required)
    ):
        return None
    return name, json.dumps(given, ensure_ascii=False)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id in NAMESPACES else ""
    return function.id if isinstance(function, ast.Name) else ""


def _value(node: ast.expr) -> Any:
    """A literal; raises ValueError for anything that would have to be run."""
    if isinstance(node, ast.Name) and node.id in CONSTANTS:
        return CONSTANTS[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(one) for one in node.elts]
    if isinstance(node, ast.Dict):
        return {_key(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    value = ast.literal_eval(node)
    if isinstance(value, bytes | complex | set) or value is ...:
        raise ValueError("no value of JSON")
    return value


def _key(node: ast.expr | None) -> str:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise ValueError("no key of JSON")
    return node.value
