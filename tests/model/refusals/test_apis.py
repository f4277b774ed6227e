# ruff: noqa: E501 - a body is one line, as it came
"""Which API a model is asked by: what is known, and what refusals teach. The wordings are those that apis.py names."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agentbatch.model.apis import APIS
from agentbatch.model.capabilities import Capabilities
from agentbatch.model.refusals.apis import preferred
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import read_error
from agentbatch.model.request.history import ITEMS

OPENAI = "https://api.openai.com/v1"
CHAT: Any = ("chat", "responses")
RESPONSES: Any = ("responses", "chat")


@pytest.mark.parametrize(
    ("base_url", "model", "apis"),
    [
        *((OPENAI, model, RESPONSES) for model in ("gpt-5", "gpt-5-mini", "GPT-5.6-sol", "gpt-6-astra", "o3", "o4-mini", "gpt-5.3-codex", "codex-mini-latest", "ft:gpt-5-mini:me::x")),
        *((OPENAI, model, CHAT) for model in ("gpt-4o", "gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat-latest", "gpt-5-search-api", "omni", "")),
        *((url, "gpt-5", CHAT) for url in ("https://openrouter.ai/api/v1", "http://localhost:1234/v1", "https://x.openai.azure.com/openai/v1", "https://api.openai.com.evil.example/v1")),
    ],
)  # fmt: skip
def test_what_is_tried_first(base_url: str, model: str, apis: Any) -> None:
    assert preferred(base_url, model) == apis


def error(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("apis", "status", "body", "left"),
    [
        (CHAT, 404, error("This model is only supported in v1/responses and not in v1/chat/completions.", type="invalid_request_error", param="model"), ("responses",)),
        (CHAT, 404, error("This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?", param="model"), ("responses",)),
        (CHAT, 400, error("Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead.", param="reasoning_effort"), ("responses",)),
        (CHAT, 400, error("Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."), ("responses",)),
        (CHAT, 400, error("The chatCompletion operation does not work with the specified model, gpt-5-codex. Please choose different model and try again.", code="OperationNotSupported"), ("responses",)),
        (CHAT, 400, error("model gpt-5.3-codex is not accessible via the /chat/completions endpoint", code="unsupported_api_for_model"), ("responses",)),
        (CHAT, 400, error("Unsupported legacy protocol: /v1/chat/completions is not supported. Please use /v1/responses.", type="invalid_request_error"), ("responses",)),
        # no word of the other one: what a 404 of chat completions means stays what it was
        (CHAT, 404, error("Invalid URL (POST /v1/chat/completions)"), None),
        (CHAT, 404, error("The model `gpt-9` does not exist", code="model_not_found"), None),
        (CHAT, 400, error("Responses must be shorter."), None),
        # servers without it, each in its own words
        (RESPONSES, 404, b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}', ("chat",)),
        (RESPONSES, 404, b"", ("chat",)),
        (RESPONSES, 404, b"404 page not found", ("chat",)),
        (RESPONSES, 404, b'{"detail":"Not Found"}', ("chat",)),
        (RESPONSES, 405, b'{"detail":"Method Not Allowed"}', ("chat",)),
        (RESPONSES, 501, b"", ("chat",)),
        (RESPONSES, 400, error("The requested model 'gpt-4o-search-preview' is not supported with the Responses API.", code="model_not_found"), ("chat",)),
        (RESPONSES, 400, error("The Responses API is only enabled for api-version 2025-03-01-preview and later"), ("chat",)),
        # a model that is not there is not there in chat either; a refusal of something else
        (RESPONSES, 404, error("The model `gpt-9` does not exist", code="model_not_found"), None),
        (RESPONSES, 401, error("Incorrect API key provided"), None),
        (RESPONSES, 429, error("Rate limit reached"), None),
        # each once: a gateway that says it of either has said it
        (("responses",), 400, error("Function tools are not supported in /v1/chat/completions. Please use /v1/responses instead."), None),
        (("responses",), 404, b"", None),
        (("chat",), 404, error("This model is only supported in v1/responses and not in v1/chat/completions."), None),
        ((), 404, error("This model is only supported in v1/responses and not in v1/chat/completions."), None),
    ],
)  # fmt: skip
def test_what_refusals_teach(apis: Any, status: int, body: bytes, left: Any) -> None:
    sent = {"model": "m", "messages": [{"role": "user", "content": "u"}], "tools": [{}], APIS: apis}
    known = Capabilities(apis=apis or CHAT)
    lesson = learn(known, read_error(status, body), sent)
    assert lesson == (None if left is None else replace(known, apis=left)) or (
        left is None and lesson is not None and lesson.apis == known.apis
    )


KEPT = {"role": "assistant", "content": "a", ITEMS: [{"type": "reasoning", "id": "rs_1"}]}


@pytest.mark.parametrize(
    ("status", "body", "items", "fields"),
    [
        (400, error("The encrypted content gAAA...x could not be verified. Reason: Encrypted content could not be decrypted or parsed.", code="invalid_encrypted_content"), True, {"history_rules": frozenset({"no_items"})}),
        (404, error("Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Item 'rs_1' of type 'reasoning' was provided without its required following item."), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'."), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Duplicate item found with id rs_1. Remove duplicate items from your input and try again."), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Invalid 'input[3].content': array too long. Expected an array with maximum length 0", param="input[3].content"), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Encrypted content is not supported."), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Unknown part type: output_text", type="BadRequestError"), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("[{'type': 'missing', 'loc': ('body', 'input', 'list[union[...]]', 3, 'status'), 'msg': 'Field required'}]"), True, {"history_rules": frozenset({"no_items"})}),
        (400, error("Encrypted content is not supported with this model.", param="include"), False, {"encrypted": False}),
        (400, error("Unrecognized request argument supplied: include"), False, {"encrypted": False}),
        (400, error("Unsupported parameter: 'prompt_cache_key'"), False, {"cache_key": False}),
        (400, error("Unsupported value: 'reasoning.effort' does not support 'xhigh' with this model.", param="reasoning.effort"), False, {"reasoning_effort": False}),
        (400, error("Unsupported parameter: 'reasoning_effort' is not supported with this model.", param="reasoning_effort"), False, {"reasoning_effort": False}),
        (400, error("Unsupported parameter: max_output_tokens"), False, {"output_limits": ()}),
        (400, error("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"), False, {"temperature": False}),
        (400, error("Invalid 'text.format': json_schema is not supported with this model.", param="text.format"), False, {"output_form": "json_object"}),
        (400, error("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"), False, None),
    ],
)  # fmt: skip
def test_what_else_the_responses_api_teaches(status: int, body: bytes, items: bool, fields: Any) -> None:
    sent = {
        "model": "m",
        "messages": [{"role": "user", "content": "u"}, *([KEPT] if items else [])],
        "include": ["reasoning.encrypted_content"],
        "temperature": 0.1,
        "prompt_cache_key": "k",
        "reasoning_effort": "xhigh",
        "max_tokens": 5,
        "response_format": {"type": "json_schema", "json_schema": {}},
        APIS: ("responses",),
    }
    known = Capabilities(apis=("responses",), cache_key=True)
    lesson = learn(known, read_error(status, body), sent)
    assert lesson == (None if fields is None else replace(known, **fields))
