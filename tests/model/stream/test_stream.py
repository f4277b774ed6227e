"""Chunks of a stream put together: the same answer as in one piece, or none at all."""

import json
import time
from typing import Any

import pytest

from agentbatch.model.answer.answer import Answer, CutError, GarbageError, RefusedError
from agentbatch.model.failures.failure import refused
from agentbatch.model.reply import ErrorKind
from agentbatch.model.stream.stream import StreamedAnswer
from agentbatch.usage import Usage

DONE = b"data: [DONE]\n\n"
STOP: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"prompt_tokens": 30, "completion_tokens": 8, "total_tokens": 38}
LAST: dict[str, Any] = {"choices": [], "usage": USAGE}


def sse(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


def delta(finish_reason: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish_reason}]}


def call(index: int = 0, call_id: str | None = None, name: str | None = None, arguments: str = "") -> Any:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def read(*pieces: bytes) -> Answer:
    answer = StreamedAnswer()
    for piece in pieces:
        answer.feed(piece)
    return answer.answer()


FULL = (
    sse(
        delta(role="assistant", content=""),
        delta(reasoning_content="Where "),
        delta(reasoning_content="am I? 世"),
        delta(content="I "),
        delta(content="look 🙂."),
        delta(tool_calls=[call(0, "a", "bash", "")]),
        delta(tool_calls=[call(0, arguments='{"command": '), call(1, "b", "read_file", "{")]),
        delta(tool_calls=[call(0, arguments='"ls"}')]),
    )
    + b": keep-alive\n\n"
    + sse(delta(tool_calls=[call(1, arguments='"path": "x"}')]), delta("tool_calls"), LAST)
    + DONE
)


def test_a_reply_with_everything() -> None:
    answer = read(FULL)
    assert (answer.content, answer.reasoning) == ("I look 🙂.", "Where am I? 世")
    assert [(c.id, c.name, json.loads(c.arguments)) for c in answer.tool_calls] == [
        ("a", "bash", {"command": "ls"}),
        ("b", "read_file", {"path": "x"}),
    ]
    assert answer.finish_reason == "tool_calls"
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output) == (30, 8)


def test_the_same_wherever_the_bytes_are_cut() -> None:
    whole = read(FULL)
    assert read(*(FULL[n : n + 1] for n in range(len(FULL)))) == whole
    assert read(*(FULL[n : n + 7] for n in range(0, len(FULL), 7))) == whole


def test_cut_anywhere_it_is_whole_or_no_answer() -> None:
    """Never a short answer taken as whole: of all beginnings only those with the finish reason are answers."""
    end = FULL.index(b'"finish_reason": "tool_calls"}]}') + len(b'"finish_reason": "tool_calls"}]}')
    for place in range(len(FULL)):
        try:
            answer = read(FULL[:place])
        except (CutError, GarbageError):
            assert place < end, place
        else:
            assert place >= end, place
            assert [json.loads(c.arguments) for c in answer.tool_calls] == [{"command": "ls"}, {"path": "x"}]


