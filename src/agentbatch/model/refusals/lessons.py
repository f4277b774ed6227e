"""What refusals teach: wordings of endpoints, each with where it was seen, and the lesson of each. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from agentbatch.model.apis import APIS
from agentbatch.model.capabilities import LADDER, Capabilities, OutputForm, stepped_down
from agentbatch.model.refusals.apis import refuses_api
from agentbatch.model.refusals.output_caps import output_cap
from agentbatch.model.refusals.overflow import is_overflow
from agentbatch.model.refusals.server_error import ServerError
from agentbatch.model.request.cache_marks import has_marks
from agentbatch.model.request.history import HistoryRule, extra_fields, has_calls, is_wordless, shaped
from agentbatch.model.request.tool_schemas import limits_in
from agentbatch.patterns import regex

LEARNING_STATUSES = frozenset({400, 404, 405, 415, 422, 500, 501})
"""404: OpenRouter ("No endpoints found that support tool use"); 500 and 501: llama.cpp."""

_REFUSAL = regex(
    r"not? (be )?(yet )?(supported|support|allowed|permitted|available|enabled|implemented|recognized)"
    r"|(does|do|is|are)(n't| not) (currently )?(support|allow|accept)|not compatible"
    r"|unsupported|unavailable|unrecognized|unknown|disabled|deprecated|wrong_api_format|invalid field|invalid value:"
    r"|extra_forbidden|extra inputs|extra fields|additional propert"
    r"|unexpected (keyword|field|property|parameter)|only .{0,40}(allowed|supported|default|single)"
    r"|requires? |found that support|must be set to|cannot be used"
)
_SCHEMA = regex(
    r"response_format|text\.format|json_schema|json_object|json mode|structured output|guided|grammar|\bschema\b"
)
_SYSTEM = regex(r"system (role|message|prompt)|role.{0,40}\bsystem\b|developer instruction")
_INCLUDE = regex(r"encrypted[ _]content|['\"`]include['\"`]|supplied: include")
"""OpenAI "Encrypted content is not supported with this model." (OpenHands/OpenHands #11406)."""
_STOP = regex(r"['\"`]stop['\"`]|\bstop (sequences?|words?|parameter|field)|parameter:? stop\b")
_NO_STREAM = regex(
    r"\bstream(ing|ed)?\b[^.]{0,40}(\bnot\b|n't|cannot)[^.]{0,30}"
    r"(support|allow|permit|available|enabled|implement|used|combined)"
    r"|(\bnot\b|n't|cannot|unable to) (yet )?(support|allow|use|be used|enable|combine)[^.]{0,60}\bstream"
    r"|\bstream(ing)?\b[^.]{0,20}(unsupported|disabled|must be (set to )?false)"
    r"|(unsupported|unknown|unrecognized|unexpected|forbidden|invalid)\b[^.]{0,60}\bstream\b"
    r"|verified to stream"
)
"""OpenAI, llama.cpp ("Cannot use tools with stream"), pydantic's 422, and gateways."""
_MUST_STREAM = regex(
    r"only (supports? )?(the )?stream|(must|requires?|need)[^.]{0,20}\bstream(ing)?\b|\bstream(ing)?\b[^.]{0,20}"
    r"(is required|must be (set to )?(true|enabled))|non-stream[^.]{0,60}(not|n't|unsupported)"
    r"|(not|n't) support[^.]{0,20}non-stream|enable the stream|for non-streaming calls"
)
"""DashScope ("This model only support stream mode, please enable the stream parameter"), OpenAI's Codex backend
("Stream must be set to true"), and gateways."""
_TOOLS = regex(r"\btools?\b|tool[ _-](choice|calls?|use|calling)|function[ _-]call")


class HistoryWording(NamedTuple):
    rule: HistoryRule
    pattern: re.Pattern[str]
    """Of an error's words in lower case."""
    source: str


WORDINGS = (
    HistoryWording(
        "no_developer",
        regex(
            r"\bdeveloper\b.{0,60}(not one of|expected one of|not supported|unsupported|invalid|unknown|not allowed)"
            r"|(role|unknown|unexpected|unsupported|invalid|got)\b.{0,40}\bdeveloper\b"
        ),
        "DeepSeek 'unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`'; chat templates "
        "'Unexpected message role.'; llama.cpp, Ollama and gateways 'developer is not one of'",
    ),
    HistoryWording(
        "alternate",
        regex(
            r"unexpected role ['\"`]?user['\"`]? after role ['\"`]?tool|roles must alternate|expected last role"
        ),
        "Mistral 'Unexpected role 'user' after role 'tool'' (zed #37021, mistral-vibe #578); chat templates "
        "'conversation roles must alternate' (llama.cpp #19851 with a 500, autogen #1037)",
    ),
    HistoryWording(
        "one_system",
        regex(
            r"system (message|prompt|role)s?\b[^.]{0,30}(at the beginning|must be (the )?first|come first)"
            r"|(only|at most|more than) (one|a single|1) system (message|prompt)"
            r"|(multiple|several|two) system (message|prompt)s"
        ),
        "vLLM and LM Studio with Qwen's templates 'System message must be at the beginning.' (can1357/oh-my-pi #958)",
    ),
    HistoryWording(
        "short_ids",
        regex(
            r"tool call id was .{0,300}must be"
            r"|tool_calls?\b.{0,20}\bid\b.{0,60}(too long|maximum length|pattern|at most)"
            r"|tool_?(use|call|result)?_?id\b.{0,60}(too long|maximum length|pattern|at most)"
            r"|tool_(use|result)\.(tool_use_)?id\b.{0,60}(pattern|too long|at most)"
        ),
        "Mistral 'must be a-z, A-Z, 0-9, with a length of 9' (eca #233; omlx #1995 with a 500); OpenAI and Azure "
        "'string too long. Expected a string with maximum length 40' (Portkey-AI/gateway #1062); Anthropic "
        "'tool_use.id: String should match pattern'; Bedrock's toolUseId",
    ),
    HistoryWording(
        "reasoning",
        regex(
            r"missing .{0,3}reasoning_content"
            r"|reasoning_content\b.{0,60}(is missing|is required|must be (passed|provided))"
        ),
        "DeepSeek 'Missing `reasoning_content` field in the assistant message' (DeepSeek-V3 #1053); Moonshot "
        "'reasoning_content is missing in assistant tool call message' (continuedev/continue #11600)",
    ),
    HistoryWording(
        "signed",
        regex(r"missing a .{0,3}thought_?signature"),
        "Gemini 3 'Function call is missing a thought_signature in functionCall parts' (earendil-works/pi #1825)",
    ),
    HistoryWording(
        "named",
        regex(
            r"function_?response\.name|messages?[\[.]\d+\]?\.name\b.{0,60}(required|missing|empty)"
            r"|tool (message|role|result)s?\b.{0,60}\bname\b.{0,30}(required|missing|empty|must)"
        ),
        "Gemini 'contents[2].parts[0].function_response.name: Name cannot be empty.' (ollama/ollama #14214, "
        "langflow-ai/langflow #9437), '[REQUIRED_FIELD_MISSING]' (earendil-works/pi #1360)",
    ),
    HistoryWording(
        "single_calls",
        regex(r"single tool.?calls? at once|only (one|a single) tool call (is|per)"),
        "Llama 3's chat templates 'This model only supports single tool-calls at once!' (unslothai/unsloth #7426)",
    ),
    HistoryWording(
        "tools_with_calls",
        regex(
            r"without .{0,3}tools=?.{0,3} param|toolconfig field must be defined"
            r"|tools\b.{0,20}\bmust be (specified|provided|defined|present)"
        ),
        'LiteLLM "doesn\'t support tool calling without `tools=` param specified" (anomalyco/opencode #2915); Bedrock '
        "'The toolConfig field must be defined when using toolUse and toolResult content blocks' "
        "(langgenius/dify #17545)",
    ),
    HistoryWording(
        "no_items",
        regex(
            r"encrypted[ _]content\b.{0,200}(could not|not supported|cannot|invalid|fail)|invalid_encrypted_content"
            r"|part type: output_text|'loc': \('body', 'input'|\"loc\": ?\[\"body\", ?\"input\""
            r"|not persisted when|without its required|duplicate item found|input\[\d+\]\.(id|summary|content|status)\b"
        ),
        "OpenAI 'The encrypted content … could not be verified' (Wei-Shaw/sub2api #3138), 'Items are not persisted "
        "when `store` is set to false' behind gateways (maximhq/bifrost #5410), a reasoning item 'was provided without "
        "its required following item', 'Duplicate item found with id' and 'Invalid 'input[N].content': array too long' "
        "(microsoft/agent-framework-go #784); vLLM 'Encrypted content is not supported.' (vllm-project/vllm #28248), "
        "'Unknown part type: output_text' (#29175), and errors of its models for `input` (#45276)",
    ),
)

_CONTENT = regex(
    r"content['\"`]?\b.{0,80}(\bgot null|\bnull\b.{0,20}not|not be (null|empty)|\bis (empty|blank|required)"
    r"|field must be a string|valid string|received null|non-?empty|non-whitespace|nonetype)"
    r"|missing field .{0,3}content|text field .{0,120}is blank|text content blocks must"
    r"|concatenate str \(not \"nonetype\"\)|type mismatch of '/messages/\d+/content'"
)
"""OpenAI and Azure "Invalid value for 'content': expected a string, got null" (one-api #784); LM Studio "'content'
field must be a string or an array of objects" (lmstudio-bug-tracker #261); Bedrock "The text field in the ContentBlock
object is blank" (vercel/ai #13523), "The content field in the Message object is empty" (Portkey-AI/gateway #995);
Anthropic "text content blocks must be non-empty" (anthropics/claude-code #59812); chat templates that add the text up
"can only concatenate str (not "NoneType") to str"; Cloudflare "Type mismatch of '/messages/2/content'"."""

_SIGNATURE = regex(
    r"invalid .?signature.? in .?thinking|corrupted thought.?signature|thought.?signature is (not valid|invalid)"
)
"""Anthropic "Invalid `signature` in `thinking` block", after another model or provider has thought (anomalyco/opencode
#6418, linanwx/nagobot #21)."""

SIGNED_FIELDS = frozenset({"reasoning_details", "thinking_blocks", "thinking", "extra_content"})
"""What has signatures, at OpenRouter, LiteLLM, and Google."""

_TOOL_SCHEMA = regex(
    r"invalid schema for function|json schema not supported|schema conversion failed|unrecognized schema"
    r"|moonshot flavored json schema|unsupported json schema|input_schema"
)
_OF_TOOLS = regex(r"\btools?\b|function|schema|grammar")
"""Gemini "Unknown name "exclusiveMinimum" at 'tools[0].function_declarations[0].parameters…'" (openswarm #24);
Anthropic "tools.25.custom: For 'integer' type, properties maximum, minimum are not supported" (earendil-works/pi
#9953); Cerebras "Unsupported JSON schema fields: {'minItems'}" (claude-code-router #708); OpenAI "Invalid schema for
function"; Fireworks and llama.cpp where they make a grammar of it."""


_MARKS = regex(
    r"cache_?control|cache_?point|prompt caching|extraneous key|content['\"`]? ?(must|should) be (a |of type )?string"
    r"|valid string|expected a? ?string|array into .{0,80}string|concatenate str"
)
"""Names of the mark (Anthropic "cache_control.ephemeral.ttl: Extra inputs are not permitted", Bedrock "extraneous key
[cachePoint] is not permitted"), and what refuses the parts that carry it: pydantic "Input should be a valid string",
serde "invalid type: sequence, expected a string", Go "cannot unmarshal array into Go struct field", Jinja "can only
concatenate str"."""


def learn(capabilities: Capabilities, error: ServerError, body: Mapping[str, Any]) -> Capabilities | None:
    """The capabilities after this refusal of `body`, which was built for `capabilities`; None: nothing to
    learn.

    Only what the request really contained can be refused, so each lesson is worth one more try.
    """
    cap = output_cap(error, body)
    if cap is not None:
        return replace(capabilities, output_cap=cap)
    if error.status not in LEARNING_STATUSES:
        return None
    if capabilities.cache_marks and _MARKS.search(error.words) and has_marks(messages_of(body)):
        shorter = capabilities.cache_marks == "1h" and "ttl" in error.words
        return replace(capabilities, cache_marks="5m" if shorter else "")
    about_history = _learn_history(capabilities, error, body)
    if about_history is not None:
        return about_history
    if capabilities.tool_limits and _refuses_limits(error, body):
        return replace(capabilities, tool_limits=False)
    apis = body.get(APIS, ())
    if refuses_api(error, apis):
        return replace(capabilities, apis=apis[1:])
    if is_overflow(error):
        return None
    about_stream = _learn_stream(capabilities, error, body)
    if about_stream is not None:
        return about_stream
    words = error.words
    refusal = _REFUSAL.search(words) is not None
    if "response_format" in body and (error.param.startswith("response_format") or _SCHEMA.search(words)):
        if error.status < 500 or refusal:
            lower = _below(body["response_format"], capabilities)
            lesson = replace(capabilities, output_form=lower)
            return stepped_down(lesson) if lesson.tool_mode == "schema" else lesson
        return None
    return _learn_field(capabilities, error, body) if refusal else None


def _below(wanted: Any, capabilities: Capabilities) -> OutputForm:
    """The form below the one that was asked for: somebody else's body has its own."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    form = kind if kind in LADDER else capabilities.output_form
    return LADDER[min(LADDER.index(form) + 1, len(LADDER) - 1)]


def messages_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a body, which may be somebody else's; none where it has none."""
    messages = body.get("messages")
    return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def _learn_history(
    capabilities: Capabilities, error: ServerError, body: Mapping[str, Any]
) -> Capabilities | None:
    words, messages = error.words, messages_of(body)
    for wording in WORDINGS:
        new = wording.rule not in capabilities.history_rules and wording.pattern.search(words)
        if new and _would_change(wording.rule, capabilities, messages, body):
            return replace(capabilities, history_rules=capabilities.history_rules | {wording.rule})
    if _SIGNATURE.search(words) and (signed := SIGNED_FIELDS & extra_fields(messages)):
        return replace(capabilities, refused_fields=capabilities.refused_fields | signed)
    if _CONTENT.search(words) and len(capabilities.empty_contents) > 1 and any(map(is_wordless, messages)):
        return replace(capabilities, empty_contents=capabilities.empty_contents[1:])
    if _REFUSAL.search(words):
        refused = {
            name for name in extra_fields(messages) if re.search(rf"\b{re.escape(name.lower())}\b", words)
        }
        if refused:
            return replace(capabilities, refused_fields=capabilities.refused_fields | refused)
    return None


def _refuses_limits(error: ServerError, body: Mapping[str, Any]) -> bool:
    """It is about what schemas of tools say of values beside their types."""
    words, limits = error.words, limits_in(body.get("tools"))
    if not limits:
        return False
    named = _OF_TOOLS.search(words) and any(
        re.search(rf"\b({word.lower()}|{_SNAKE.sub('_', word).lower()})\b", words)
        for word in limits
        if word.isalnum()
    )
    return bool(named or _TOOL_SCHEMA.search(words))


_SNAKE = regex(r"(?<=[a-z])(?=[A-Z])")


def _would_change(
    rule: HistoryRule, capabilities: Capabilities, messages: list[dict[str, Any]], body: Mapping[str, Any]
) -> bool:
    if rule == "tools_with_calls":
        return not body.get("tools") and has_calls(messages)
    if rule == "reasoning" and "reasoning_content" in capabilities.refused_fields:
        return False
    return shaped(messages, {rule}) != messages


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
    for limit in capabilities.output_limits:
        if limit in body and "messages" in body and re.search(rf"\b{limit}\b", words):
            left = tuple(name for name in capabilities.output_limits if name != limit)
            return replace(capabilities, output_limits=left)
    if "include" in body and (error.param.startswith("include") or _INCLUDE.search(words)):
        return replace(capabilities, encrypted=False)
    if "prompt_cache_key" in body and "prompt_cache_key" in words:
        return replace(capabilities, cache_key=False)
    if "reasoning_effort" in body and re.search(
        r"reasoning_effort|reasoning\.effort|reasoning effort", words
    ):
        return replace(capabilities, reasoning_effort=False)
    if APIS in body and capabilities.output_limits and "max_output_tokens" in words:
        return replace(capabilities, output_limits=())
    if "parallel_tool_calls" in body and ("parallel_tool_calls" in words or "single tool-calls" in words):
        return replace(capabilities, parallel_tool_calls=False)
    if "temperature" in body and "temperature" in words:
        return replace(capabilities, temperature=False)
    if "seed" in body and "seed" in words:
        return replace(capabilities, seed=False)
    if _SYSTEM.search(words) and any(m.get("role") == "system" for m in messages_of(body)):
        return replace(capabilities, system=False)
    if "tools" in body and _TOOLS.search(words):
        return stepped_down(capabilities)
    if "stop" in body and _STOP.search(words):
        return replace(capabilities, stop=False)
    return None
