"""What a request says that it wants, and what it is taken for where it says nonsense: pure."""

from typing import Any

import pytest

from agentbatch.gateway.apis.api import Api, Wanted
from agentbatch.gateway.apis.chat import ChatApi
from agentbatch.gateway.apis.messages import MessagesApi
from agentbatch.gateway.apis.responses import ResponsesApi
from agentbatch.gateway.call import PICTURE, estimate_input, passed_on
from agentbatch.model.capabilities import Capabilities

C, R, M = ChatApi(), ResponsesApi(), MessagesApi()


@pytest.mark.parametrize(
    ("api", "body", "wanted"),
    [
        (C, {}, Wanted(None, 1)),
        (C, {"max_tokens": 70, "n": 3}, Wanted(70, 3)),
        (C, {"max_completion_tokens": 70, "max_tokens": 90}, Wanted(70, 1)),
        (C, {"max_tokens": 70.9, "n": 2.0}, Wanted(70, 2)),
        (C, {"max_tokens": 10**400, "n": 10**400}, Wanted(10**9, 10**9)),
        (C, {"max_tokens": float("inf")}, Wanted(10**9, 1)),
        (C, {"max_tokens": float("nan"), "n": float("nan")}, Wanted(None, 1)),
        (C, {"max_tokens": -1, "n": 0}, Wanted(None, 1)),
        (C, {"max_tokens": True, "n": True}, Wanted(None, 1)),
        (C, {"max_tokens": "70", "n": [2]}, Wanted(None, 1)),
        (R, {"max_output_tokens": 70, "n": 9}, Wanted(70, 1)),
        (R, {"max_output_tokens": None}, Wanted(None, 1)),
        (M, {"max_tokens": 70}, Wanted(70, 1)),
    ],
)
def test_what_is_wanted(api: Api, body: dict[str, Any], wanted: Wanted) -> None:
    assert api.wanted(body) == wanted


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (b"x" * 400, 100),
        (b"", 0),
        (b'{"url":"data:image/png;base64,' + b"A" * 400_000 + b'"}', PICTURE + 3),
        (b"word " * 4000, 5000),
    ],
)
def test_a_request_is_estimated_without_its_pictures(content: bytes, tokens: int) -> None:
    assert estimate_input(content) == tokens


def test_what_an_endpoint_has_refused_is_left_out_of_chat_requests() -> None:
    body = {"messages": [], "stream": True, "stream_options": {"x": 1}, "temperature": 0.5, "max_tokens": 9}
    assert C.sent(body, Capabilities())["stream_options"] == {"x": 1, "include_usage": True}
    knows = Capabilities(stream_usage=False, temperature=False, output_limits=("max_completion_tokens",))
    assert C.sent(body, knows) == {"messages": [], "stream": True, "max_completion_tokens": 9}
    assert C.sent({"messages": []}, Capabilities(whole=False)) == {"messages": []}, "it asks for no stream"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({}, {"a": "usual"}),
        ({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "2"}),
        ({"a": "x\ny"}, {}),
        ({"b": "ü"}, {"a": "usual"}),
        ({"b": "y" * 10**6}, {"a": "usual", "b": "y" * 1000}),
    ],
)
def test_headers_that_are_passed_on(given: dict[str, str], passed: dict[str, str]) -> None:
    assert passed_on({"a": "usual", "b": ""}, given) == passed


def test_responses_in_the_background_are_refused() -> None:
    assert "background" in R.refusal({"background": True})
    assert R.refusal({"background": False}) == ""
