"""What an endpoint's model cannot do, learned from its own refusals and remembered for the next request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from agentbatch.model.server_error import ServerError

OutputForm = Literal["json_schema", "json_object", "prompt"]
"""How JSON answers are requested, best first: a schema that the endpoint enforces, JSON mode, instructions in the
prompt."""

LADDER: tuple[OutputForm, ...] = ("json_schema", "json_object", "prompt")

ToolMode = Literal["native", "schema", "text"]
"""How tools are called, best first: the endpoint's own tool calls; one JSON action of a schema that the endpoint
enforces (toolcalls/json_actions.py); blocks of text (toolcalls/blocks/)."""

TOOL_MODES: tuple[ToolMode, ...] = ("native", "schema", "text")

MAX_LESSONS = 14
"""Requests that one call may spend on learning. Every lesson removes a capability, so there cannot be more."""


@dataclass(frozen=True)
class Capabilities:
    """What the model is believed to support. Only ever shrinks."""

    output_form: OutputForm = "json_schema"
    output_limits: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    """Names of the output limit to try; the first one is in use. Empty: the endpoint accepts none."""
    temperature: bool = True
    tool_mode: ToolMode = "native"
    stop: bool = True
    """The endpoint accepts `stop`, which the text protocol sends."""
    parallel_tool_calls: bool = True
    reasoning_history: bool = True
    """The endpoint accepts `reasoning_content` in assistant messages."""
    system: bool = True
    """The model supports the system role; otherwise its text goes into the first user message."""
    stream: bool = True
    whole: bool = True
    """The endpoint also answers without streaming."""
    stream_usage: bool = True
    """The endpoint accepts `stream_options`, which adds usage to a stream."""

    @property
    def streams(self) -> bool:
        """Request a stream. If both ways were refused, the refusal of whole answers came second, and counts."""
        return self.stream or not self.whole

    def merged(self, other: "Capabilities") -> "Capabilities":
        """What both allow. Two calls that learned different things at the same time lose neither lesson."""
        return Capabilities(
            output_form=max(self.output_form, other.output_form, key=LADDER.index),
            output_limits=min(self.output_limits, other.output_limits, key=len),
            temperature=self.temperature and other.temperature,
            tool_mode=max(self.tool_mode, other.tool_mode, key=TOOL_MODES.index),
            stop=self.stop and other.stop,
            parallel_tool_calls=self.parallel_tool_calls and other.parallel_tool_calls,
            reasoning_history=self.reasoning_history and other.reasoning_history,
            system=self.system and other.system,
            stream=self.stream and other.stream,
            whole=self.whole and other.whole,
            stream_usage=self.stream_usage and other.stream_usage,
        )

    def lost(self, after: "Capabilities") -> str:
        """What `after` no longer has, as text for a person."""
        words = [
            (self.output_form != after.output_form, f"{self.output_form} output"),
            (self.output_limits != after.output_limits, next(iter(self.output_limits), "")),
            (self.temperature != after.temperature, "temperature"),
            (self.tool_mode != after.tool_mode, _MODE_NAMES[self.tool_mode]),
            (self.stop != after.stop, "stop"),
            (self.parallel_tool_calls != after.parallel_tool_calls, "parallel_tool_calls"),
            (self.reasoning_history != after.reasoning_history, "reasoning_content in the history"),
            (self.system != after.system, "the system role"),
            (self.stream != after.stream, "streaming"),
            (self.whole != after.whole, "answers without streaming"),
            (self.stream_usage != after.stream_usage, "stream_options"),
        ]
        return ", ".join(word for changed, word in words if changed)


_MODE_NAMES: Mapping[ToolMode, str] = {
    "native": "tool calls",
    "schema": "actions of a JSON schema",
    "text": "blocks of text",
}


def stepped_down(capabilities: Capabilities) -> Capabilities:
    """With the next simpler tool mode that is available. The last one stays."""
    if capabilities.tool_mode == "native" and capabilities.output_form == "json_schema":
        return replace(capabilities, tool_mode="schema")
    return replace(capabilities, tool_mode="text")


def initial_capabilities(base_url: str) -> Capabilities:
    """What to try first. OpenAI's own models need `max_completion_tokens`; elsewhere the older name is
    safer, since some servers silently ignore the new one."""
    host = urlsplit(base_url).hostname or ""
    if host.endswith(("openai.com", "openai.azure.com")):
        return Capabilities(output_limits=("max_completion_tokens", "max_tokens"))
    return Capabilities()


LEARNING_STATUSES = frozenset({400, 404, 405, 415, 422, 500, 501})
"""404: OpenRouter ("No endpoints found that support tool use"); 500 and 501: llama.cpp."""

_REFUSAL = re.compile(
    r"not? (be )?(yet )?(supported|support|allowed|permitted|available|enabled|implemented|recognized)"
    r"|(does|do|is|are)(n't| not) (currently )?(support|allow|accept)|not compatible"
    r"|unsupported|unavailable|unrecognized|unknown|disabled|deprecated|wrong_api_format|invalid field"
    r"|extra_forbidden|extra inputs|extra fields|additional propert"
    r"|unexpected (keyword|field|property|parameter)|only .{0,40}(allowed|supported|default|single)"
    r"|requires? |found that support|must be set to|cannot be used"
)
_SCHEMA = re.compile(
    r"response_format|json_schema|json_object|json mode|structured output|guided|grammar|\bschema\b"
)
_SYSTEM = re.compile(r"system (role|message|prompt)|role.{0,40}\bsystem\b|developer instruction")
_STOP = re.compile(r"['\"`]stop['\"`]|\bstop (sequences?|words?|parameter|field)|parameter:? stop\b")
_NO_STREAM = re.compile(
    r"\bstream(ing|ed)?\b[^.]{0,40}(\bnot\b|n't|cannot)[^.]{0,30}"
    r"(support|allow|permit|available|enabled|implement|used|combined)"
    r"|(\bnot\b|n't|cannot|unable to) (yet )?(support|allow|use|be used|enable|combine)[^.]{0,60}\bstream"
    r"|\bstream(ing)?\b[^.]{0,20}(unsupported|disabled|must be (set to )?false)"
    r"|(unsupported|unknown|unrecognized|unexpected|forbidden|invalid)\b[^.]{0,60}\bstream\b"
    r"|verified to stream"
)
"""OpenAI, llama.cpp ("Cannot use tools with stream"), pydantic's 422, and gateways."""
_MUST_STREAM = re.compile(
    r"only (supports? )?(the )?stream|(must|requires?|need)[^.]{0,20}\bstream(ing)?\b|\bstream(ing)?\b[^.]{0,20}"
    r"(is required|must be (set to )?(true|enabled))|non-stream[^.]{0,60}(not|n't|unsupported)"
    r"|(not|n't) support[^.]{0,20}non-stream|enable the stream|for non-streaming calls"
)
"""DashScope ("This model only support stream mode, please enable the stream parameter"), OpenAI's Codex backend
("Stream must be set to true"), and gateways."""
_TOOLS = re.compile(r"\btools?\b|tool[ _-](choice|calls?|use|calling)|function[ _-]call")


