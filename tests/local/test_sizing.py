from dataclasses import replace

import pytest

from agentbatch.errors import UserError
from agentbatch.local.gguf import ModelHeader
from agentbatch.local.machine import Machine
from agentbatch.local.server_plan import weights
from agentbatch.local.sizing import HEADROOM, gigabytes, min_memory, size_server

GB = 1000**3
SMALL = ModelHeader(
    file_bytes=1_117_320_768,
    parameters=1_777_088_000,
    kv_heads=(2,) * 28,
    key_length=128,
    value_length=128,
    context_length=32_768,
    vocabulary=151_936,
    chat_template=True,
)
LARGE = replace(SMALL, parameters=14_000_000_000, file_bytes=9 * GB, kv_heads=(8,) * 48)


def machine(gigabytes: float, threads: int = 8) -> Machine:
    return Machine(threads, int(gigabytes * GB), int(gigabytes * GB))


@pytest.mark.parametrize(
    ("header", "memory", "slots", "context"),
    [
        (SMALL, 64, 1, 16_384),
        (SMALL, 64, 8, 16_384),
        (SMALL, 4.0, 3, 16_384),
        (SMALL, 3.5, 3, 8_192),
        (SMALL, 2.6, 3, 4_096),
        (LARGE, 64, 3, 32_768),
        (LARGE, 32, 3, 32_768),
        (LARGE, 16, 1, 16_384),
        (replace(SMALL, context_length=2048), 64, 1, 2048),
        (replace(SMALL, context_length=0), 64, 1, 8192),
        (replace(SMALL, context_length=5000), 64, 1, 4864),
    ],
)
def test_the_longest_context_that_fits(header: ModelHeader, memory: float, slots: int, context: int) -> None:
    size = size_server(header, machine(memory), slots)
    assert (size.slots, size.context, size.threads) == (slots, context, 8)
    assert min_memory(header, slots, context) <= size.memory <= memory * GB - HEADROOM


def test_what_is_asked_for_is_taken() -> None:
    size = size_server(SMALL, machine(64), 2, context=30_000, threads=3)
    assert (size.context, size.threads) == (30_000, 3)


def test_spare_memory_holds_conversations_that_lost_their_slot() -> None:
    roomy, tight = (size_server(SMALL, machine(m), 1, context=16_384) for m in (64, 2.72))
    assert roomy.prompt_cache == 448 * 1024**2  # one whole context
    assert 0 <= tight.prompt_cache < 64 * 1024**2


@pytest.mark.parametrize(
    ("slots", "context", "memory", "sentence"),
    [
        (8, None, 3.0, "for 8 slots of 4,096 tokens, and 3.0 GB are available. It fits with --parallel 6."),
        (
            2,
            32_768,
            3.5,
            "for 2 slots of 32,768 tokens, and 3.5 GB are available. It fits with --local-context ",
        ),
        (1, None, 1.5, "for 1 slot of 4,096 tokens, and 1.5 GB are available. Free some memory"),
        (1, 40_000, 64, "--local-context 40000: this model was trained on 32,768 tokens"),
    ],
)
def test_too_much_says_what_would_do(slots: int, context: int | None, memory: float, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        size_server(SMALL, machine(memory), slots, context=context)
    assert sentence in str(caught.value)


def test_what_an_error_names_does_fit() -> None:
    with pytest.raises(UserError) as caught:
        size_server(SMALL, machine(3.5), 2, context=32_768)
    tokens = int(str(caught.value).split("--local-context ")[1].rstrip("."))
    assert size_server(SMALL, machine(3.5), 2, context=tokens).context == tokens
    assert size_server(SMALL, machine(3.0), 6).slots == 6


def test_figures_for_people() -> None:
    assert [weights(n) for n in (134_515_008, 999_600_000, 1_777_088_000, 30_532_122_624)] == [
        "135M",
        "1.0B",
        "1.8B",
        "31B",
    ]
    assert [gigabytes(n) for n in (98_362_432, 1_117_320_768, 21_500_000_000)] == ["0.10", "1.1", "22"]
