"""What in an env file, and in the environment, was surely meant otherwise."""

from pathlib import Path

import pytest

from agentbatch.config import load, options
from agentbatch.config.env_file import doubts, load_env_file
from agentbatch.errors import UserError

KNOWN = {name for option in options().values() for name in option.env}
KEY = "OPENAI_API_KEY=sk-0123456789abcdef\n"


def said(tmp_path: Path, content: str, *environ: str) -> list[tuple[str, str]]:
    (tmp_path / ".env").write_text(content, encoding="utf-8")
    file = load_env_file(None, tmp_path)
    return [(one.sentence.removeprefix(f"{file.path}: "), one.meant) for one in doubts(file, environ, KNOWN)]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("OPENAI_APIKEY=x", "OPENAI_API_KEY"),
        ("openai_api_key=x", "OPENAI_API_KEY"),
        ("OPNEAI_API_KEY=x", "OPENAI_API_KEY"),
        ("OPENAI_KEY=x", "OPENAI_API_KEY"),
        ("CODER_KEY=x", "CODER_API_KEY"),
        ("OPENAI_API_BASE=x", "OPENAI_BASE_URL"),
        ("OPENAI_BASEURL=x", "OPENAI_BASE_URL"),
        ("EVALUATOR_MODEL=x", "EVALUATION_MODEL"),
        ("EVALUATION_ENDPOINT=x", "EVALUATION_BASE_URL"),
        ("AGENTBATCH_PARALEL=3", "AGENTBATCH_PARALLEL"),
        ("OPENAI_API_KEY sk-x", "OPENAI_API_KEY"),
        ("OPENAI_API_KEY: sk-x", "OPENAI_API_KEY"),
        ("OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("export OPENAI_API_KEY sk-x", "OPENAI_API_KEY"),
        ("OPENAI_API_KEY='sk-x", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY sk-x", "OPENAI_API_KEY"),
    ],
)
def test_a_slip_is_told_with_the_name_that_was_meant(tmp_path: Path, line: str, meant: str) -> None:
    ((sentence, found),) = said(tmp_path, f"# a comment\n\n{line}\n")
    assert found == meant
    assert "sk-x" not in sentence


@pytest.mark.parametrize(
    "line",
    [
        "OPENAI_ORG_ID=x", "OPENAI_API_VERSION=x", "OPENAI_API_TYPE=azure", "AZURE_OPENAI_API_KEY=x",
        "DATABASE_URL=x", "OPENROUTER_API_KEY=x", "export OPENAI_API_KEY=x", "OPENAI_API_KEY = x", "OPENAI_API_KEY=",
        "# OPENAI_APIKEY=x", 'OPENAI_API_KEY="a\nb"',
    ],
)  # fmt: skip
def test_what_is_right_or_for_others_is_not_told(tmp_path: Path, line: str) -> None:
    assert said(tmp_path, f"{line}\n") == []


def test_a_name_of_ours_that_nothing_is_like_is_told(tmp_path: Path) -> None:
    assert said(tmp_path, "CODER_COLOUR=red\n") == [
        ("CODER_COLOUR is no setting; docs/settings.md lists them.", "")
    ]


def test_nothing_is_put_in_the_place_of_a_variable(tmp_path: Path) -> None:
    told = "CODER_MODEL has ${...} in it, in whose place nothing is put."
    assert said(tmp_path, "CODER_MODEL=${MODEL}-mini\nOTHER=${X}\n") == [(told, "CODER_MODEL")]


def test_in_the_environment_only_what_is_surely_ours_counts(tmp_path: Path) -> None:
    names = ("OPENAI_API_BASE", "MY_OPENAI_API_KEY", "CODER_COLOUR", "AGENTBATCH_RMP", "AGENTBATCH_READY_FD")
    assert [meant for _, meant in said(tmp_path, "", *names)] == ["OPENAI_BASE_URL", "AGENTBATCH_RPM"]


@pytest.mark.parametrize(
    ("content", "environ", "refused"),
    [
        ("OPENAI_APIKEY=sk-x\n", {}, "did you mean OPENAI_API_KEY"),
        ("OPENAI_API_KEY sk-x\n", {}, "line 1 is not NAME=value, so OPENAI_API_KEY is not set"),
        (KEY + "OPENAI_API_BASE=http://localhost:1/v1\n", {}, "did you mean OPENAI_BASE_URL"),
        (KEY, {"OPENAI_API_BASE": "http://localhost:1/v1"}, "did you mean OPENAI_BASE_URL"),
        (KEY + "CODER_MODLE=x\n", {}, "did you mean CODER_MODEL"),
        (KEY + "EVALUATION_BASE_URL=https://api.mistral.ai/v1\n", {}, "set EVALUATION_MODEL"),
        (KEY + "CODER_ENDPOINT=https://api.anthropic.com/v1\n", {}, "set CODER_MODEL"),
    ],
)
def test_no_key_goes_to_another_host_and_no_other_model_plays(
    tmp_path: Path, content: str, environ: dict[str, str], refused: str
) -> None:
    (tmp_path / ".env").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=refused) as error:
        load({}, environ, folder=tmp_path)
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "environ", "notes"),
    [
        (KEY, {"OPENAI_BASE_URL": "http://localhost:1/v1", "OPENAI_API_BASE": "x"}, 1),
        ("", {"OPENAI_API_BASE": "http://localhost:1/v1"}, 1),  # the rehearsal model: no key goes anywhere
        (KEY + "AGENTBATCH_PARALEL=3\nfoo bar\n", {}, 2),
        (KEY + "OPENAI_APIKEY=sk-x\n", {}, 1),
        (KEY, {}, 0),
    ],
)
def test_what_changes_nothing_that_matters_is_a_note(
    tmp_path: Path, content: str, environ: dict[str, str], notes: int
) -> None:
    (tmp_path / ".env").write_text(content, encoding="utf-8")
    assert len(load({}, environ, folder=tmp_path).notes) == notes


def test_the_env_file_of_the_original_asks_deepseek_for_its_own_model(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(KEY + "EVALUATION_BASE_URL=https://api.deepseek.com\n", encoding="utf-8")
    loaded = load({}, {}, folder=tmp_path)
    assert loaded.settings.evaluation_model == "deepseek-v4-flash"
    assert loaded.settings.coder_model == "gpt-5-mini"
    assert loaded.notes == ("EVALUATION_MODEL is not set: deepseek-v4-flash is asked at api.deepseek.com.",)
    assert loaded.sources["evaluation_base_url"] == "EVALUATION_BASE_URL in .env"


def test_what_stands_in_the_place_of_an_env_file_is_told(tmp_path: Path) -> None:
    place = tmp_path / ".env"
    place.symlink_to("nowhere")
    with pytest.raises(UserError, match="is no file that can be read: a link that leads nowhere"):
        load_env_file(None, tmp_path)
    place.unlink()
    place.mkdir()
    with pytest.raises(UserError, match="is a folder, and should be a file"):
        load_env_file(None, tmp_path)
    place.rmdir()
    assert load_env_file(None, tmp_path).values == {}
    place.write_bytes(b"\xef\xbb\xbfOPENAI_API_KEY=x\r\nA=b\r\n")
    assert load_env_file(None, tmp_path).values == {"OPENAI_API_KEY": "x", "A": "b"}
