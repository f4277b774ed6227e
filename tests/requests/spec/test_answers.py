"""What came back for a plain request, read as what it is."""

import json
from typing import Any

import pytest

from agentbatch.requests.spec.answers import Document, document_or_failure, text_of
from agentbatch.requests.spec.request import CHAT, Url
from agentbatch.usage import Usage

COUNTS = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
HELLO = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}


def test_a_stream_that_nobody_asked_for_is_an_answer() -> None:
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
        {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    outcome = document_or_failure(CHAT, body.encode())
    assert isinstance(outcome, Document)
    assert text_of(CHAT, outcome.body) == "Hello"
    assert outcome.usage == Usage(input=3, output=2, calls=1)


def test_counts_with_the_names_of_both_apis_and_one_of_them_empty() -> None:
    counts = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "input_tokens": 0,
        "output_tokens": 0,
    }
    body = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}], "usage": counts}
    outcome = document_or_failure(CHAT, json.dumps(body).encode())
    assert isinstance(outcome, Document)
    assert outcome.usage == Usage(input=3, output=2, calls=1)


RESPONSES: Url = "/v1/responses"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"status": "completed", "output": [HELLO], "usage": COUNTS}, "Hello"),
        ({"output": [HELLO], "usage": COUNTS}, "Hello"),
        ({"status": "incomplete", "incomplete_details": {"reason": "x"}, "output": [], "usage": COUNTS}, ""),
    ],
)  # fmt: skip
def test_responses_that_are_answers(document: dict[str, Any], text: str) -> None:
    outcome = document_or_failure(RESPONSES, json.dumps(document).encode())
    assert isinstance(outcome, Document)
    assert (text_of(RESPONSES, outcome.body), outcome.usage) == (text, Usage(input=9, output=4, calls=1))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"status": "completed", "output": []}, "without output"),
        ({"status": "cancelled", "output": [HELLO]}, "gave up"),
        ({"status": "in_progress", "output": [HELLO]}, "gave up"),
        (
            {"status": "failed", "output": [HELLO], "error": {"code": "server_error", "message": "boom"}},
            "boom",
        ),
    ],
)
def test_responses_that_are_none(document: dict[str, Any], words: str) -> None:
    """Half of an answer is none, however much of it is there."""
    outcome = document_or_failure(RESPONSES, json.dumps(document).encode())
    assert not isinstance(outcome, Document)
    assert words in outcome.words
