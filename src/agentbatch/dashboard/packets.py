"""The words between browser, server and served app, as textual-serve and Textual's WebDriver have settled them.

The app writes a line `__GANGLION__` when it is ready, then packets: one byte of kind (D: what a terminal would get,
M: about the app, as JSON, P: parts of files), four bytes of length, the payload. It reads packets of the same form. The
browser sends JSON lists: `["stdin", "q"]`, `["resize", {"width": 80, "height": 24}]`, `["focus"]`, `["blur"]`,
`["ping", …]`.
"""

import asyncio
import json
from typing import NamedTuple

READY = b"__GANGLION__\n"

MAX_COLUMNS, MAX_ROWS = 1000, 500
"""Cells. More than any screen has; a bigger one is used in part."""

MAX_PRELUDE = 100
"""Lines that an app may say before it is ready."""

MAX_PAYLOAD = 32 * 1024**2
"""Bytes of one packet of the app. A whole screen of the largest size is a few megabytes."""


class GarbledError(ValueError):
    """Something came that is none of the words above."""


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
    """Read up to the app's word that it is ready. False: it ended without, or it is no Textual app."""
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
    """The app's next packet; None at its end. Raises GarbledError."""
    try:
        head = await stream.readexactly(5)
        kind, size = head[:1], int.from_bytes(head[1:], "big")
        if kind not in (b"D", b"M", b"P") or size > MAX_PAYLOAD:
            raise GarbledError(f"no packet begins with {head!r}")
        return Packet(kind, await stream.readexactly(size))
    except asyncio.IncompleteReadError:
        return None


def says_exit(packet: Packet) -> bool:
    """Whether the app says that it is about to end. All else that it says of itself is not for us: opening addresses
    and handing over files in the browser are off."""
    if packet.kind != b"M":
        return False
    try:
        word = json.loads(packet.payload)
    except ValueError:
        return False
    return isinstance(word, dict) and word.get("type") == "exit"


def size_of(columns: object, rows: object) -> Size:
    """The size that a browser names, as numbers or in digits. Raises GarbledError."""
    return Size(min(_cells(columns), MAX_COLUMNS), min(_cells(rows), MAX_ROWS))


def _cells(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise GarbledError(f"a size in cells is a whole number of 1 or more, not {value!r:.40}")
    return value


def from_browser(text: str) -> Packet | None:
    """What the app is to hear of a message of the browser; None: nothing. Raises GarbledError."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise GarbledError("not JSON") from None
    match message:
        case ["stdin", str(keys)]:
            # Half a pair of surrogates, which JSON can spell, is no character.
            return Packet(b"D", keys.encode("utf-8", "replace"))
        case ["resize", {"width": columns, "height": rows}]:
            size = size_of(columns, rows)
            return _about({"type": "resize", "width": size.columns, "height": size.rows})
        case ["focus" | "blur" as word, *_]:
            return _about({"type": word})
        case ["ping", *_]:
            return None
    raise GarbledError(f"unknown message {text:.40}")


def _about(word: dict[str, str | int]) -> Packet:
    return Packet(b"M", json.dumps(word).encode())
