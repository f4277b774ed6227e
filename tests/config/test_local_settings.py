"""Who plays which role with `--local`."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import Settings, load_settings
from agentbatch.errors import UserError

CLOUD = {
    "OPENAI_API_KEY": "sk-0123456789",
    "CODER_ENDPOINT": "https://coder.example/v1",
    "EVALUATION_BASE_URL": "https://judge.example/v1",
    "CODER_MODEL": "big-coder",
    "EVALUATION_MODEL": "big-judge",
}


def load(tmp_path: Path, environ: dict[str, str] | None = None, /, **flags: Any) -> Settings:
    return load_settings(flags, environ or {}, folder=tmp_path)


def test_both_roles_by_default(tmp_path: Path) -> None:
    settings = load(tmp_path, local="x.gguf")
    assert (settings.coder_is_local, settings.evaluator_is_local) == (True, True)
    assert not settings.rehearsal


def test_nothing_is_local_without_it(tmp_path: Path) -> None:
    settings = load(tmp_path, CLOUD)
    assert (settings.coder_is_local, settings.evaluator_is_local) == (False, False)
    assert load(tmp_path).rehearsal


def test_keys_endpoints_and_models_of_the_environment_are_not_used(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EVALUATION_API_KEY=sk-of-the-file-01\n", encoding="utf-8")
    settings = load(tmp_path, CLOUD, local="x.gguf")
    assert (settings.coder_is_local, settings.evaluator_is_local) == (True, True)
    assert settings.secrets == []
    assert settings.coder_model == Settings().coder_model


def test_an_endpoint_flag_takes_its_role_elsewhere(tmp_path: Path) -> None:
    settings = load(tmp_path, CLOUD, local="x.gguf", evaluation_base_url="https://flag.example/v1")
    assert (settings.coder_is_local, settings.evaluator_is_local) == (True, False)
    assert settings.evaluator.base_url == "https://flag.example/v1"
    assert settings.evaluator.model == "big-judge"
    assert settings.evaluator.api_key.get_secret_value() == "sk-0123456789"
    assert settings.coder_api_key is None

    settings = load(
        tmp_path, CLOUD, local="x.gguf", coder_endpoint="https://flag.example/v1", coder_model="flag"
    )
    assert (settings.coder_is_local, settings.evaluator_is_local) == (False, True)
    assert settings.coder.model == "flag"


def test_flags_win_over_a_variable(tmp_path: Path) -> None:
    flags = {"coder_endpoint": "https://a.example/v1", "evaluation_base_url": "https://b.example/v1"}
    settings = load(tmp_path, {**CLOUD, "AGENTBATCH_LOCAL": "x.gguf"}, **flags)
    assert settings.local is None
    assert settings.coder.base_url == "https://a.example/v1"
    assert load(tmp_path, {**CLOUD, "AGENTBATCH_LOCAL": "x.gguf"}).coder_is_local


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            {"coder_endpoint": "https://a.example/v1", "evaluation_base_url": "https://b.example/v1"},
            "--local plays the roles that have no endpoint flag",
        ),
        ({"coder_model": "x"}, "--coder-model: with --local this role is played by the local model"),
        (
            {"evaluation_base_url": "https://b.example/v1", "coder_model": "x"},
            "--coder-model: with --local this role is played by the local model",
        ),
        (
            {"evaluation_base_url": "https://b.example/v1"},
            "No API key for the evaluator: --evaluator-endpoint is set",
        ),
        ({"local_threads": "0"}, "--local-threads: must be 1 or more"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, local="x.gguf", **flags)
    assert sentence in str(caught.value)