def learn(capabilities: Capabilities, error: ServerError, body: Mapping[str, Any]) -> Capabilities | None:
    """The capabilities after this refusal of `body`, which was built for `capabilities`; None: nothing to
    learn.

    Only what the request really contained can be refused, so each lesson is worth one more try.
    """
    if error.status not in LEARNING_STATUSES:
        return None
    about_stream = _learn_stream(capabilities, error, body)
    if about_stream is not None:
        return about_stream
    words = error.words
    refusal = _REFUSAL.search(words) is not None
    if "reasoning_content" in words and any("reasoning_content" in m for m in body["messages"]):
        return replace(capabilities, reasoning_history=False) if refusal else None
    if "response_format" in body and (error.param.startswith("response_format") or _SCHEMA.search(words)):
        if error.status < 500 or refusal:
            lower = LADDER[LADDER.index(capabilities.output_form) + 1]
            lesson = replace(capabilities, output_form=lower)
            return stepped_down(lesson) if lesson.tool_mode == "schema" else lesson
        return None
    return _learn_field(capabilities, error, body) if refusal else None


def _learn_stream(
    capabilities: Capabilities, error: ServerError, body: Mapping[str, Any]
) -> Capabilities | None:
    """What the refusal teaches about streaming. Each way can be lost only once, so the two never alternate."""
    words = error.words
    if "stream_options" in body and ("stream_options" in words or "include_usage" in words):
        return replace(capabilities, stream_usage=False)
    if not body.get("stream"):
        return replace(capabilities, whole=False) if _MUST_STREAM.search(words) else None
    refused = _NO_STREAM.search(words) or (error.param == "stream" and error.status < 500)
    return replace(capabilities, stream=False) if refused and capabilities.stream else None


def _learn_field(
    capabilities: Capabilities, error: ServerError, body: Mapping[str, Any]
) -> Capabilities | None:
    words = error.words
    limit = next(iter(capabilities.output_limits), "")
    if limit in body and re.search(rf"\b{limit}\b", words):
        return replace(capabilities, output_limits=capabilities.output_limits[1:])
    if "parallel_tool_calls" in body and "parallel_tool_calls" in words:
        return replace(capabilities, parallel_tool_calls=False)
    if "temperature" in body and "temperature" in words:
        return replace(capabilities, temperature=False)
    if _SYSTEM.search(words) and any(m.get("role") == "system" for m in body["messages"]):
        return replace(capabilities, system=False)
    if "tools" in body and _TOOLS.search(words):
        return stepped_down(capabilities)
    if "stop" in body and _STOP.search(words):
        return replace(capabilities, stop=False)
    return None
