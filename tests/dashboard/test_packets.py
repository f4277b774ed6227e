import asyncio
import json
from typing import Any

import pytest

from agentbatch.dashboard.packets import (
    MAX_PAYLOAD,
    Packet,
    ProtocolError,
    Size,
    encode,
    from_browser,
    is_exit,
    parse_size,
    read_packet,
    wait_until_ready,
)


def stream(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (["stdin", "q"], Packet(b"D", b"q")),
        (["stdin", "é\x1b[A"], Packet(b"D", b"\xc3\xa9\x1b[A")),
        (["stdin", "\ud800"], Packet(b"D", b"?")),
        (
            ["resize", {"width": 80, "height": 24}],
            Packet(b"M", b'{"type": "resize", "width": 80, "height": 24}'),
        ),
        (["focus"], Packet(b"M", b'{"type": "focus"}')),
        (["blur"], Packet(b"M", b'{"type": "blur"}')),
        (["ping", "1"], None),
    ],
)
def test_what_the_browser_says(said: list[Any], heard: Packet | None) -> None:
    assert from_browser(json.dumps(said)) == heard


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "null",
        "[]",
        '"stdin"',
        '["stdin"]',
        '["stdin", 5]',
        '["stdin", "a", "b"]',
        '["quit"]',
        '["deliver_chunk_request", {"key": "a", "size": 5}]',
        '["resize", {"width": 80}]',
        '["resize", {"width": 0, "height": 24}]',
        '["resize", {"width": 80.5, "height": 24}]',
        '["resize", {"width": true, "height": 24}]',
        '["resize", {"width": NaN, "height": 24}]',
    ],
)
def test_what_the_browser_must_not_say(text: str) -> None:
    with pytest.raises(ProtocolError):
        from_browser(text)


def test_sizes() -> None:
    assert parse_size("80", "24") == Size(80, 24)
    assert parse_size(100_000, "999999999") == Size(1000, 500)
    for wrong in (None, "", "0", "-1", "+5", "1e3", " 5", "٥", "9" * 10, "9" * 5000, 0, -3, 1.5, True):
        with pytest.raises(ProtocolError):
            parse_size(wrong, 24)
        with pytest.raises(ProtocolError):
            parse_size(80, wrong)


async def test_packets_there_and_back() -> None:
    packets = [Packet(b"D", b"x" * 70_000), Packet(b"M", b""), Packet(b"P", b"abc")]
    reader = stream(b"".join(encode(packet) for packet in packets) + b"D\x00\x00\x00\x09cut")
    assert [await read_packet(reader) for _ in range(4)] == [*packets, None]


@pytest.mark.parametrize("data", [b"Traceback", b"D" + (MAX_PAYLOAD + 1).to_bytes(4, "big")])
async def test_what_is_no_packet(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        await read_packet(stream(data))


@pytest.mark.parametrize(
    ("data", "ready"),
    [
        (b"__GANGLION__\n", True),
        (b"a warning\n__GANGLION__\n", True),
        (b"", False),
        (b"bye\n", False),
        (b"x" * 200_000 + b"\n__GANGLION__\n", False),
        (b"\n" * 1000 + b"__GANGLION__\n", False),
    ],
)
async def test_the_word_that_an_app_is_ready(data: bytes, ready: bool) -> None:
    assert await wait_until_ready(stream(data)) is ready


@pytest.mark.parametrize(
    ("packet", "exits"),
    [
        (Packet(b"M", b'{"type": "exit"}'), True),
        (Packet(b"D", b'{"type": "exit"}'), False),
        (Packet(b"M", b'{"type": "open_url", "url": "http://evil.example"}'), False),
        (Packet(b"M", b"[]"), False),
        (Packet(b"M", b"\xff{"), False),
    ],
)
def test_the_word_that_an_app_ends(packet: Packet, exits: bool) -> None:
    assert is_exit(packet) is exits
