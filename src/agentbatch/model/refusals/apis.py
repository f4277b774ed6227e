"""Which API an endpoint wants a model to be asked by: what is known beforehand, and what refusals say. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from agentbatch.model.capabilities import ApiName
from agentbatch.model.failures.retry import classify
from agentbatch.model.refusals.server_error import ServerError
from agentbatch.patterns import regex


class Preferred(NamedTuple):
    suffixes: tuple[str, ...]
    """Of the host's name."""
    models: re.Pattern[str]
    """Of a name's beginning, in lower case."""
    source: str


PREFERRED = (
    Preferred(
        ("api.openai.com",),
        regex(r"(ft:)?(gpt-([5-9]|\d\d)(?!.*-chat|.*-search)|o\d|codex-)"),
        "OpenAI's reasoning models are at their best there, keep their reasoning between calls there alone "
        "(developers.openai.com/api/docs/guides/responses-vs-chat-completions), and take no tools in chat completions "
        "since GPT-5.4 (openai/openai-openapi #541)",
    ),
)


class Wording(NamedTuple):
    pattern: re.Pattern[str]
    """Of an error's words in lower case."""
    source: str


CHAT_REFUSED = (
    Wording(
        regex(
            r"only (be )?(supported|available|accessible)\b[^.]{0,20} (in|via|through|on|with) "
            r"(the |\S{0,20}v1/)?responses"
        ),
        "OpenAI 'This model is only supported in v1/responses and not in v1/chat/completions.' (n8n-io/n8n #18352, "
        "pgadmin-org/pgadmin4 #9795)",
    ),
    Wording(
        regex(r"\buse [^ ]{0,20}v1/responses|use the responses api"),
        "OpenAI 'Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please "
        "use /v1/responses instead.' (pipecat-ai/pipecat #4043, LibreChat #14231); gateways 'is not supported. Please "
        "use /v1/responses.' (Wei-Shaw/sub2api #885)",
    ),
    Wording(
        regex(r"not a chat model and thus not supported in the v1/chat/completions"),
        "OpenAI of its codex and pro models (egoist/chatwise-releases #1256, micz/ThunderAI #570)",
    ),
    Wording(
        regex(r"chatcompletion operation does not work with the specified model"),
        "Azure 'OperationNotSupported' (langchain-ai/langchain #35050, langchain-azure #228)",
    ),
    Wording(
        regex(r"not accessible via the /chat/completions endpoint|unsupported_api_for_model"),
        "GitHub Copilot (caozhiyuan/copilot-api #102)",
    ),
)

RESPONSES_REFUSED = (
    Wording(
        regex(
            r"responses? api\b[^.]{0,60}(\bnot\b|n't\b|\bonly\b|unsupported)"
            r"|(\bnot\b|n't|un)[^.]{0,20}support[^.]{0,60}(responses? api\b|/responses\b)"
        ),
        "OpenAI 'is not supported with the Responses API' (Laisky/one-api #88); Azure 'The Responses API is only "
        "enabled for api-version 2025-03-01-preview and later'",
    ),
    Wording(
        regex(r"only supported in v1/chat/completions|use [^ ]{0,20}v1/chat/completions"),
        "OpenAI of its search models",
    ),
)

NO_SUCH_PATH = frozenset({404, 405, 501})
"""What a server answers that does not have it: llama.cpp's 'File Not Found' (BerriAI/litellm #13130), DeepSeek's bare
404 (farion1231/cc-switch #5210)."""


def preferred(base_url: str, model: str) -> tuple[ApiName, ...]:
    """The APIs in the order in which they are tried: chat completions first, which every endpoint has."""
    host, name = urlsplit(base_url).hostname or "", model.lower()
    if any(host.endswith(known.suffixes) and known.models.match(name) for known in PREFERRED):
        return ("responses", "chat")
    return ("chat", "responses")


def refuses_api(error: ServerError, apis: Sequence[ApiName]) -> bool:
    """Whether it is the first of these that the endpoint refuses for this model, and there is another."""
    if len(apis) < 2:
        return False
    wordings = CHAT_REFUSED if apis[0] == "chat" else RESPONSES_REFUSED
    if any(wording.pattern.search(error.words) for wording in wordings):
        return True
    return apis[0] == "responses" and error.status in NO_SUCH_PATH and classify(error) != "model"
