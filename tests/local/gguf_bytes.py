"""Making GGUF files, good and bad, byte by byte."""

import struct
from collections.abc import Sequence
from typing import Any

KINDS = {
    "u8": (0, "B"),
    "u32": (4, "I"),
    "i32": (5, "i"),
    "f32": (6, "f"),
    "bool": (7, "?"),
    "u64": (10, "Q"),
}

Entry = tuple[str, str, Any]
"""Key, kind, value; a kind of `[u32]` or `[text]` is an array."""

LLAMA: tuple[Entry, ...] = (
    ("general.architecture", "text", "llama"),
    ("general.name", "text", "A Model"),
    ("llama.block_count", "u32", 4),
    ("llama.context_length", "u32", 4096),
    ("llama.embedding_length", "u32", 512),
    ("llama.attention.head_count", "u32", 8),
    ("llama.attention.head_count_kv", "u32", 2),
    ("general.file_type", "u32", 15),
    ("tokenizer.ggml.tokens", "[text]", ["a", "b", "c"]),
    ("tokenizer.chat_template", "text", "{{ messages }}"),
)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(kind: str, content: Any) -> bytes:
    """The type and the value."""
    if kind == "text":
        return struct.pack("<I", 8) + text(content)
    if kind.startswith("["):
        inner = kind[1:-1]
        number, form = (8, "") if inner == "text" else KINDS[inner]
        parts = b"".join(text(c) if inner == "text" else struct.pack("<" + form, c) for c in content)
        return struct.pack("<IIQ", 9, number, len(content)) + parts
    number, form = KINDS[kind]
    return struct.pack("<I" + form, number, content)


def tensor(name: str, *dimensions: int, offset: int = 0) -> bytes:
    head = text(name) + struct.pack("<I", len(dimensions))
    return head + b"".join(struct.pack("<Q", d) for d in dimensions) + struct.pack("<IQ", 0, offset)


def gguf(
    entries: Sequence[Entry] = LLAMA,
    tensors: Sequence[bytes] = (),
    *,
    version: int = 3,
    data: bytes = b"",
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    return head + b"".join(text(k) + value(kind, v) for k, kind, v in entries) + b"".join(tensors) + data


def changed(**changes: Entry | None) -> list[Entry]:
    """LLAMA's entries with some, named by the last part of their key, put differently or left out."""
    entries: list[Entry] = []
    for entry in LLAMA:
        last = entry[0].rpartition(".")[2]
        replaced = changes.pop(last, entry)
        if replaced is not None:
            entries.append(replaced)
    assert not changes, f"no such keys: {changes}"
    return entries
