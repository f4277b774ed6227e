"""The protocol between browser, server and served app, defined by textual-serve and Textual's WebDriver.

The app writes a line `__GANGLION__` when it is ready, then packets: one byte of kind (D: terminal output, M: metadata
as JSON, P: parts of files), four bytes of length, the payload. It reads packets of the same form. The browser sends
JSON lists: `["stdin", "q"]`, `["resize", {"width": 80, "height": 24}]`, `["focus"]`, `["blur"]`,
`["ping", …]`.
"""

import asyncio
import json
from typing import NamedTuple

from agentbatch.files import json_object

READY = b"__GANGLION__\n"

MAX_COLUMNS, MAX_ROWS = 1000, 500
"""Cells. More than any screen has; of a larger one, only a part is used."""

MAX_PRELUDE = 100
"""Lines that an app may write before it is ready."""

MAX_PAYLOAD = 32 * 1024**2
"""Bytes of one packet of the app. A full screen of the largest size is a few megabytes."""


class ProtocolError(ValueError):
    """A message that is not part of the protocol."""


class Packet(NamedTuple):
    kind: bytes
    payload: bytes


class Size(NamedTuple):
    """Of a terminal, in cells."""

    columns: int
    rows: int


def encode(packet: Packet) -> bytes:
    return packet.kind + len(packet.payload).to_bytes(4, "big") + packet.payload


async def wait_until_ready(stream: asyncio.StreamReader) -> bool:
    """Read until the app is ready. False: it ended before, or it is not a Textual app."""
    for _ in range(MAX_PRELUDE):
        try:
            line = await stream.readline()
        except ValueError:  # a line without an end
            return False
        if line == READY:
            return True
        if not line:
            return False
    return False


async def read_packet(stream: asyncio.StreamReader) -> Packet | None:
    """The app's next packet; None at its end. Raises ProtocolError."""
    try:
        head = await stream.readexactly(5)
        kind, size = head[:1], int.from_bytes(head[1:], "big")
        if kind not in (b"D", b"M", b"P") or size > MAX_PAYLOAD:
            raise ProtocolError(f"invalid packet header {head!r}")
        return Packet(kind, await stream.readexactly(size))
    except asyncio.IncompleteReadError:
        return None


def is_exit(packet: Packet) -> bool:
    """Whether the app announces its end. Its other metadata is ignored: opening URLs and delivering files in the
    browser are disabled."""
    if packet.kind != b"M":
        return False
    return (json_object(packet.payload) or {}).get("type") == "exit"


def parse_size(columns: object, rows: object) -> Size:
    """The size that a browser sends, as numbers or digits. Raises ProtocolError."""
    return Size(min(_cells(columns), MAX_COLUMNS), min(_cells(rows), MAX_ROWS))


def _cells(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ProtocolError(f"a size in cells is a whole number of 1 or more, not {value!r:.40}")
    return value


def from_browser(text: str) -> Packet | None:
    """The packet to send to the app for a message of the browser; None: nothing. Raises ProtocolError."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("not JSON") from None
    match message:
        case ["stdin", str(keys)]:
            # Half a surrogate pair, which JSON can express, is not a character.
            return Packet(b"D", keys.encode("utf-8", "replace"))
        case ["resize", {"width": columns, "height": rows}]:
            size = parse_size(columns, rows)
            return _meta({"type": "resize", "width": size.columns, "height": size.rows})
        case ["focus" | "blur" as kind, *_]:
            return _meta({"type": kind})
        case ["ping", *_]:
            return None
    raise ProtocolError(f"unknown message {text:.40}")


def _meta(document: dict[str, str | int]) -> Packet:
    return Packet(b"M", json.dumps(document).encode())