@pytest.mark.parametrize(
    ("body", "content", "finish_reason"),
    [
        (sse(delta(content="Hi"), STOP), "Hi", "stop"),
        (sse(delta("stop", content="Hi")), "Hi", "stop"),
        (sse(delta(content="Hi")) + DONE, "Hi", "stop"),
        (sse(delta(content="Hi"), STOP)[:-2], "Hi", "stop"),
        (sse(delta(content="Hi")) + DONE[:-1], "Hi", "stop"),
        (sse(delta(content="Hi")) + b"data: [DONE] ", "Hi", "stop"),
        (sse(delta(content="Hi"), STOP) + b'data: {"choices": [{"del', "Hi", "stop"),
        (sse(delta("length", content="Hi")), "Hi", "length"),
        (sse(delta("", content="Hi"), delta("length")), "Hi", "length"),
        (sse(STOP), "", "stop"),
        (sse(delta("content_filter")), "", "content_filter"),
        # A second answer that nobody asked for.
        (sse(delta(index=1, content="No"), delta(content="Hi"), delta("stop", index=1), STOP), "Hi", "stop"),
        # Numbers that are missing, lists of parts, whole messages.
        (sse({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}), "Hi", "stop"),
        (sse(delta("stop", content=[{"type": "text", "text": "Hi"}])), "Hi", "stop"),
        (sse({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}), "Hi", "stop"),
        (sse({"choices": [{"message": {"content": "No"}, "delta": {"content": "Hi"}}]}, STOP), "Hi", "stop"),
        (sse(delta("stop", refusal="I will not.")), "I will not.", "stop"),
        # What is not for us: pings, empty events, a filter's results.
        (b"event: ping\ndata: ping\n\n" + sse({"type": "ping"}, delta("stop", content="Hi")), "Hi", "stop"),
        (b"data:\n\ndata: null\n\n" + sse(7, [], {}, delta("stop", content="Hi")), "Hi", "stop"),
        (sse({"choices": [], "prompt_filter_results": []}, delta("stop", content="Hi")), "Hi", "stop"),
        (sse({"choices": ["x", None]}, delta("stop", content="Hi"), {"choices": 7}), "Hi", "stop"),
        (sse({"error": None, **delta("stop", content="Hi")}), "Hi", "stop"),
        # After the end.
        (sse(delta("stop", content="Hi")) + DONE + sse(delta(content="No")), "Hi", "stop"),
        (b"\xef\xbb\xbf\r\n" + sse(delta("stop", content="Hi")), "Hi", "stop"),
    ],
)
def test_whole_answers(body: bytes, content: str, finish_reason: str) -> None:
    answer = read(body)
    assert (answer.content, answer.finish_reason, answer.tool_calls) == (content, finish_reason, ())
    assert read(*(body[n : n + 1] for n in range(len(body)))) == answer


@pytest.mark.parametrize(
    "body",
    [
        sse(delta(content="Hi")),
        sse(delta(content="Hi"), LAST),
        sse(delta(role="assistant", content="")),
        sse(delta(role="assistant", content="")) + DONE,
        sse(delta(content="Hi")) + b"data: [DON",
        sse(delta(content="Hi")) + sse(STOP)[:-10],
        sse(delta(tool_calls=[call(0, "a", "bash", "{}")])),
        sse(delta("stop", index=1, content="Hi"), delta(content="Ha")),
        sse(delta(content="Hi"), delta("error")),
        sse(delta("abort", content="Hi")),
        sse(delta("insufficient_system_resource", content="Hi")) + DONE,
    ],
)
def test_a_cut_stream_is_no_answer(body: bytes) -> None:
    with pytest.raises(CutError):
        read(body)


