"""Models for coding on your own machine: one file each, instruct models with a chat template.

Sizes and checksums are the hub's, as quoted in public repositories: each pair below was found in at least two
independent ones; that of qwen2.5-coder-1.5b was also checked against the file itself.
`cache_bytes` follows from the models' published configurations: 2 bytes x 2 (key, value) x layers x heads x length.
"""

from typing import NamedTuple


class CatalogueModel(NamedTuple):
    name: str
    repository: str
    """On the hub: owner/repository."""
    file: str
    sha256: str
    size: int
    """Bytes."""
    cache_bytes: int
    """Bytes of memory per token of context."""
    vocabulary: int
    """Tokens."""
    licence: str
    good_for: str
    """At most 20 characters."""


_QWEN = 151_936

CATALOGUE = (
    CatalogueModel(
        "qwen2.5-coder-0.5b",
        "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        491_400_064,
        2 * 2 * 24 * 2 * 64,
        _QWEN,
        "Apache-2.0",
        "trying things out",
    ),
    CatalogueModel(
        "qwen2.5-coder-1.5b",
        "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        1_117_320_768,
        2 * 2 * 28 * 2 * 128,
        _QWEN,
        "Apache-2.0",
        "a function in a file",
    ),
    CatalogueModel(
        "qwen2.5-coder-3b",
        "Qwen/Qwen2.5-Coder-3B-Instruct-GGUF",
        "qwen2.5-coder-3b-instruct-q4_k_m.gguf",
        "724fb256bec1ff062b2f65e4569e871ad2e95ab2a3989723d1769c54294730b7",
        2_104_932_800,
        2 * 2 * 36 * 2 * 128,
        _QWEN,
        "Qwen-Research",
        "small programs",
    ),
    CatalogueModel(
        "qwen3-4b",
        "bartowski/Qwen_Qwen3-4B-Instruct-2507-GGUF",
        "Qwen_Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        "2fde00ce69dd4899c70d020845e2638353015bba0fdf161b3eb965f2bca4464e",
        2_497_280_736,
        2 * 2 * 36 * 8 * 128,
        _QWEN,
        "Apache-2.0",
        "small programs",
    ),
    CatalogueModel(
        "qwen2.5-coder-7b",
        "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        "509287f78cb4d4cf6b3843734733b914b2c158e43e22a7f4bf5e963800894d3c",
        4_683_073_536,
        2 * 2 * 28 * 4 * 128,
        152_064,
        "Apache-2.0",
        "programs, some files",
    ),
    CatalogueModel(
        "qwen2.5-coder-14b",
        "Qwen/Qwen2.5-Coder-14B-Instruct-GGUF",
        "qwen2.5-coder-14b-instruct-q4_k_m.gguf",
        "c1e659736d89ac1065fb495330fb824d94001974a4bfa78e7270e43476a8d940",
        8_988_110_272,
        2 * 2 * 48 * 8 * 128,
        152_064,
        "Apache-2.0",
        "larger changes; slow",
    ),
    CatalogueModel(
        "gpt-oss-20b",
        "ggml-org/gpt-oss-20b-GGUF",
        "gpt-oss-20b-mxfp4.gguf",
        "be37a636aca0fc1aae0d32325f82f6b4d21495f06823b5fbc1898ae0303e9935",
        12_109_566_560,
        2 * 2 * 24 * 8 * 64,
        201_088,
        "Apache-2.0",
        "agents; thinks first",
    ),
    CatalogueModel(
        "qwen3-coder-30b",
        "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
        "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf",
        "fadc3e5f8d42bf7e894a785b05082e47daee4df26680389817e2093056f088ad",
        18_556_689_568,
        2 * 2 * 48 * 4 * 128,
        _QWEN,
        "Apache-2.0",
        "agents; 3B at work",
    ),
)
