"""How large a server to start: slots, context per slot, threads, memory. Pure."""

from dataclasses import dataclass

from agentbatch.errors import UserError
from agentbatch.local.gguf import ModelHeader
from agentbatch.local.machine import Machine

MIN_CONTEXT = 4096
"""Tokens per slot: with less, an agent gets nothing done."""

CONTEXT = 16_384
LARGE_MODEL_CONTEXT = 32_768
LARGE_MODEL = 6_000_000_000
"""Default maximum of tokens per slot, for small models and for those with at least LARGE_MODEL weights: small ones lose
the thread earlier, and a CPU takes minutes to read 16,384 tokens."""

UNKNOWN_CONTEXT = 8192
"""Tokens, for a file without its model's training length."""

CONTEXT_STEP = 256
"""llama.cpp rounds contexts to multiples of this."""

COMPUTE_BATCH = 512
"""Tokens per computed batch (llama.cpp's n_ubatch)."""

BASE_BYTES = 250 * 1024**2
"""The process itself: Python, llama.cpp and its smaller buffers."""

HEADROOM = 512 * 1024**2
"""Bytes left for everything else on the machine."""

MAX_PROMPT_CACHE = 2 * 1024**3
"""Bytes for conversations that have temporarily lost their slot."""

MIB = 1024**2
GB = 1000**3


@dataclass(frozen=True)
class ServerSize:
    slots: int
    """Concurrent requests."""
    context: int
    """Tokens per slot."""
    threads: int
    prompt_cache: int
    """Bytes, at most."""
    memory: int
    """Bytes, at most, for everything."""


def size_server(
    header: ModelHeader,
    machine: Machine,
    slots: int,
    context: int | None = None,
    threads: int | None = None,
) -> ServerSize:
    """The largest context that fits, up to the model's training length; or the requested one.

    Raises UserError, which suggests what would fit, when memory is too small or the requested context too long.
    """
    budget = machine.memory_available - HEADROOM
    trained = header.context_length or UNKNOWN_CONTEXT
    if context is not None and context > trained:
        raise UserError(
            f"--local-context {context}: this model was trained on {trained:,} tokens; set at most that."
        )
    wanted = [context] if context is not None else context_ladder(header)
    for tokens in wanted:
        memory = min_memory(header, slots, tokens)
        if memory <= budget:
            cache = header.cache_bytes * tokens * slots
            prompt_cache = max(0, min(cache, MAX_PROMPT_CACHE, (budget - memory) // 2)) // MIB * MIB
            return ServerSize(slots, tokens, threads or machine.threads, prompt_cache, memory + prompt_cache)
    raise UserError(_too_little(header, slots, wanted[-1], machine, budget))


def context_ladder(header: ModelHeader) -> list[int]:
    """Context lengths to try, the longest first."""
    longest = LARGE_MODEL_CONTEXT if header.parameters >= LARGE_MODEL else CONTEXT
    tokens = min(header.context_length or UNKNOWN_CONTEXT, longest)
    ladder = [max(tokens // CONTEXT_STEP, 1) * CONTEXT_STEP]
    while ladder[-1] // 2 >= MIN_CONTEXT:
        ladder.append(ladder[-1] // 2 // CONTEXT_STEP * CONTEXT_STEP)
    return ladder


def min_memory(header: ModelHeader, slots: int, context: int) -> int:
    return memory_of(header.file_bytes, header.cache_bytes, header.vocabulary, slots, context)


def memory_of(file_bytes: int, cache_bytes: int, vocabulary: int, slots: int, context: int) -> int:
    """Bytes: weights, key-value caches, the buffers of one batch (mostly its results), and the process."""
    return file_bytes + cache_bytes * context * slots + COMPUTE_BATCH * vocabulary * 4 + BASE_BYTES


def _too_little(header: ModelHeader, slots: int, context: int, machine: Machine, budget: int) -> str:
    needed = min_memory(header, slots, context) + HEADROOM
    text = (
        f"This model needs about {gigabytes(needed)} GB of memory for {slots} slots of {context:,} tokens, and "
        f"{gigabytes(machine.memory_available)} GB are available."
    ).replace(" 1 slots", " 1 slot")
    for fewer in range(slots, 0, -1):
        room = budget - min_memory(header, fewer, 0)
        tokens = min(room // max(1, header.cache_bytes * fewer), context) // CONTEXT_STEP * CONTEXT_STEP
        if tokens >= min(MIN_CONTEXT, context):
            fits = f"--parallel {fewer}" if fewer != slots else f"--local-context {tokens}"
            return f"{text} It fits with {fits}."
    return f"{text} Free some memory, or choose a smaller model (`agentbatch models` lists some)."


def gigabytes(size: int) -> str:
    """In units of 10^9 bytes, with two significant digits."""
    value = size / GB
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