@pytest.mark.parametrize(
    ("body", "used"),
    [
        (b"", None),
        (b'{"choices": [{"mess', None),
        (sse(delta(role="assistant", content="")), None),
        (sse(delta(content="Hi")), Usage(output=1, estimated=True)),
        (sse(delta(content="a word " * 40)), Usage(output=70, estimated=True)),
        (
            sse(delta(tool_calls=[call(0, "a", "bash", "{")]), delta(reasoning="so")),
            Usage(output=2, estimated=True),
        ),
        (
            sse({**delta("error", content="Hi"), "usage": {"prompt_tokens": 7, "completion_tokens": 3}}),
            Usage(input=7, output=3),
        ),
    ],
)
def test_what_a_cut_stream_has_used(body: bytes, used: Usage | None) -> None:
    stream = StreamedAnswer()
    stream.feed(body)
    assert stream.used() == used


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty body"),
        (b" \n ", "an empty body"),
        (DONE, "a stream without choices"),
        (b": keep-alive\n\n", "a stream without choices"),
        (sse(LAST) + DONE, "a stream without choices"),
        (b"data: <html>\n\n", "not JSON"),
        (sse(delta(content="Hi")) + b"data: Hi\n\n", "not JSON"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "not JSON"),
        (b"data: \xff\n\n", "not JSON"),
        (b"<html>502</html>", "not JSON but '<html>502</html>'"),
        (b"Bad gateway", "not JSON but 'Bad gateway'"),
    ],
)
def test_garbage_is_no_answer(body: bytes, words: str) -> None:
    with pytest.raises(GarbageError, match=words):
        read(body)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (sse({"error": {"message": "Rate limit", "code": 429}}), "rate", "Rate limit"),
        (sse({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}), "rate", "Slow down"),
        (sse({"error": {"message": "Pay", "type": "insufficient_quota"}}), "endpoint", "Pay"),
        (sse({"error": {"message": "No", "code": 401}}), "endpoint", "No"),
        (sse({"error": {"message": "No", "code": "invalid_api_key"}}), "endpoint", "No"),
        (sse({"error": {"message": "Oh", "code": "server_error"}}), "transient", "Oh"),
        (sse({"error": {"message": "Full", "type": "overloaded_error"}}), "transient", "Full"),
        (sse({"error": {"message": "Bad", "type": "invalid_request_error"}}), "request", "Bad"),
        (
            sse({"error": {"message": "Too much", "code": "context_length_exceeded"}}),
            "overflow",
            "Too much",
        ),
        # Flat (vLLM), a string (TGI), a list (Google), an event's name, a field's name (llama.cpp), a choice's.
        (
            sse({"object": "error", "message": "Bad", "type": "BadRequestError", "code": 400}),
            "request",
            "Bad",
        ),
        (sse({"error": "Request failed", "error_type": "generation"}), "transient", "Request failed"),
        (sse([{"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}}]), "transient", "Busy"),
        (b'event: error\ndata: {"message": "Bad", "code": 400}\n\n', "request", "Bad"),
        (b"event: error\ndata: it broke\n\n", "transient", "it broke"),
        (b'error: {"code":500,"message":"slot","type":"server_error"}\n\n', "transient", "slot"),
        (
            sse({"choices": [{"index": 0, "delta": {}, "error": {"message": "Up", "code": 502}}]}),
            "transient",
            "Up",
        ),
        # OpenRouter: beside a choice that ends.
        (
            sse(
                {
                    "error": {"message": "Provider disconnected", "code": 502},
                    **delta("error", content=""),
                }
            ),
            "transient",
            "Provider disconnected",
        ),
    ],
)
@pytest.mark.parametrize("before", [b"", sse(delta(content="Hi"))])
def test_an_error_inside_the_stream_keeps_its_class(
    before: bytes, body: bytes, kind: ErrorKind, words: str
) -> None:
    answer = StreamedAnswer()
    answer.feed(b": PROCESSING\n\n" + before)
    with pytest.raises(RefusedError) as raised:
        answer.feed(body)
    failure = refused(raised.value.error, 0.0)
    assert (failure.kind, failure.words) == (kind, words)


def test_an_error_in_the_last_unfinished_event_is_seen() -> None:
    with pytest.raises(RefusedError):
        read(sse(delta(content="Hi")) + b'data: {"error": {"message": "Oh"}}')


@pytest.mark.parametrize(
    "documents",
    [
        [STOP, LAST],
        [{**STOP, "usage": USAGE}],
        [{**STOP, "x_groq": {"id": "r", "usage": USAGE}}],
        [{"choices": [{**STOP["choices"][0], "usage": USAGE}]}],
        [{**delta(content="a"), "usage": {**USAGE, "completion_tokens": 1}}, STOP, LAST],
        [STOP, LAST, {"choices": [], "usage": {}}, {"choices": [], "usage": None}],
        [STOP, {"usage": USAGE}],
        [STOP, LAST, {"choices": [], "usage": dict.fromkeys(USAGE, 0)}],
        [
            {**delta(content="a"), "usage": {**USAGE, "completion_tokens": 1}},
            {**STOP, "usage": {**USAGE, "prompt_tokens": 0}},
        ],
        [
            {**delta(content="a"), "usage": {"prompt_tokens": USAGE["prompt_tokens"]}},
            {**STOP, "usage": {"completion_tokens": USAGE["completion_tokens"]}},
        ],
    ],
)
def test_usage_wherever_it_stands(documents: list[dict[str, Any]]) -> None:
    usage = read(sse(*documents) + DONE).usage
    assert usage is not None
    assert (usage.input, usage.output) == (30, 8)


@pytest.mark.parametrize("usage", [None, {}, 7, {"prompt_tokens": "30"}, {"prompt_tokens": -1}])
def test_usage_that_makes_no_sense_is_none(usage: Any) -> None:
    assert read(sse(STOP, {"choices": [], "usage": usage}) + DONE).usage is None


@pytest.mark.parametrize(
    ("deltas", "reasoning"),
    [
        ([{"reasoning": "Hm"}, {"reasoning": "."}], "Hm."),
        ([{"reasoning_content": "Hm", "reasoning": "Hm"}], "Hm"),
        ([{"reasoning_content": None, "reasoning": "Hm"}], "Hm"),
        ([{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}], "Hm"),
        ([{"reasoning_content": 7}], ""),
    ],
)
def test_reasoning_by_any_name(deltas: list[dict[str, Any]], reasoning: str) -> None:
    assert read(sse(*(delta(**fields) for fields in deltas), STOP)).reasoning == reasoning


def test_calls_without_a_name_and_doubled_ids_are_defended_against() -> None:
    calls = [call(0, "a", "bash", "{}"), call(1, "a", "bash", ""), call(2, "c", None, "{}"), 7]
    answer = read(sse(delta("stop", tool_calls=calls)))
    assert [(c.name, c.arguments) for c in answer.tool_calls] == [("bash", "{}"), ("bash", "{}")]
    assert len({c.id for c in answer.tool_calls}) == 2


def test_a_character_cut_in_two_is_one_again() -> None:
    answer = read(sse(delta(content="a\ud83d"), delta(content="\ude42b"), delta(content="\ud800"), STOP))
    assert answer.content == "a🙂b\ud800"


def test_blanks_before_the_answer_cost_nothing() -> None:
    """Some gateways send them as signs of life. Kept and copied at every piece these would be 128 GB."""
    answer = StreamedAnswer()
    before = time.process_time()
    for _ in range(16 * 1024):
        assert answer.feed(b"\n" * 1024) == "nothing"
    assert time.process_time() - before < 5
    answer.feed(sse(delta("stop", content="Hi")))
    assert answer.answer().content == "Hi"


def test_a_legacy_function_call() -> None:
    chunks = [{"name": "bash", "arguments": ""}, {"arguments": '{"command"'}, {"arguments": ': "ls"}'}]
    answer = read(sse(*(delta(function_call=chunk) for chunk in chunks), STOP))
    assert [(c.name, c.arguments) for c in answer.tool_calls] == [("bash", '{"command": "ls"}')]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", [b"", b"\n\n ", b"\xef\xbb\xbf"])
def test_a_whole_completion_is_read_as_such(indent: int | None, before: bytes) -> None:
    document = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}], "usage": USAGE}
    body = before + json.dumps(document, indent=indent).encode()
    answer = read(*(body[n : n + 1] for n in range(len(body))))
    assert (answer.content, answer.finish_reason) == ("Hi", "length")
    assert answer.usage is not None
    with pytest.raises(GarbageError):
        read(body[:-1])


