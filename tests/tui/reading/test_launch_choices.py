"""What the launch screen opens with, what it adds to the command, and what it remembers."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import Settings, load_settings
from agentbatch.redaction import Redactor
from agentbatch.tui.reading.launch_choices import (
    CHOSEN,
    REHEARSED,
    chosen_flags,
    opening_choices,
    read_choices,
    to_remember,
    write_choices,
)

NO_SECRETS = Redactor([])
DEFAULTS = {
    "mode": "parallel",
    "parallel": "3",
    "max_iterations": "10",
    "coder_name": "builtin",
    "coder_model": "gpt-5-mini",
    "coder_endpoint": "https://api.openai.com/v1",
    "evaluation_model": "gpt-5-mini",
    "evaluation_base_url": "https://api.openai.com/v1",
}


def settings_of(folder: Path, flags: dict[str, Any] | None = None, **environ: str) -> Settings:
    return load_settings(flags or {}, {"OPENAI_API_KEY": "sk-0123456789abcdef", **environ}, folder=folder)


def test_without_a_key_no_model_is_shown_that_will_not_play(tmp_path: Path) -> None:
    settings = load_settings({}, {"EVALUATION_MODEL": "mine"}, folder=tmp_path)
    shown = opening_choices(settings, {"coder_endpoint": "http://localhost:1/v1"})
    roles = {field: shown[field] for field in REHEARSED}
    assert roles == {
        "coder_model": "",
        "coder_endpoint": "http://localhost:1/v1",
        "evaluation_model": "mine",
        "evaluation_base_url": "",
    }
    assert chosen_flags(settings, opening_choices(settings, {})) == {"mode": "parallel", "parallel": "3"}


def test_without_a_memory_it_opens_with_the_defaults(tmp_path: Path) -> None:
    assert opening_choices(settings_of(tmp_path), {}) == DEFAULTS


def test_what_is_remembered_wins_over_defaults_and_loses_to_flags_variables_and_env_file(
    tmp_path: Path,
) -> None:
    remembered = {
        "mode": "serial", "parallel": "7", "max_iterations": "20", "coder_model": "old", "evaluation_model": "kept",
    }  # fmt: skip
    (tmp_path / ".env").write_text("AGENTBATCH_PARALLEL=5\n")
    settings = settings_of(tmp_path, {"max_iterations": "4"}, CODER_MODEL="mine")
    assert opening_choices(settings, remembered) == {
        **DEFAULTS,
        "mode": "serial", "parallel": "5", "max_iterations": "4", "coder_model": "mine", "evaluation_model": "kept",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "flags"),
    [
        ({}, {"mode": "parallel", "parallel": "3"}),
        ({"mode": "serial"}, {"mode": "serial"}),
        ({"mode": "test", "parallel": "9"}, {"mode": "test"}),
        ({"parallel": " 8 "}, {"mode": "parallel", "parallel": "8"}),
        ({"parallel": ""}, {"mode": "parallel", "parallel": "3"}),
        ({"parallel": "many"}, {"mode": "parallel", "parallel": "many"}),
        (
            {"coder_model": "x", "evaluation_model": "  "},
            {"mode": "parallel", "parallel": "3", "coder_model": "x"},
        ),
    ],
)
def test_only_what_was_changed_becomes_a_flag(
    tmp_path: Path, changed: dict[str, str], flags: dict[str, str]
) -> None:
    assert chosen_flags(settings_of(tmp_path), {**DEFAULTS, **changed}) == flags


def test_what_is_shown_comes_back_the_next_time(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    shown = {**DEFAULTS, "mode": "serial", "parallel": "6", "coder_endpoint": "http://localhost:8000/v1"}
    write_choices(tmp_path, to_remember(settings, shown, {}), NO_SECRETS)
    assert opening_choices(settings, read_choices(tmp_path)) == shown
    assert "gpt-5-mini" not in (tmp_path / ".agentbatch" / "tui.json").read_text()  # a default may change


def test_what_a_flag_said_this_time_leaves_the_memory_as_it_was(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, {"parallel": "9", "mode": "parallel"})
    shown = {**DEFAULTS, "parallel": "9"}
    assert to_remember(settings, shown, {"parallel": "2", "mode": "serial"}) == {
        "parallel": "2",
        "mode": "serial",
    }
    assert to_remember(settings, {**shown, "parallel": "4"}, {"parallel": "2"}) == {"parallel": "4"}


def test_going_back_to_the_default_is_remembered_too(tmp_path: Path) -> None:
    assert to_remember(settings_of(tmp_path), DEFAULTS, {"coder_model": "x"}) == {"mode": "parallel"}


def test_a_key_is_never_written(tmp_path: Path) -> None:
    key = "sk-0123456789abcdef"
    choices = {
        "mode": "test",
        "coder_model": f"model-{key}",
        "coder_endpoint": "https://host/v1?api-key=hush",
        "evaluation_base_url": "https://host/v1",
    }
    write_choices(tmp_path, choices, Redactor([key]))
    assert json.loads((tmp_path / ".agentbatch" / "tui.json").read_text()) == {
        "mode": "test",
        "evaluation_base_url": "https://host/v1",
    }


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    theirs, memory = tmp_path / "theirs.json", tmp_path / ".agentbatch" / "tui.json"
    theirs.write_text('{"coder_model": "planted"}')
    memory.parent.mkdir()
    memory.symlink_to(theirs)
    assert read_choices(tmp_path) == {}
    write_choices(tmp_path, {"coder_model": "mine"}, NO_SECRETS)
    assert "planted" in theirs.read_text()
    assert read_choices(tmp_path) == {"coder_model": "mine"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "[" * 100_000,
        '{"mode": ' + "1" * 10_000 + "}",
        '{"mode": "\\ud800"}',
        "\0",
    ],
)
def test_a_damaged_memory_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / ".agentbatch" / "tui.json"
    path.parent.mkdir()
    path.write_text(content)
    assert read_choices(tmp_path) == {}
    path.write_bytes(b"\xff\xfe")
    assert read_choices(tmp_path) == {}


def test_values_that_are_none_any_more_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / ".agentbatch" / "tui.json"
    path.parent.mkdir()
    document = {
        "mode": "turbo", "parallel": "0", "max_iterations": 7, "coder_model": "", "evaluation_model": "good",
        "coder_endpoint": "ftp://x", "coder_api_key": "sk-x", "tasks": "/etc/passwd",
    }  # fmt: skip
    path.write_text(json.dumps(document))
    assert read_choices(tmp_path) == {"evaluation_model": "good"}


def test_no_memory_no_folder_and_a_pipe_in_its_place_are_all_the_same(tmp_path: Path) -> None:
    assert read_choices(tmp_path) == {}
    assert read_choices(tmp_path / "gone") == {}
    (tmp_path / ".agentbatch").mkdir()
    os.mkfifo(tmp_path / ".agentbatch" / "tui.json")
    assert read_choices(tmp_path) == {}


def test_every_choice_is_a_setting() -> None:
    assert set(CHOSEN) <= set(Settings.model_fields)
    assert set(CHOSEN) == set(DEFAULTS)
