"""Server-sent events out of bytes, wherever they are cut."""

import time

import pytest

from agentbatch.model.answer.answer import GarbageError
from agentbatch.model.stream.sse import Event, EventReader

MB = 1024 * 1024


def read(*pieces: bytes, longest: int = MB) -> list[Event]:
    reader = EventReader(longest)
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a \n\n", [b" a "]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
        (b"data: a\rdata: b\n\n", [b"a\nb"]),
        (b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n\n', [b'{"a": 1}', b'{"b": 2}', b"[DONE]"]),
        (b'data: {"a":\ndata: {"b": 2}}\n\n', [b'{"a":\n{"b": 2}}']),
        (b"data: {\ndata: }\n\n", [b"{\n}"]),
        (b'data:\n {"a": 1}\n\n', [b'\n{"a": 1}']),
        (b"data: : OPENROUTER PROCESSING\n\ndata: a\n\n", [b"a"]),
        (b"data\n\n", [b""]),
        (b": keep-alive\n\ndata: a\n\n: OPENROUTER PROCESSING\n\n", [b"a"]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"\n\n\r\ndata: a\n\n\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: \xef\xbb\xbfa\n\n", [b"\xef\xbb\xbfa"]),
        (b"datas: a\n\n Data: b\n\n", []),
        ("data: 世界\u2028🙂\n\n".encode(), ["世界\u2028🙂".encode()]),
        (b"data: a\x0b\x0c\x1c\xc2\x85b\n\n", [b"a\x0b\x0c\x1c\xc2\x85b"]),
        (b"data: a\n", []),
        (b"data: a", []),
    ],
)
def test_the_same_events_however_the_bytes_are_cut(body: bytes, data: list[bytes]) -> None:
    assert [event.data for event in read(body)] == data
    assert [event.data for event in read(*(body[n : n + 1] for n in range(len(body))))] == data
    for place in range(1, len(body)):
        assert [event.data for event in read(body[:place], b"", body[place:])] == data, place


def test_a_name_belongs_to_its_event_only() -> None:
    assert read(b"event: Error\ndata: a\n\ndata: b\n\nevent: ping\n\ndata: c\n\n") == [
        Event(b"a", "error"),
        Event(b"b"),
        Event(b"c"),
    ]


def test_an_event_is_given_as_soon_as_its_empty_line_is_there() -> None:
    reader = EventReader(MB)
    assert reader.feed(b"data: a\r\n\r") == [Event(b"a")]
    assert reader.feed(b"\ndata: b\n") == []
    assert reader.feed(b"\n") == [Event(b"b")]


def test_the_end_completes_the_last_event() -> None:
    reader = EventReader(MB)
    assert reader.feed(b"data: a\n\ndata: [DO") == [Event(b"a")]
    assert reader.feed(b"NE]") == []
    assert reader.end() == [Event(b"[DONE]")]
    assert reader.end() == []


def test_an_error_field_is_an_error_event() -> None:
    assert read(b'error: {"code":500}\n\n') == [Event(b'{"code":500}', "error")]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: ", *[b"x" * 1000] * 30],
        [b"data: " + b"x" * 30_000 + b"\n"],
        [b"data: xxxxxxxxxxxx\n"] * 3000,
        [b"data:\n"] * 30_000,
        [b"x" * 30_000],
    ],
)
def test_an_event_has_a_longest_length(pieces: list[bytes]) -> None:
    with pytest.raises(GarbageError, match="an event of over 0 MB"):
        read(*pieces, longest=20_000)


def test_comments_and_fields_that_nobody_reads_are_no_event() -> None:
    assert read(*[b": keep-alive\n\nid: 1\n"] * 10_000, longest=100) == []


def test_time_grows_with_the_bytes() -> None:
    """A line of 16 MB in pieces of 1 kB: copied at every piece it would be 128 GB."""
    reader = EventReader(64 * MB)
    before = time.process_time()
    for _ in range(16 * 1024):
        assert reader.feed(b"data: " + b"x" * 1018) == []
    (event,) = reader.feed(b"\n\n")
    assert len(event.data) > 16 * MB - 10_000
    assert time.process_time() - before < 5
