import json

import pytest

from agentbatch.model.failures.failure import http_failure, sentence, unanswered
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.refusals.server_error import MAX_WORDS, ServerError, error_in, read_error, tidy
from agentbatch.redaction import Redactor


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"error": {"message": "no", "type": "t", "param": "p", "code": "c"}},
            ServerError(400, "no", "c", "t", "p"),
        ),
        ({"error": "llama does not support tools"}, ServerError(400, "llama does not support tools")),
        (
            {"object": "error", "message": "no", "type": "BadRequestError", "param": None, "code": 400},
            ServerError(400, "no", "400", "BadRequestError"),
        ),
        (
            [{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}],
            ServerError(400, "API key not valid", "400", "INVALID_ARGUMENT"),
        ),
        ({"detail": "Not Found"}, ServerError(400, "Not Found")),
        ({"detail": [{"msg": "extra"}]}, ServerError(400, '[{"msg": "extra"}]')),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "prompt is too long"}}},
            ServerError(400, "Provider returned error: prompt is too long"),
        ),
        (
            {"success": False, "errors": [{"code": 5006, "message": "AiError: Bad input"}], "result": {}},
            ServerError(400, "AiError: Bad input", "5006"),
        ),
        ({"error": {"message": None, "code": True, "param": 3}}, ServerError(400, "", "", "", "3")),
    ],
)
def test_every_shape_of_error_is_read(document: object, expected: ServerError) -> None:
    assert read_error(400, json.dumps(document).encode()) == expected


@pytest.mark.parametrize(
    "document", [None, [], "x", 3, {}, {"choices": [], "message": "fine"}, {"error": None}]
)
def test_a_document_without_an_error_has_none(document: object) -> None:
    assert error_in(200, document) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"upstream connect error", "upstream connect error"),
        (b"<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>", "502 Bad Gateway"),
        (b"\xff\xfe{", "\ufffd\ufffd{"),
        (b"[" * 200_000, "[" * 16_000),
    ],
)
def test_what_is_not_json_is_kept_as_text(body: bytes, words: str) -> None:
    assert read_error(502, body).message == words


def test_tidy_keeps_one_clean_line() -> None:
    assert tidy("a\n\tb\x1b[31mc\u202e\x00d") == "a b [31mc d"
    assert len(tidy("x" * 5000)) == MAX_WORDS
    assert tidy("x" * 5000).endswith("…")


def test_the_sentence_names_host_model_status_and_words_without_the_key() -> None:
    answer = HttpAnswer(401, {}, b'{"error": {"message": "Bad key sk-secret-\\u0000key given.\\nGo away."}}')
    text = sentence(http_failure(answer, 0.0), "host:1", "m", Redactor(["sk-secret-key"]))
    assert text == "host:1 answered 401 for model m: Bad key [redacted] given. Go away."


def test_a_key_at_the_place_where_words_are_shortened_is_still_redacted() -> None:
    key = "sk-0123456789abcdef"
    words = "x" * (MAX_WORDS - 10) + key
    text = sentence(unanswered(words), "host", "m", lambda t: t.replace(key, "***"))
    assert "sk-0" not in text


def test_the_sentence_counts_several_attempts() -> None:
    text = sentence(unanswered("no answer within 3 s"), "host", "m", str, attempts=4)
    assert text == "host gave no usable answer for model m (after 4 attempts): no answer within 3 s."


def test_a_redirect_names_its_target() -> None:
    failure = http_failure(HttpAnswer(301, {"location": "https://other/v1"}, b""), 0.0)
    assert failure.kind == "request"
    assert "https://other/v1" in failure.words


@pytest.mark.parametrize(
    ("document", "written"),
    [
        ({"error": {"code": "tool_use_failed", "failed_generation": "ls -a"}}, "ls -a"),
        ([{"error": {"metadata": [{"failedGeneration": "ls"}]}}], "ls"),
        ({"error": {"message": "no"}, "failed_generation": " "}, ""),
        # What repeats the request is no answer of the model's: a coder may have written it.
        ({"error": {"message": "no", "input": {"failed_generation": "rm -rf ~"}}}, ""),
        ({"detail": [{"msg": "no", "input": [{"failed_generation": "rm"}]}]}, ""),
        ("text", ""),
    ],
)
def test_what_the_model_wrote_that_its_endpoint_could_not_read(document: object, written: str) -> None:
    error = read_error(400, json.dumps(document).encode())
    assert error.written == written
    assert all("ls" not in one.value for one in error.fields)