def test_what_was_heard_in_a_piece() -> None:
    answer = StreamedAnswer()
    received = [
        answer.feed(piece)
        for piece in (
            b": keep-alive\n\n",
            sse(delta(role="assistant", content="")),
            b"data: ",
            b"\n\n: keep-alive\n\n",
        )
    ]
    assert received == ["nothing", "data", "nothing", "nothing"]
    answer = StreamedAnswer()
    received = [
        answer.feed(piece)
        for piece in (sse({"type": "ping"}), sse(delta(content="Hi"), STOP), sse(LAST), DONE, sse(STOP))
    ]
    assert received == ["nothing", "trailer", "nothing", "end", "nothing"]
    assert answer.whole


def test_tokens_are_told_as_they_come() -> None:
    told: list[int] = []
    answer = StreamedAnswer(told.append)
    answer.feed(sse(delta(role="assistant", content="")))
    answer.feed(sse(delta(content="a"), delta(content="b")))
    answer.feed(b": keep-alive\n\n")
    answer.feed(sse(delta(reasoning="x" * 400)))
    answer.feed(sse(delta(tool_calls=[call(0, "a", "bash", "x" * 400)])))
    assert told == [0, 2, 100, 201]


def test_the_text_has_a_longest_length() -> None:
    answer = StreamedAnswer()
    chunk = sse(delta(content="x" * 1_000_000))
    for _ in range(33):
        answer.feed(chunk)
    with pytest.raises(GarbageError, match="longer than 32 MB"):
        answer.feed(chunk)


def test_chunks_that_bring_nothing_are_silence() -> None:
    answer = StreamedAnswer()
    assert answer.feed(sse(delta(role="assistant", content=""))) == "data"
    assert answer.feed(sse(delta(content="Hi"))) == "data"
    for _ in range(3):
        assert answer.feed(sse(delta(content=""))) == "nothing"
    assert answer.feed(sse(delta("stop"))) == "trailer"
    assert answer.feed(sse(delta("stop", content=""))) == "nothing"
