"""Finds tool calls in the markup of chat templates: what models were trained to write, and what their server should
have read (no parser set, the wrong one, or one that gave up).

A call counts where the reply ends with it: what is followed by words was an example. Pure.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.model.reply import ToolSpec
from agentbatch.patterns import regex
from agentbatch.toolcalls.json_calls import MAX_CALLS, MAX_FAILURES, MAX_READ, THOUGHT, TextCalls

NAME = r"(?:functions\.)?(?P<name>[\w-]{1,64})"

_M3 = r"(?:\]<\]minimax\[>\[)?"
"""In front of each tag of MiniMax-M3 (MiniMax-M3 #31)."""

_SPACE = r"(?:[｜‖|]{1,2}\s?DSML\s?[｜‖|]{1,2}\s?|[a-z]{1,12}:)?"
"""Namespaces of tags: DeepSeek's, with bars of several kinds (GenericAgent #804), `minimax:`, `antml:`, `steptml:`."""


class Markup(NamedTuple):
    """How a call is written."""

    opens: str
    closes: str
    source: str
    key: str = ""
    """What opens an argument; empty: the arguments are one JSON object."""
    value_ends: str = ""
    padded: bool = False
    """Values stand on lines of their own."""


MARKUPS: tuple[Markup, ...] = (
    Markup(
        opens=rf"<function={NAME}>(?=\s*<parameter=|\s*</function>)",
        key=r"<parameter=(?P<key>[\w-]{1,64})>",
        value_ends=r"</parameter>",
        closes=r"</function>",
        padded=True,
        source="Qwen3-Coder, Seed-OSS (their chat templates)",
    ),
    Markup(
        opens=rf"<{_SPACE}invoke name=[\"']?{NAME}[\"']?\s*>(?=\s*<{_SPACE}parameter|\s*</)",
        key=rf"<{_SPACE}parameter name=[\"']?(?P<key>[\w-]{{1,64}})[\"']?(?: string=\"\w+\")?\s*>",
        value_ends=rf"</{_SPACE}parameter>",
        closes=rf"</{_SPACE}invoke>",
        source="DeepSeek V3.2 and V4 (sgl-project/sglang #40236), MiniMax-M2 (its tool_calling_guide), Step3, Claude",
    ),
    Markup(
        opens=rf"{_M3}<invoke name=\"{NAME}\">",
        key=rf"{_M3}<(?P<key>[\w-]{{1,64}})>",
        value_ends=rf"{_M3}</(?P=key)>",
        closes=rf"{_M3}</invoke>",
        source="MiniMaxAI/MiniMax-M3 #31",
    ),
    Markup(
        opens=rf"<tool_call>\s*{NAME}(?=\s*<arg_key>|\s*</tool_call>)",
        key=r"<arg_key>(?P<key>[^<]{1,64})</arg_key>\s*<arg_value>",
        value_ends=r"</arg_value>",
        closes=r"</tool_call>",
        source="GLM-4.5 to 5 (waybarrios/vllm-mlx #42)",
    ),
    Markup(
        opens=rf"<\|tool_call>call:{NAME}\{{",
        key=r",?\s*(?P<key>[\w-]{1,64}):<\|\"\|>",
        value_ends=r"<\|\"\|>",
        closes=r"\}<tool_call\|>",
        source="Gemma 4 (FlashML-org/FreeToken #346)",
    ),
    Markup(
        opens=rf"<function={NAME}>(?=\s*\{{)",
        closes=r"(?:</function>)?",
        source="Llama 3.1 (llama.com, custom tool calls)",
    ),
    Markup(
        opens=rf"\[TOOL_CALLS\]\s*{NAME}(?:\[CALL_ID\]\w{{1,64}})?(?:\[ARGS\])?(?=\s*\{{)",
        closes="",
        source="Mistral (mistral-common, tokenizers v11 and v13)",
    ),
    Markup(
        opens=rf"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?{NAME}(?:<｜tool▁sep｜>|\n```json)(?=\s*\{{)",
        closes=r"(?:```)?\s*<｜tool▁call▁end｜>",
        source="DeepSeek V3, R1, V3.1 (their chat templates)",
    ),
    Markup(
        opens=rf"<\|tool_call_begin\|>\s*{NAME}(?::\d+)?\s*<\|tool_call_argument_begin\|>",
        closes=r"(?:<\|tool_call_end\|>)?",
        source="Kimi K2 (MoonshotAI/Kimi-K2, tool_call_guidance)",
    ),
    Markup(
        opens=rf"(?:<\|channel\|>)?(?:commentary|analysis) to={NAME}[^{{\n]{{0,80}}(?=\{{)",
        closes=r"(?:<\|call\|>)?",
        source="gpt-oss (openai/harmony); without its tokens: raullenchai/Rapid-MLX #480",
    ),
    Markup(
        opens=rf"(?m)^(?:>>>|(?:<\|from\|>assistant\n)?<\|recipient\|>\s?){NAME}\n(?:<\|content\|>)?(?=\s*\{{)",
        closes="",
        source="Functionary v3.2 and v2.4 (MeetKai/functionary: its prompt templates)",
    ),
    Markup(
        opens=rf"(?m)^Action:[ \t]*{NAME}[ \t]*\n\s{{0,9}}Action Input:\s{{0,9}}(?:```(?:json)?\s{{0,9}})?(?=\{{)",
        closes=r"(?:```)?\s*(?:Observation:[\s\S]*)?",
        source="ReAct (arXiv:2210.03629), with results that the model made up: QwenLM/Qwen3#197",
    ),
)


class _Reader:
    """One markup, compiled."""

    def __init__(self, markup: Markup) -> None:
        self.opens = regex(markup.opens)
        self._closes = regex(rf"\s*{markup.closes}")
        self._padded = markup.padded
        self._argument: re.Pattern[str] | None = None
        if markup.key:
            following = markup.key.replace("(?P<key>", "(?:")
            # A file may hold the closing tag: it ends the value only in front of what can follow it.
            ends = rf"{markup.value_ends}(?=\s*(?:{following}|{markup.closes}))"
            self._argument = regex(rf"\s*{markup.key}(?P<value>.*?){ends}", re.DOTALL)

    def read(self, text: str, at: int, properties: Mapping[str, Any]) -> tuple[dict[str, Any], int] | None:
        """The arguments that begin at `at`, and the end of the call."""
        given: dict[str, Any] = {}
        if self._argument is None:
            try:
                given, at = _DECODER.raw_decode(
                    text, at + len(text[at : at + 9]) - len(text[at : at + 9].lstrip())
                )
            except (ValueError, RecursionError):  # ValueError: also no brace at all
                return None
        else:
            while (found := self._argument.match(text, at)) is not None:
                given[found["key"]] = _value(self._unpadded(found["value"]), properties.get(found["key"]))
                at = found.end()
        closed = self._closes.match(text, at)
        return (given, closed.end()) if closed is not None and isinstance(given, dict) else None

    def _unpadded(self, value: str) -> str:
        return value[1:-1] if self._padded and value[:1] == value[-1:] == "\n" and len(value) > 1 else value


_DECODER = json.JSONDecoder(strict=False)

_READERS = tuple(_Reader(markup) for markup in MARKUPS)

_MARKS = regex(
    r"(?:\s|\]<\]minimax\[>\[|<\|start\|>assistant|\[TOOL_CALLS\]|<[^<>\n]{0,41}calls?>"
    r"|</s>|<[|｜][^<>\n]{1,30}[|｜]>(?:function)?)*+"
)
"""What stands round calls. Each mark is one in one way, and none is gone back to: some models end in hundreds."""

MAX_MARKS = 300
"""Characters of it in front of the first one."""


def find_markup(text: str, tools: Sequence[ToolSpec]) -> TextCalls | None:
    """The calls with which a reply ends, or None when it does not."""
    text = text[:MAX_READ]
    thought = THOUGHT.match(text)
    at = thought.end() if thought else 0
    offered = {tool["function"]["name"]: _properties(tool) for tool in tools}
    calls: list[tuple[str, str]] = []
    first = failures = 0
    following = {reader: reader.opens.search(text, at) for reader in _READERS}
    while len(calls) < MAX_CALLS and failures < MAX_FAILURES:
        for reader, found in following.items():
            if found is not None and found.start() < at:
                following[reader] = reader.opens.search(text, at)
        # Of two that begin at the same place the longer one.
        opened = [
            (found.start(), -found.end(), reader) for reader, found in following.items() if found is not None
        ]
        if not opened:
            break
        start, end, reader = min(opened, key=lambda one: one[:2])
        found = following[reader]
        name = found["name"] if found is not None else ""
        read = reader.read(text, -end, offered[name]) if name in offered else None
        if read is None:
            failures += 1
            at = -end
            continue
        arguments, at = read
        first = first if calls else start
        calls.append((name, json.dumps(arguments, ensure_ascii=False)))
    if not calls or _MARKS.fullmatch(text, at) is None:
        return None
    return TextCalls(tuple(calls), _without_marks(text[:first]), True, first)


def _without_marks(text: str) -> str:
    """The prose in front of a call, without what opens the section of calls."""
    text = text.rstrip()
    for start in range(max(0, len(text) - MAX_MARKS), len(text)):
        if _MARKS.fullmatch(text, start) is not None:
            return text[:start].rstrip()
    return text


def _value(text: str, schema: Any) -> Any:
    """An argument's text as what the tool takes: text, where it takes that."""
    if not isinstance(schema, dict) or schema.get("type") in (None, "string"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _properties(tool: ToolSpec) -> Mapping[str, Any]:
    properties = (tool["function"].get("parameters") or {}).get("properties")
    return properties if isinstance(properties, dict) else {}
