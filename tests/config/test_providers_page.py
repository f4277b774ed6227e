"""Every block of docs/providers.md is a `.env` that works as it stands."""

import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agentbatch.config import load
from agentbatch.config.env_file import load_env_file
from agentbatch.spending.pricing import Prices
from agentbatch.usage import Usage

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(section.partition("\n")[0], block, id=f"{section.partition(chr(10))[0]}-{number}")
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    for number, block in enumerate(re.findall(r"```env\n(.*?)```", section, re.DOTALL))
]
PROVIDERS = {
    *("OpenAI", "DeepSeek", "ModelScope", "Qwen", "OpenRouter", "Azure", "Gemini", "Anthropic", "Groq"),
    *("Mistral", "LiteLLM", "Ollama", "vLLM", "LM Studio"),
}
UNPRICED = {"ModelScope", "Qwen", "Ollama", "vLLM", "LM Studio"}
"""As the page says, or on this machine."""


def test_every_provider_has_its_block() -> None:
    assert {str(block.values[0]) for block in BLOCKS} == PROVIDERS


@pytest.mark.parametrize(("provider", "block"), BLOCKS)
def test_a_block_is_an_env_file_that_works(tmp_path: Path, provider: str, block: str) -> None:
    (tmp_path / ".env").write_text(block.replace("...", "0123456789"), encoding="utf-8")
    loaded = load({}, {}, None, tmp_path)
    assert loaded.notes == (), "nothing in it is doubtful or without effect"
    assert not loaded.settings.rehearsal
    used = {source.partition(" in ")[0] for source in loaded.sources.values()}
    assert set(load_env_file(None, tmp_path).values) == used
    prices = Prices.load(None)
    one = Usage(input=1_000, output=1_000, calls=1)
    for role in (loaded.settings.coder, loaded.settings.evaluator):
        assert urlsplit(role.base_url).hostname
        cost = prices.price(role.model, one, datetime.now(UTC), role.base_url)
        assert (cost is None) is (provider in UNPRICED), role.model


def test_it_is_found_from_the_first_page() -> None:
    assert "(docs/providers.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
