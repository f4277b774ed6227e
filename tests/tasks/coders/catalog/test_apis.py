"""Which endpoints are known not to speak an API."""

import pytest

from agentbatch.tasks.coders.catalog.apis import elsewhere, lacks
from agentbatch.tasks.coders.catalog.entry import WireApi

DEEPSEEK = "https://api.deepseek.com"


@pytest.mark.parametrize(
    ("address", "spoken"),
    [
        ("https://api.openai.com/v1", ("chat", "responses")),
        ("https://api.anthropic.com/v1", ("chat", "messages")),
        ("https://generativelanguage.googleapis.com/v1beta/openai", ("chat",)),
        ("https://api.mistral.ai/v1", ("chat", "responses")),
        (DEEPSEEK, ("chat", "responses")),
        (f"{DEEPSEEK}/v1", ("chat", "responses")),
        (f"{DEEPSEEK}/anthropic/v1", ("messages",)),
        ("http://127.0.0.1:8080/v1", ("chat", "responses", "messages")),
    ],
)
def test_what_is_spoken_there(address: str, spoken: tuple[WireApi, ...]) -> None:
    every: tuple[WireApi, ...] = ("chat", "responses", "messages")
    assert tuple(api for api in every if not lacks(address, api)) == spoken


def test_where_the_same_host_speaks_it() -> None:
    assert elsewhere(DEEPSEEK, "messages") == f"{DEEPSEEK}/anthropic/v1"
    assert elsewhere("https://api.openai.com/v1", "messages") == ""
