import random
import resource
import struct
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.local.gguf import MAX_TEXT_LENGTH, read_header
from tests.local.gguf_bytes import LLAMA, changed, gguf, tensor, text


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return path


def test_header_of_a_model(tmp_path: Path) -> None:
    content = gguf(tensors=[tensor("a", 10, 20), tensor("b", 7, offset=32)], data=b"\0" * 64)
    header = read_header(written(tmp_path, content))
    assert header.kv_heads == (2, 2, 2, 2)
    assert (header.key_length, header.value_length) == (64, 64)
    assert (header.context_length, header.vocabulary, header.parameters) == (4096, 3, 207)
    assert header.chat_template
    assert header.file_bytes == len(content)
    assert header.cache_bytes == 2 * 4 * 2 * (64 + 64)


def test_real_model(smollm2: Path) -> None:
    header = read_header(smollm2)
    assert (len(header.kv_heads), header.context_length) == (30, 8192)
    assert header.parameters == 134_515_008
    assert header.vocabulary == 49_152
    assert header.cache_bytes == 2 * 30 * 3 * (64 + 64)
    assert header.chat_template


def test_heads_a_layer_and_own_lengths(tmp_path: Path) -> None:
    entries = [
        *changed(head_count_kv=("llama.attention.head_count_kv", "[i32]", [4, 0, 4, 0])),
        ("llama.attention.key_length", "u32", 96),
        ("llama.attention.value_length", "u32", 32),
    ]
    header = read_header(written(tmp_path, gguf(entries)))
    assert header.kv_heads == (4, 0, 4, 0)
    assert header.cache_bytes == 2 * 8 * (96 + 32)


def test_no_chat_template_and_no_context_length(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, gguf(changed(chat_template=None, context_length=None))))
    assert not header.chat_template
    assert header.context_length == 0


def test_names_are_shortened_and_cannot_reach_the_terminal(tmp_path: Path) -> None:
    name = ("general.architecture", "text", "evil\x1b[2J\nname" + "x" * 5000)
    with pytest.raises(UserError) as refused:
        read_header(written(tmp_path, gguf(changed(architecture=name))))
    assert "(architecture evil [2J namexxx" in str(refused.value)
    assert "x" * MAX_TEXT_LENGTH not in str(refused.value)


HUGE = 2**62
ONE_KEY = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k")
WRONG = [
    (b"", "is not a GGUF model file"),
    (b"PK\x03\x04", "is not a GGUF model file"),
    (b"<!doctype html><html>", "is not a GGUF model file"),
    (b"GGUF", "is truncated"),
    (gguf(version=1), "has GGUF version 1"),
    (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "has GGUF version 50331648"),
    (b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0), "claims to have"),
    (b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE), "claims to have"),
    (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, HUGE), "a name in it is"),
    (ONE_KEY + struct.pack("<IQ", 8, HUGE), "is truncated"),
    (ONE_KEY + struct.pack("<I", 99), "there is no value type 99"),
    (ONE_KEY + struct.pack("<IIQ", 9, 9, 1), "an array has values of type 9"),
    (ONE_KEY + struct.pack("<IIQ", 9, 8, HUGE), "longer than the file"),
    (ONE_KEY + struct.pack("<IIQ", 9, 0, HUGE), "is truncated or damaged"),
    (gguf(tensors=[tensor("a", *([2] * 9))]), "a tensor has 9 dimensions"),
    (gguf(tensors=[tensor("a", 4, offset=10**9)], data=b"\0" * 64), "is truncated: its tensors lie beyond its end"),
    (gguf([*LLAMA, ("split.count", "u32", 3)]), "is one part of a model in 3 files"),
    (gguf([("general.architecture", "text", "clip"), ("clip.has_vision_encoder", "bool", True)]), "architecture clip"),
    (gguf(changed(block_count=("llama.block_count", "u32", 2**31 - 1))), "is not a language model"),
    (gguf(changed(head_count=("llama.attention.head_count", "u32", 0))), "is not a language model"),
    (gguf(changed(architecture=("general.architecture", "u32", 7))), "architecture unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_files_that_are_none(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_header(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_header(tmp_path / "none.gguf")


def test_every_cut_and_a_thousand_changed_bytes(tmp_path: Path) -> None:
    """Whatever is in the file: a header or a sentence, at no cost of memory."""
    good = gguf(tensors=[tensor("a", 10, 20), tensor("b", 7, offset=32)], data=b"\0" * 64)
    rng = random.Random(5)
    broken = [good[:length] for length in range(0, len(good), 3)]
    for _ in range(1000):
        changing = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 8))):
            changing[rng.randrange(len(changing))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        broken.append(bytes(changing))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sentences = 0
    for content in broken:
        try:
            header = read_header(written(tmp_path, content))
        except UserError:
            sentences += 1
        else:
            assert header.cache_bytes >= 0
            assert 0 < len(header.kv_heads) <= 1024
    assert sentences > 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB on Linux
