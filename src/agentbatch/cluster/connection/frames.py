"""Messages over a socket: eight bytes that say how long, and so many bytes."""

import asyncio
import struct

LENGTH = struct.Struct(">Q")
MAX_FRAME = 1024 * 1024 * 1024
"""Bytes. A snapshot of the largest directory is a tenth of it."""


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """None: the other side has closed, or is gone."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return None if length > MAX_FRAME else await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def write_frame(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Raises ConnectionError."""
    writer.write(LENGTH.pack(len(data)))
    writer.write(data)
    await writer.drain()
