"""What the batch service says, read with distrust."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.model.failures.failure import Failure
from agentbatch.requests.provider.documents import MAX_LINE, answer_of, outcome_of, read_answers, read_state
from agentbatch.requests.spec.answers import Document

NAME = "r12-0123456789abcdef"

GOOD = {"choices": [{"message": {"content": "red"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}


def line(response: Any = None, error: Any = None, name: Any = NAME) -> bytes:
    return json.dumps({"custom_id": name, "response": response, "error": error}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff\xfe", b"null", b"[]", b"3", b'{"custom_id": "r12-0123456789ab', b"[" * 100_000, b"{}",
        line(name="q1"), line(name=7), line(name=None), line(name=[NAME]), line(name=NAME + "0"),
        line(name=NAME + "\n"), line(name="r-1-0123456789abcdef"), line(name="r" + "9" * 40 + "-0123456789abcdef"),
        line(name="r\u0661-0123456789abcdef"),
    ],
)  # fmt: skip
def test_what_is_no_answer(text: bytes) -> None:
    assert answer_of(text) is None


@pytest.mark.parametrize(
    ("response", "error", "told"),
    [
        ({"status_code": 200, "body": GOOD}, None, "document"),
        ({"status_code": 400, "body": {"error": {"message": "Too long"}}}, None, "request"),
        ({"status_code": 200, "body": {"error": {"message": "Too long", "code": 400}}}, None, "request"),
        ({"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}, None, "endpoint"),
        (None, {"code": "insufficient_quota", "message": "No money"}, "endpoint"),
        (None, {"code": 3, "message": ["x"]}, "request"),
        (None, None, "transient"),
        ("x", "y", "transient"),
        ({"status_code": "200", "body": GOOD}, None, "transient"),
        ({"status_code": True, "body": GOOD}, None, "transient"),
        ({"status_code": 200, "body": None}, None, "transient"),
        ({"status_code": 200, "body": {"choices": []}}, None, "transient"),
        ({"status_code": 200, "body": {"choices": [{"message": 3}]}}, None, "transient"),
    ],
)
def test_what_an_answer_means(response: Any, error: Any, told: str) -> None:
    answer = answer_of(line(response, error))
    assert answer is not None
    assert (answer.n, answer.key_start) == (12, "0123456789abcdef")
    outcome = outcome_of(answer, "/v1/chat/completions")
    if told == "document":
        assert isinstance(outcome, Document)
    else:
        assert isinstance(outcome, Failure)
        assert outcome.kind == told


def test_what_the_service_has_not_got_to() -> None:
    for code, expected in (("batch_expired", True), ("batch_cancelled", True), ("other", False)):
        answer = answer_of(line(None, {"code": code, "message": "x"}))
        assert answer is not None
        assert answer.not_asked is expected


def test_a_file_is_read_line_by_line_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "output.jsonl"
    good = line({"status_code": 200, "body": GOOD})
    huge = b'{"custom_id": "' + b"x" * (2 * MAX_LINE + 5) + b'"}'
    path.write_bytes(b"\n".join([b"garbage", good, b"", huge, good, b"\r", good[:-5]]))
    found = list(read_answers(path))
    assert [answer is not None for answer in found] == [False, True, False, True, False]


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {}, {"id": "b"}, {"id": 3, "status": "failed"}, {"id": "../files", "status": "failed"},
     {"id": "a b", "status": "failed"}, {"id": "x" * 500, "status": "failed"}, {"id": "..", "status": "x"},
     {"id": "b?x=1", "status": "x"}, {"id": "b", "status": None}],
)  # fmt: skip
def test_what_describes_no_batch(document: Any) -> None:
    assert read_state(document) is None


def test_a_batch_is_read_as_far_as_it_makes_sense() -> None:
    state = read_state(
        {
            "id": "batch_1", "status": "failed", "request_counts": {"completed": "3", "failed": -1, "total": 1},
            "output_file_id": ["x"], "error_file_id": "file-1",
            "errors": {"data": [3, {"message": "No.", "line": 2}, {"code": "bad", "line": "x"}, {"message": "more"}]},
        }
    )  # fmt: skip
    assert state is not None
    assert state.ended
    assert (state.completed, state.failed, state.output_file, state.error_file) == (0, 0, "", "file-1")
    assert [(refused.message, refused.line) for refused in state.refused] == [("No", 2), ("bad", None)]
    unknown = read_state({"id": "batch_1", "status": "thinking", "errors": 3, "request_counts": []})
    assert unknown is not None
    assert not unknown.ended
