"""Recognises that a request was longer than the model's context window, and by how much: a few codes, and a table of
wordings with where each was seen."""

import re
from typing import NamedTuple

from agentbatch.model.refusals.excess import Excess
from agentbatch.model.refusals.server_error import ServerError

CODES = frozenset(
    {
        *(
            "context_length_exceeded",
            "exceed_context_size_error",
            "request_too_large",
            "string_above_max_length",
        ),
        *("model_max_prompt_tokens_exceeded", "tokens_limit_reached", "1039", "1261"),
    }
)
"""OpenAI's (also Groq's, xAI's), llama.cpp's and Anthropic's; Copilot's, GitHub Models', MiniMax's and Zhipu's."""

STATUSES = frozenset({200, 400, 413, 422, 429, 500, 503})
"""200: the error came inside a 200; 500: llama.cpp's answer when its slots overflow; 503: tabbyAPI's."""

MIN_TOKENS, MAX_TOKENS = 128, 100_000_000
"""What a window or a request may have; another number in the words is something else."""


class Wording(NamedTuple):
    pattern: str
    """Of words in lower case. Groups, where it has them: `limit`, the most tokens, and `sent`, those of the request."""
    source: str


_N = r"[\d,_]{1,12}"

WORDINGS: tuple[Wording, ...] = (
    Wording(
        rf"maximum context length is (?P<limit>{_N}) tokens.{{0,200}}?for a total of (?:at least )?(?P<sent>{_N})",
        "vLLM, with what the answer may have: cloudflare/cloudflare-docs#29731",
    ),
    Wording(
        rf"maximum context length (?:is|of) (?P<limit>{_N})[^.]*\.[^.]{{0,80}}?(requested|resulted "
        rf"in|has)\D{{0,20}}(?P<sent>{_N})",
        "OpenAI, vLLM, DeepSeek: THUDM/LongBench#104, bytedance/deer-flow#310; SGLang 'of': anomalyco/models.dev#4422",
    ),
    Wording(
        rf"maximum context length of \S{{1,100}} is (?P<limit>{_N})\. however, answering your request will take "
        rf"(?P<sent>{_N})",
        "SambaNova",
    ),
    Wording(
        rf"current length is (?P<sent>{_N}) while limit is (?P<limit>{_N})", "Cerebras: cline/cline#5140"
    ),
    Wording(
        rf"request body too large for.{{0,100}}max size: (?P<limit>{_N}) tokens",
        "GitHub Models: cline/cline#995",
    ),
    Wording(
        rf"prompt is too long: (?P<sent>{_N}), model maximum context length: (?P<limit>{_N})", "Fireworks"
    ),
    Wording(
        rf"tokens \((?P<sent>{_N})\) exceeded this model context window limit \((?P<limit>{_N})",
        "Cloudflare, code 5021",
    ),
    Wording(
        rf"passed (?P<sent>{_N}) input tokens.{{0,120}}context length is only (?P<limit>{_N})",
        "vLLM since 0.13",
    ),
    Wording(
        rf"sum of prompt length \((?P<sent>{_N})(?:\.\d+)?\).{{0,120}}should not exceed \w{{1,40}} \((?P<limit>{_N})",
        "TensorRT-LLM: NVIDIA/TensorRT-LLM#9277",
    ),
    Wording(
        rf"(?:prompt|input) length \(?(?P<sent>{_N})\)? exceeds (?:the )?maximum (?:sequence|input|allowed token)? ?"
        rf"(?:length|size) \(?(?P<limit>{_N})",
        "TensorRT-LLM: triton-inference-server/tensorrtllm_backend#141; Nvidia's NIM; Volcengine Ark",
    ),
    Wording(
        rf"keep the first (?P<sent>{_N}) tokens.{{0,120}}context length of only (?P<limit>{_N})",
        "LM Studio: lmstudio-bug-tracker#546",
    ),
    Wording(rf"n_keep: (?P<sent>{_N}) ?>= n_ctx: (?P<limit>{_N})", "LM Studio: Gitlawb/openclaude#353"),
    Wording(
        r"to keep from the initial prompt is greater than the context",
        "LM Studio: logancyang/obsidian-copilot#962",
    ),
    Wording(rf"reached context length of (?P<limit>{_N}) tokens", "LM Studio, in the middle of an answer"),
    Wording(
        rf"input \((?P<sent>{_N}) tokens\) is (?:larger|too large)[^(]{{0,60}}\((?P<limit>{_N})",
        "llama.cpp's server, where it cannot cut",
    ),
    Wording(
        rf"max input tokens: (?P<limit>{_N}), request input token count: (?P<sent>{_N})", "Bedrock's Titan"
    ),
    Wording(r"number of input tokens exceeds maximum|input tokens exceeded", "Bedrock's Nova"),
    Wording(rf"prompt token count of (?P<sent>{_N}) exceeds the limit of (?P<limit>{_N})", "Copilot"),
    Wording(rf"maximum context length(?: is| of)?(?: (?P<limit>{_N}))?", "OpenAI, Mistral, Ollama"),
    Wording(
        rf"\((?P<sent>{_N}) tokens?\) is longer than the model's context length \((?P<limit>{_N})",
        "SGLang: QwenLM/Qwen3#1321",
    ),
    Wording(
        rf"input length \((?P<sent>{_N}) tokens?\) exceeds the maximum allowed length \((?P<limit>{_N})",
        "SGLang: sgl-project/sglang#4048",
    ),
    Wording(
        rf"max_new_tokens` must be <= (?P<limit>{_N})\. given: (?P<sent>{_N})",
        "TGI: huggingface/text-generation-inference#628",
    ),
    Wording(
        rf"`inputs` must have less than (?P<limit>{_N}) tokens\. given: (?P<sent>{_N})",
        "TGI: huggingface/text-generation-inference#695",
    ),
    Wording(
        rf"(?:prompt|request|context) length (?P<sent>{_N})[^.]{{0,40}} (?:is greater "
        rf"than|exceeds) max_seq_len (?P<limit>{_N})",
        "tabbyAPI: SillyTavern/SillyTavern#3543",
    ),
    Wording(
        rf"prompt_tokens \((?P<sent>{_N})\) must be less than max_seq_len \((?P<limit>{_N})",
        "SiliconFlow: sjzar/chatlog#30",
    ),
    Wording(
        rf"max_total_tokens \((?P<sent>{_N})\) must be less than or equal to max_seq_len \((?P<limit>{_N})",
        "SiliconFlow, with what the answer may have: FoundationAgents/OpenManus#309, continuedev/continue#10993",
    ),
    Wording(
        rf"prompt too long: (?P<sent>{_N}) tokens exceeds max context window of (?P<limit>{_N})",
        "oMLX: ValueCell-ai/ClawX#658",
    ),
    Wording(
        rf"prompt tokens \((?P<sent>{_N})\) exceeds safe limit \((?P<limit>{_N})",
        "Rapid-MLX: raullenchai/Rapid-MLX#400",
    ),
    Wording(r"is greater than max_seq_len|greater than cache_size", "tabbyAPI: SillyTavern/SillyTavern#3543"),
    Wording(r"too many tokens: (total number of tokens|size limit exceeded)", "Cohere's chat"),
    Wording(
        r"total tokens of (?:image and )?text exceed max message tokens|exceed max message "
        r"tokens|input length \d+ exceeds the "
        r"maximum length",
        "Volcengine Ark",
    ),
    Wording(
        rf"input token count[^.]{{0,30}}\((?P<sent>{_N})\) exceeds the maximum number of tokens "
        rf"allowed \((?P<limit>{_N})",
        "Google: google-gemini/gemini-cli#6678",
    ),
    Wording(rf"exceeds the maximum number of tokens allowed \(?(?P<limit>{_N})", "Google, without the count"),
    Wording(
        rf"input token count is (?P<sent>{_N}) but model only supports up to (?P<limit>{_N})",
        "Vertex: 'Unable to submit request'",
    ),
    Wording(
        rf"\((?P<sent>{_N}) tokens?\) exceeds the available context size \((?P<limit>{_N})",
        "llama.cpp's server",
    ),
    Wording(
        rf"requested tokens \((?P<sent>{_N})\) exceed context window of (?P<limit>{_N})",
        "llama-cpp-python: abetlen#120",
    ),
    Wording(rf"prompt is too long: (?P<sent>{_N}) tokens? > (?P<limit>{_N})", "Anthropic"),
    Wording(
        rf"exceed context limit: (?P<sent>{_N}) \+ {_N} > (?P<limit>{_N})", "Anthropic, with its max_tokens"
    ),
    Wording(
        rf"\(length (?P<sent>{_N})\) is longer than the maximum model length of (?P<limit>{_N})",
        "vLLM: Gabesarch/grounded-rl#16",
    ),
    Wording(rf"maximum prompt length is (?P<limit>{_N}) but the request contains (?P<sent>{_N})", "xAI"),
    Wording(rf"range of input length should be \[\d+, (?P<limit>{_N})\]", "DashScope"),
    Wording(rf"exceeded model token limit: (?P<limit>{_N})(?: \(requested: (?P<sent>{_N}))?", "Moonshot"),
    Wording(
        rf"request too large for[^:]*[^.]{{0,120}}limit (?P<limit>{_N}), requested (?P<sent>{_N})",
        "OpenAI and Groq: above the tokens a minute",
    ),
    Wording(r"context[ _](length|size|window)[^.]{0,40}exceed", "llama.cpp, Ollama, MiniMax"),
    Wording(r"exceed[a-z]*[^.]{0,60}context[ _](length|size|window|limit)", "llama.cpp, Anthropic, OpenAI"),
    Wording(r"longer than the (maximum )?(model|context|model's context) length", "vLLM, Ollama"),
    Wording(r"max_tokens must be at least 1, got -", "vLLM: nothing is left for the answer"),
    Wording(r"prompt (is|was) too long|prompt exceeds max|prompt too long", "Anthropic, Z.ai, Ollama"),
    Wording(r"input is too long|input length should be|range of input length", "Bedrock, DashScope"),
    Wording(
        r"exceeds the maximum number of (input )?tokens|input token count[^.]{0,60}exceed", "Google, xAI"
    ),
    Wording(r"maximum (prompt|input) length", "xAI"),
    Wording(r"exceeded model token limit|token count[^.]{0,60}exceeds the limit", "Moonshot, Copilot"),
    Wording(
        r"request too large for", "OpenAI, Groq: one request above the tokens a minute: waiting does not help"
    ),
    Wording(r"reduce the length of the (messages|prompt|input)", "OpenAI, Groq, vLLM"),
    Wording(r"context length of only|context the overflows", "LM Studio"),
)
"""In this order: what has numbers first."""


def is_overflow(error: ServerError) -> bool:
    """True when a shorter request would be accepted."""
    if error.status not in STATUSES:
        return False
    return error.status == 413 or not error.codes.isdisjoint(CODES) or _found(error.words) is not None


def excess(words: str) -> Excess:
    """The numbers in the words of an overflow."""
    found = _found(words.lower())
    named = found.groupdict() if found is not None else {}
    return Excess(_tokens(named.get("limit")), _tokens(named.get("sent")))


def _found(words: str) -> re.Match[str] | None:
    return next((found for one in WORDINGS if (found := re.search(one.pattern, words))), None)


def _tokens(text: str | None) -> int | None:
    digits = (text or "").replace(",", "").replace("_", "")
    number = int(digits) if digits.isdigit() else 0
    return number if MIN_TOKENS <= number <= MAX_TOKENS else None
