"""The engine's command line, read back by the command's own parser."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.cli.commands import COMMANDS
from agentbatch.cli.flags import check_flags, given_flags
from agentbatch.cli.main import parse
from agentbatch.tui.lines.launch_words import launch_words, value_of

SERIAL = {"mode": "serial"}


def read_back(words: list[str]) -> dict[str, Any]:
    check_flags(words, COMMANDS)
    return given_flags(parse(words))


@pytest.mark.parametrize(
    ("words", "chosen", "flags"),
    [
        ([], {"mode": "parallel", "parallel": "4"}, {"mode": "parallel", "parallel": "4"}),
        (["--serial"], {"mode": "test"}, {"mode": "test"}),
        (["--test"], {"mode": "parallel", "parallel": "2"}, {"mode": "parallel", "parallel": "2"}),
        (["--parallel"], SERIAL, SERIAL),
        (["--parallel", "7", "-v"], SERIAL, {**SERIAL, "verbose": True}),
        (["--parallel=7", "-v"], SERIAL, {**SERIAL, "verbose": True}),
        (["--concurrency", "7", "-v"], SERIAL, {**SERIAL, "verbose": True}),
        (["--concurrency=7", "-v"], SERIAL, {**SERIAL, "verbose": True}),
        (["--parallel", "-v"], SERIAL, {**SERIAL, "verbose": True}),
        (
            ["--coder-model", "a", "--limit=2", "--coder-model=b"],
            {**SERIAL, "coder_model": "c"},
            {**SERIAL, "coder_model": "c", "limit": "2"},
        ),
        (["--coder-model", "a"], SERIAL, {**SERIAL, "coder_model": "a"}),
        ([], {**SERIAL, "coder_model": "-odd name"}, {**SERIAL, "coder_model": "-odd name"}),
        (
            [],
            {**SERIAL, "evaluation_model": "m", "evaluation_base_url": "http://h/v1", "max_iterations": "3"},
            {**SERIAL, "evaluation_model": "m", "evaluation_base_url": "http://h/v1", "max_iterations": "3"},
        ),
        (["--display", "tui", "--daemon", "--json", "--dry-run", "--display=tui"], SERIAL, SERIAL),
        (
            ["-t", "--serial", "--filter", "--test"],
            SERIAL,
            {**SERIAL, "tasks": "--serial", "filter": "--test"},
        ),
    ],
)
def test_what_is_chosen_replaces_what_the_words_said_of_it(
    words: list[str], chosen: dict[str, str], flags: dict[str, Any]
) -> None:
    made = launch_words(words, chosen)
    if "-t" in words:  # argparse takes no value that looks like a flag; ours must not break it apart
        assert made == ["--serial", *words]
    else:
        assert read_back(made) == flags


def test_paths_and_the_env_file_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    words = ["--env-file", "keys.env", "src", "--parallel", "9"]
    made = launch_words(words, {"mode": "parallel", "parallel": "2"})
    assert made == ["--parallel", "2", "--env-file", "keys.env", "src"]
    flags = read_back(made)
    assert (flags["paths"], flags["parallel"], flags["env_file"]) == (["src"], "2", "keys.env")


def test_nothing_behind_two_dashes_is_a_flag() -> None:
    words = ["-v", "--", "--serial", "--display"]
    assert launch_words(words, {"mode": "test"}) == ["--test", *words]
    assert value_of(["--", "--env-file", "x"], "--env-file") is None


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--env-file", "a"], "a"),
        (["--env-file=a"], "a"),
        (["--env-file", "a", "--env-file=b"], "b"),
        (["--env-file"], None),
        (["--env-files", "a"], None),
    ],
)
def test_the_value_of_a_flag(words: list[str], value: str | None) -> None:
    assert value_of(words, "--env-file") == value
