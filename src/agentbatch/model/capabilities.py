"""What an endpoint's model cannot do, learned from its own refusals and remembered for the next request."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agentbatch.model.request.cache_marks import CACHE_MARKS, CacheMarks
from agentbatch.model.request.history import EMPTY_CONTENTS, EmptyContent, HistoryRule

OutputForm = Literal["json_schema", "json_object", "prompt"]
"""How JSON answers are requested, best first: a schema that the endpoint enforces, JSON mode, instructions in the
prompt."""

LADDER: tuple[OutputForm, ...] = ("json_schema", "json_object", "prompt")

ToolMode = Literal["native", "schema", "text"]
"""How tools are called, best first: the endpoint's own tool calls; one JSON action of a schema that the endpoint
enforces (toolcalls/json_actions.py); blocks of text (toolcalls/blocks/)."""

TOOL_MODES: tuple[ToolMode, ...] = ("native", "schema", "text")

ApiName = Literal["chat", "responses"]
"""How the endpoint is asked: chat completions, or the Responses API."""

MAX_LESSONS = 24
"""Requests that one call may spend on learning. Every lesson removes a capability, so there are hardly more."""


@dataclass(frozen=True)
class Capabilities:
    """What the model is believed to support. Only ever shrinks."""

    apis: tuple[ApiName, ...] = ("chat", "responses")
    """Those that are tried, the first one is in use; where the user has named one, that counts."""
    encrypted: bool = True
    """Of the Responses API: the model gives its reasoning encrypted, to be sent back."""
    cache_key: bool = False
    """Of the Responses API: a key by which the requests of a conversation meet where they are cached."""
    reasoning_effort: bool = True
    output_form: OutputForm = "json_schema"
    output_limits: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    """Names of the output limit to try; the first one is in use. Empty: the endpoint accepts none."""
    output_cap: int | None = None
    """Tokens of the longest answer that may be asked for; None: not known."""
    temperature: bool = True
    seed: bool = True
    tool_mode: ToolMode = "native"
    stop: bool = True
    """The endpoint accepts `stop`, which the text protocol sends."""
    parallel_tool_calls: bool = True
    tool_limits: bool = True
    """Schemas of tools may say more of a value than its type (`minLength`, …)."""
    refused_fields: frozenset[str] = frozenset()
    """Fields that the endpoint does not take back in assistant messages and calls: `reasoning_content`, …"""
    empty_contents: tuple[EmptyContent, ...] = EMPTY_CONTENTS
    """What may stand for the text of a message with calls and no words; the first one is in use."""
    history_rules: frozenset[HistoryRule] = frozenset()
    """What the endpoint wants of a history beyond OpenAI's rules."""
    system: bool = True
    """The model supports the system role; otherwise its text goes into the first user message."""
    stream: bool = True
    whole: bool = True
    """The endpoint also answers without streaming."""
    stream_usage: bool = True
    """The endpoint accepts `stream_options`, which adds usage to a stream."""
    cache_marks: CacheMarks = ""
    """The marks that have the endpoint keep what it has read."""

    @property
    def streams(self) -> bool:
        """Request a stream. If both ways were refused, the refusal of whole answers came second, and counts."""
        return self.stream or not self.whole

    @property
    def shapes_history(self) -> bool:
        """The endpoint wants histories in a form of its own."""
        return bool(
            self.history_rules or self.refused_fields or not self.system or self.empty_contents[0] != "null"
        )

    def merged(self, other: "Capabilities") -> "Capabilities":
        """What both allow. Two calls that learned different things at the same time lose neither lesson."""
        return Capabilities(
            apis=min(self.apis, other.apis, key=len),
            encrypted=self.encrypted and other.encrypted,
            cache_key=self.cache_key and other.cache_key,
            reasoning_effort=self.reasoning_effort and other.reasoning_effort,
            output_form=max(self.output_form, other.output_form, key=LADDER.index),
            output_limits=min(self.output_limits, other.output_limits, key=len),
            output_cap=min((cap for cap in (self.output_cap, other.output_cap) if cap), default=None),
            temperature=self.temperature and other.temperature,
            seed=self.seed and other.seed,
            tool_mode=max(self.tool_mode, other.tool_mode, key=TOOL_MODES.index),
            stop=self.stop and other.stop,
            parallel_tool_calls=self.parallel_tool_calls and other.parallel_tool_calls,
            tool_limits=self.tool_limits and other.tool_limits,
            refused_fields=self.refused_fields | other.refused_fields,
            empty_contents=min(self.empty_contents, other.empty_contents, key=len),
            history_rules=self.history_rules | other.history_rules,
            system=self.system and other.system,
            stream=self.stream and other.stream,
            whole=self.whole and other.whole,
            stream_usage=self.stream_usage and other.stream_usage,
            cache_marks=max(self.cache_marks, other.cache_marks, key=CACHE_MARKS.index),
        )

    def lost(self, after: "Capabilities") -> str:
        """What `after` no longer has, as text for a person."""
        words = [
            (self.apis != after.apis, _API_NAMES[self.apis[0]]),
            (self.encrypted != after.encrypted, "encrypted reasoning"),
            (self.cache_key != after.cache_key, "prompt_cache_key"),
            (self.reasoning_effort != after.reasoning_effort, "reasoning_effort"),
            (self.output_form != after.output_form, f"{self.output_form} output"),
            (self.output_limits != after.output_limits, next(iter(self.output_limits), "")),
            (self.output_cap != after.output_cap, f"answers of more than {after.output_cap or 0:,} tokens"),
            (self.temperature != after.temperature, "temperature"),
            (self.seed != after.seed, "seed"),
            (self.tool_mode != after.tool_mode, _MODE_NAMES[self.tool_mode]),
            (self.stop != after.stop, "stop"),
            (self.parallel_tool_calls != after.parallel_tool_calls, "parallel_tool_calls"),
            (self.tool_limits != after.tool_limits, "limits in the schemas of tools"),
            *(
                (True, f"{name} in the history")
                for name in sorted(after.refused_fields - self.refused_fields)
            ),
            (self.empty_contents != after.empty_contents, "calls without words as they are"),
            *((True, _RULE_NAMES[rule]) for rule in sorted(after.history_rules - self.history_rules)),
            (self.system != after.system, "the system role"),
            (self.stream != after.stream, "streaming"),
            (self.whole != after.whole, "answers without streaming"),
            (self.stream_usage != after.stream_usage, "stream_options"),
            (self.cache_marks != after.cache_marks, "cache_control"),
        ]
        return ", ".join(word for changed, word in words if changed)


_API_NAMES: Mapping[ApiName, str] = {"chat": "chat completions", "responses": "the Responses API"}

_MODE_NAMES: Mapping[ToolMode, str] = {
    "native": "tool calls",
    "schema": "actions of a JSON schema",
    "text": "blocks of text",
}


_RULE_NAMES: Mapping[HistoryRule, str] = {
    "no_developer": "the developer role",
    "alternate": "a history in which user and assistant do not take turns",
    "one_system": "a second system message",
    "short_ids": "ids of calls as they are",
    "reasoning": "a history without reasoning_content",
    "signed": "calls without a thought signature",
    "named": "results of tools without the tool's name",
    "single_calls": "several calls in one message",
    "tools_with_calls": "a history with calls where no tools are offered",
    "no_items": "earlier output items",
}
"""What is refused where the rule holds."""


def stepped_down(capabilities: Capabilities) -> Capabilities:
    """With the next simpler tool mode that is available. The last one stays."""
    if capabilities.tool_mode == "native" and capabilities.output_form == "json_schema":
        return replace(capabilities, tool_mode="schema")
    return replace(capabilities, tool_mode="text")
