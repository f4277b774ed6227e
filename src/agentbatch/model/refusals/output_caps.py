"""How long an answer may be, as a refusal of a longer one says: a table of wordings, with where each was seen. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agentbatch.model.refusals.overflow import excess, is_overflow
from agentbatch.model.refusals.server_error import ServerError
from agentbatch.model.request.given_body import ALL_LIMITS
from agentbatch.patterns import regex


class Wording(NamedTuple):
    pattern: re.Pattern[str]
    """Of words in lower case. Its group is `most`, the longest answer; `below`, one more than that; or `window`, which
    the request shares. None: it is shorter than what was asked, and not said."""
    source: str


_N = r"\d[\d,_]{0,11}"
_NAME = r"max[_ ]?(?:(?:completion|output|new)_?)?tokens"

LEAST = 256
"""Tokens below which no shorter answer is tried where the refusal has no number."""

WORDINGS = (
    Wording(
        regex(rf"supports at most (?P<most>{_N}) completion tokens"),
        "OpenAI, Azure: tailcallhq/forgecode#1185; MiMo, in `param`: AQBot-Desktop/AQBot#93",
    ),
    Wording(
        regex(
            rf"{_NAME}: {_N} > (?P<most>{_N}), which is the maximum allowed number of output tokens",
        ),
        "Anthropic: ChatGPTNextWeb/NextChat#4964, behind LiteLLM: anthropics/claude-code#11302",
    ),
    Wording(
        regex(
            rf"(?<!\+ `){_NAME}\b.{{0,80}}(?:must|should) be (?:less than or equal to|at most|<=) `?(?P<most>{_N})"
        ),
        "Groq: anomalyco/opencode#1000, Alishahryar1/free-claude-code#955; with the model's name: "
        "stackblitz-labs/bolt.diy#56; Cohere; pydantic's `less_than_equal`; TGI",
    ),
    Wording(
        regex(rf"range of {_NAME} (?:is|should be) \[\d+, ?(?P<most>{_N})\]"),
        "DeepSeek: deepseek-ai/DeepSeek-V3#69; DashScope: open-webui/open-webui#10507",
    ),
    Wording(
        regex(rf"{_NAME}\b.{{0,80}}\bbetween \d{{1,3}} and (?P<most>{_N})"),
        "gateways: autohandai/code-cli#486",
    ),
    Wording(
        regex(rf"{_NAME}\b.{{0,120}}expected a value <= (?P<most>{_N})"),
        "Volcengine Ark: yiliqi78/TOKENICODE#3; OpenAI's `integer_above_max_value`",
    ),
    Wording(
        regex(rf"maximum tokens you requested exceeds? the model limit of (?P<most>{_N})"),
        "Bedrock: vercel/ai#2772, charmbracelet/crush#946, RooCodeInc/Roo-Code#248",
    ),
    Wording(
        regex(
            rf"{_NAME} value of {_N} but the supported range is .{{0,30}} to (?P<below>{_N}) \(exclusive\)"
        ),
        "Vertex AI: BerriAI/litellm#10548",
    ),
    Wording(
        regex(rf"{_NAME}={_N} cannot be greater than (?:\w{{1,20}}=)+(?P<window>{_N})"),
        "vLLM, DeepInfra: HeyPuter/puter#3564",
    ),
    Wording(
        regex(rf"{_NAME} \({_N}\) exceeds? (?:the )?model's maximum output tokens \((?P<most>{_N})"),
        "Ollama's cloud: openclaw/openclaw#131797",
    ),
    Wording(regex(rf"{_NAME} is limited for this model"), "Scaleway, 416: scaleway/docs-content#4858"),
    Wording(
        regex(rf"{_NAME}\s?参数非法"),
        "Zhipu, code 1214: lobehub/lobehub#1398, MetaGLM/glm-cookbook#24",
    ),
)


def output_cap(error: ServerError, body: Mapping[str, Any]) -> int | None:
    """The longest answer that may be asked for, in tokens, where this refusal says that `body` asks for a longer one.

    Where prompt and answer share a window, and the prompt takes less than half of it, the answer may have the other
    half: for longer prompts the refusal is one of their length.
    """
    asked = max((body[name] for name in ALL_LIMITS if isinstance(body.get(name), int)), default=0)
    most = _most(error.words, asked) or (_half(error, asked) if is_overflow(error) else 0)
    return most if 0 < most < asked else None


def _most(words: str, asked: int) -> int:
    """0: it is about something else."""
    for wording in WORDINGS:
        if (found := wording.pattern.search(words)) is not None:
            [(name, text)] = found.groupdict().items() or [("", "")]
            if not name:
                return max(asked // 2, LEAST)
            number = int(text.replace(",", "").replace("_", ""))
            return number // 2 if name == "window" else number - (name == "below")
    return 0


def _half(error: ServerError, asked: int) -> int:
    limit, sent = excess(error.words)
    half = (limit or 0) // 2
    prompt = 0 if sent is None else sent - asked if sent >= asked else sent
    return half if prompt <= half else 0
