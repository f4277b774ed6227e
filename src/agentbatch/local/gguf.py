"""Reads the header of a GGUF model file, as far as it is needed to size a server. The file is untrusted input.

The format is described in ggml's docs/gguf.md. Reads are bounded: nothing is allocated by a length in the file, and
what is not needed is skipped.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agentbatch.errors import UserError, cannot_be

MAGIC = b"GGUF"
VERSIONS = (2, 3)

MAX_HEADER = 256 * 1024**2
"""Bytes. Most of a header is the vocabulary: about 10 MB for 250,000 tokens with their merges."""

MAX_ENTRIES = 65_536
"""Metadata entries, and tensors. Real files have dozens, at most thousands."""

MAX_KEY = 1024
MAX_TEXT_LENGTH = 256
"""Bytes that are kept of a text value."""

MAX_LAYERS = 1024
"""Entries that are kept of an array with one number per layer."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

Value = int | float | bool | str | list[int | float | bool] | None


@dataclass(frozen=True)
class ModelHeader:
    """The metadata of a model file."""

    file_bytes: int
    parameters: int
    """Weights in the file, counted from its tensors."""
    kv_heads: tuple[int, ...]
    """Heads with a key and a value, per layer."""
    key_length: int
    value_length: int
    context_length: int
    """Tokens it was trained on; 0 if unknown."""
    vocabulary: int
    """Tokens."""
    chat_template: bool

    @property
    def cache_bytes(self) -> int:
        """Bytes of key-value cache per token of context, at 16 bits per number. An upper bound for models that keep
        less (sliding windows, recurrent layers)."""
        return 2 * sum(self.kv_heads) * (self.key_length + self.value_length)


def read_header(path: Path) -> ModelHeader:
    """Raises UserError when the file is unreadable, not a GGUF file, truncated, or one part of a split model."""
    try:
        with open(path, "rb") as file:
            return _Reader(file, path).header()
    except OSError as error:
        raise cannot_be("read", f"The model file {path}", error) from None


