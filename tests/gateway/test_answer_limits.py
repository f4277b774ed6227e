"""What a request says that it wants, and what it is taken for where it says nonsense: pure."""

import json
from typing import Any

import pytest

from agentbatch.gateway.apis.api import AnswerLimits, Api
from agentbatch.gateway.apis.chat import ChatApi
from agentbatch.gateway.apis.messages import MessagesApi
from agentbatch.gateway.apis.responses import ResponsesApi
from agentbatch.gateway.call import estimate_input, passed_on, written_unseen
from agentbatch.gateway.pictures import PICTURE, no_text
from agentbatch.model.capabilities import Capabilities

C, R, M = ChatApi(), ResponsesApi(), MessagesApi()


@pytest.mark.parametrize(
    ("api", "body", "limits"),
    [
        (C, {}, AnswerLimits(None, 1)),
        (C, {"max_tokens": 70, "n": 3}, AnswerLimits(70, 3)),
        (C, {"max_completion_tokens": 70, "max_tokens": 90}, AnswerLimits(90, 1)),
        (C, {"max_tokens": 70.9, "n": 2.0}, AnswerLimits(70, 2)),
        (C, {"max_tokens": 10**400, "n": 10**400}, AnswerLimits(10**9, 10**9)),
        (C, {"max_tokens": float("inf")}, AnswerLimits(10**9, 1)),
        (C, {"max_tokens": float("nan"), "n": float("nan")}, AnswerLimits(None, 1)),
        (C, {"max_tokens": -1, "n": 0}, AnswerLimits(None, 1)),
        (C, {"max_tokens": True, "n": True}, AnswerLimits(None, 1)),
        (C, {"max_tokens": "70", "n": [2]}, AnswerLimits(None, 1)),
        (R, {"max_output_tokens": 70, "n": 9}, AnswerLimits(70, 1)),
        (R, {"max_output_tokens": None}, AnswerLimits(None, 1)),
        (M, {"max_tokens": 70}, AnswerLimits(70, 1)),
    ],
)
def test_what_is_wanted(api: Api, body: dict[str, Any], limits: AnswerLimits) -> None:
    assert api.limits(body) == limits


DATA = "A" * 100_000
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
DOCUMENT = {**IMAGE, "type": "document"}
URL = "data:image/png;base64," + DATA


def message(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (message({"type": "image_url", "image_url": {"url": URL}}), PICTURE),
        (message({"type": "image_url", "image_url": {"url": "http://x/" + DATA}}), 0),
        (message(IMAGE, IMAGE), 2 * PICTURE),
        (message({"type": "tool_result", "content": [IMAGE]}), PICTURE),
        (message(DOCUMENT), 3 * PICTURE),
        ({"input": [{"content": [{"type": "input_image", "image_url": URL}]}]}, PICTURE),
        (
            {
                "input": [
                    {"type": "function_call_output", "output": [{"type": "input_image", "image_url": URL}]}
                ]
            },
            PICTURE,
        ),
        ({"input": [{"content": [{"type": "input_file", "file_data": URL}]}]}, 3 * PICTURE),
        # Text that looks like a picture is text.
        (message({"type": "text", "text": URL}), 0),
        ({"messages": [{"role": "user", "content": URL}]}, 0),
        (message({"type": "tool_use", "input": IMAGE, "content": [IMAGE]}), 0),
        ({"tools": [{"type": "image_url", "image_url": {"url": URL}}]}, 0),
        ({"input": DATA, "system": DATA}, 0),
        (message({"type": "image", "source": DATA}, {"type": "image_url"}, 7, None), 0),
    ],
)
def test_what_is_no_text_in_a_request(body: dict[str, Any], tokens: int) -> None:
    assert no_text(body).tokens == tokens
    content = json.dumps(body).encode()
    assert estimate_input(content, body) == -(-(len(content) - no_text(body).size) // 4) + tokens


@pytest.mark.parametrize(
    ("seconds", "most", "tokens"), [(-1, None, 0), (1, None, 0), (61, None, 3000), (61, 100, 100), (61, 0, 0)]
)
def test_what_may_have_been_written_unseen(seconds: float, most: int | None, tokens: int) -> None:
    assert written_unseen(seconds, most) == tokens


@pytest.mark.parametrize("field", ["n", "max_tokens", "max_completion_tokens"])
def test_numbers_that_only_some_endpoints_take_for_such(field: str) -> None:
    assert C.refusal({field: "128"}) == f"`{field}` is no number."
    assert C.refusal({field: 128}) == C.refusal({field: None}) == ""


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


@pytest.mark.parametrize(("api", "name"), [(C, "max_tokens"), (R, "max_output_tokens"), (M, "max_tokens")])
def test_a_longer_answer_than_the_endpoint_allows_is_not_asked_for(api: Api, name: str) -> None:
    body = {"model": "m", name: 8000}
    assert api.sent(body, Capabilities(output_cap=4096))[name] == 4096
    assert api.sent(body, Capabilities())[name] == 8000


def test_responses_in_the_background_are_refused() -> None:
    assert "background" in R.refusal({"background": True})
    assert R.refusal({"background": False}) == ""
