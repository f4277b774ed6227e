"""Where the events of a stream end, and what of them an agent sees: pure."""

import pytest

from agentbatch.gateway.apis.chat import ChatApi
from agentbatch.gateway.apis.events import Parts, events_of

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
TEXT = b'data: {"choices":[{"delta":{"content":"\\"usage\\": []"}}],"usage":null}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_parts_have_whole_events(end: bytes, cut: int) -> None:
    body = end.join([b": comment", b"data: a", b"data: b", b"half"])
    parts = Parts()
    seen = [part for at in range(0, len(body), cut) if (part := parts.feed(body[at : at + cut]))]
    assert all(part.endswith(end) for part in seen)
    assert b"".join(seen) + parts.end() == body
    assert parts.end() == b""


def test_events_of_a_part() -> None:
    assert events_of(b"data: a\n\ndata: b\r\n\r\nc") == [b"data: a\n\n", b"data: b\r\n\r\n", b"c"]
    assert events_of(b"") == []


@pytest.mark.parametrize(
    ("part", "asked", "shown"),
    [
        (TEXT + USAGE + DONE, {}, TEXT + DONE),
        (TEXT + USAGE + DONE, {"stream_options": {"include_usage": True}}, TEXT + USAGE + DONE),
        (TEXT + USAGE + DONE, {"stream_options": {"include_usage": False}}, TEXT + DONE),
        (TEXT + USAGE + DONE, {"stream_options": [1]}, TEXT + DONE),
        (USAGE, {}, b""),
        (TEXT, {}, TEXT),
        # usage in a chunk that has more, or in what is no chunk at all
        (b'data: {"choices":[{}],"usage":{}}\n\n', {}, b'data: {"choices":[{}],"usage":{}}\n\n'),
        (b'data: "usage"\n\n', {}, b'data: "usage"\n\n'),
    ],
)
def test_the_usage_is_hidden_from_who_did_not_ask(
    part: bytes, asked: dict[str, object], shown: bytes
) -> None:
    assert ChatApi().shown(part, asked) == shown