class _Reader:
    """Walks through the header once, front to back."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._size = file.seek(0, 2)
        file.seek(0)
        self._read = 0

    def header(self) -> ModelHeader:
        magic = self._file.read(4)
        if magic != MAGIC:
            raise self._error("is not a GGUF model file: it does not begin with GGUF")
        version = self._number("I")
        if version not in VERSIONS:
            raise self._error(f"has GGUF version {version}; only versions 2 and 3 are supported")
        tensors, entries = self._count("Q"), self._count("Q")
        values: dict[str, Value] = {}
        lengths: dict[str, int] = {}
        for _ in range(entries):
            key = self._text(MAX_KEY)
            values[key], lengths[key] = self._value(self._number("I"))
        if _int(values.get("split.count")) > 1:
            raise self._error(
                f"is one part of a model in {_int(values.get('split.count'))} files; join them first with "
                "`llama-gguf-split --merge`, or use a file with the whole model"
            )
        return self._assemble(values, lengths, self._parameters(tensors))

    def _assemble(self, values: dict[str, Value], lengths: dict[str, int], parameters: int) -> ModelHeader:
        architecture = _text(values.get("general.architecture"))
        layers = _int(values.get(f"{architecture}.block_count"))
        heads = _per_layer(values.get(f"{architecture}.attention.head_count"), layers)
        if not 0 < layers <= MAX_LAYERS or len(heads) != layers or max(heads) < 1:
            raise self._error(
                f"is not a language model (architecture {architecture or 'unknown'}): it has no attention layers"
            )
        kv_heads = _per_layer(values.get(f"{architecture}.attention.head_count_kv"), layers) or heads
        embedding = _int(values.get(f"{architecture}.embedding_length"))
        key_length = _int(values.get(f"{architecture}.attention.key_length")) or embedding // max(heads)
        return ModelHeader(
            file_bytes=self._size,
            parameters=parameters,
            kv_heads=kv_heads,
            key_length=key_length,
            value_length=_int(values.get(f"{architecture}.attention.value_length")) or key_length,
            context_length=_int(values.get(f"{architecture}.context_length")),
            vocabulary=lengths.get("tokenizer.ggml.tokens", 0)
            or _int(values.get(f"{architecture}.vocab_size")),
            chat_template=bool(_text(values.get("tokenizer.chat_template"))),
        )

    def _parameters(self, tensors: int) -> int:
        total, last = 0, 0
        for _ in range(tensors):
            self._text(MAX_KEY)
            dimensions = self._number("I")
            if dimensions > 8:
                raise self._error(f"is damaged: a tensor has {dimensions} dimensions")
            total += math.prod(self._number("Q") for _ in range(dimensions))
            self._number("I")
            last = max(last, self._number("Q"))
        if tensors and self._file.tell() + last >= self._size:
            raise self._error("is truncated: its tensors lie beyond its end. Download it again")
        return total

    def _value(self, kind: int) -> tuple[Value, int]:
        """A value and, for an array, its length. Texts are shortened; only arrays that can be one number per layer
        are kept."""
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind]), 0
        if kind == _STRING:
            return self._text(None), 0
        if kind != _ARRAY:
            raise self._error(f"is damaged: there is no value type {kind}")
        inner, length = self._number("I"), self._number("Q")
        if inner == _STRING:
            self._skip_texts(length)
            return None, length
        if inner not in _SCALARS:
            raise self._error(f"is damaged: an array has values of type {inner}")
        if length > MAX_LAYERS:
            self._skip(length * struct.calcsize(_SCALARS[inner]))
            return None, length
        return [self._scalar(_SCALARS[inner]) for _ in range(length)], length

    def _scalar(self, form: str) -> int | float | bool:
        value: int | float | bool = struct.unpack("<" + form, self._take(struct.calcsize("<" + form)))[0]
        return value

    def _number(self, form: str) -> int:
        return int(self._scalar(form))

    def _count(self, form: str) -> int:
        count = self._number(form)
        if count > MAX_ENTRIES:
            raise self._error(f"is damaged: it claims to have {count:,} entries")
        return count

    def _text(self, max_length: int | None) -> str:
        """A text; above `max_length` bytes it is an error, without it the text is shortened to MAX_TEXT_LENGTH."""
        length = self._number("Q")
        if max_length is not None and length > max_length:
            raise self._error(f"is damaged: a name in it is {length:,} bytes long")
        kept = min(length, max_length or MAX_TEXT_LENGTH)
        text = self._take(kept).decode("utf-8", "replace")
        self._skip(length - kept)
        return text

    def _skip_texts(self, count: int) -> None:
        """Skip `count` texts. A vocabulary has about 100,000, so this loop is tight."""
        if count * 8 > self._size:
            raise self._error("is truncated or damaged: a list in it is longer than the file")
        read, seek, unpack = self._file.read, self._file.seek, struct.Struct("<Q").unpack
        start = self._file.tell()
        for _ in range(count):
            head = read(8)
            if len(head) < 8:
                raise self._error("is truncated")
            length = unpack(head)[0]
            if length > MAX_HEADER:
                raise self._error(f"is damaged: a text in it is {length:,} bytes long")
            if length < 4096:
                read(length)
            else:
                seek(length, 1)
        self._count_read(self._file.tell() - start)

    def _take(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise self._error("is truncated")
        self._count_read(length)
        return data

    def _skip(self, length: int) -> None:
        if self._file.tell() + length > self._size:
            raise self._error("is truncated or damaged")
        self._file.seek(length, 1)
        self._count_read(length)

    def _count_read(self, length: int) -> None:
        self._read += length
        if self._read > MAX_HEADER:
            raise self._error(f"is damaged: its header is over {MAX_HEADER // 1024**2} MB")

    def _error(self, what: str) -> UserError:
        return UserError(f"The file {self._path} {what}.")


def _text(value: Value) -> str:
    """A text of the file on one printable line."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def _int(value: Value) -> int:
    """A plausible count, else 0."""
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if ok and isinstance(value, int) else 0


def _per_layer(value: Value, layers: int) -> tuple[int, ...]:
    """One number per layer, from one for all or from a list; empty when there is neither."""
    if isinstance(value, list):
        return tuple(_int(entry) for entry in value) if len(value) == layers else ()
    return (_int(value),) * layers if _int(value) and layers <= MAX_LAYERS else ()
