"""`agentbatch`: help on one screen, words that people try, mistakes that name the nearest word, and a light start."""

import subprocess
import sys
from pathlib import Path

import pytest

from agentbatch import __version__
from agentbatch.cli.commands import COMMANDS
from agentbatch.cli.flags import given_flags
from agentbatch.cli.main import main, parse
from agentbatch.config import options

SCREEN = (24, 80)
"""Lines and columns."""

NESTED = ("requests run", "requests make", "bench requests")

NOT_AT_EVERY_START = {
    "pydantic", "sqlite3", "asyncio", "openai", "aiohttp", "textual", "rich", "tiktoken", "jinja2", "jsonschema"
}  # fmt: skip


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",), ("--serial", "--help")])
def test_help_is_one_screen(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    lines = printed(capsys, *words).splitlines()
    assert len(lines) <= SCREEN[0]
    assert max(map(len, lines)) <= SCREEN[1]
    assert lines[0].startswith("usage: agentbatch ")


@pytest.mark.parametrize("words", [("--help-all",), ("--test", "--help-all")])
def test_help_all_has_every_option_and_every_command(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    text = printed(capsys, *words)
    assert max(map(len, text.splitlines())) <= SCREEN[1]
    flags = [flag for option in options().values() if option.flag for flag in option.flag.split("/")]
    named = [name for name, command in COMMANDS.items() if command.summary]
    assert [flag for flag in flags if flag not in text] == []
    assert [name for name in named if f"\n  {name} " not in text] == []
    assert "%" not in text.replace("N|P%", "")


@pytest.mark.parametrize("command", [*COMMANDS, *NESTED])
def test_every_command_has_a_help_that_fits(capsys: pytest.CaptureFixture[str], command: str) -> None:
    text = printed(capsys, *command.split(), "--help")
    assert text.startswith("usage: agentbatch ")
    assert max(map(len, text.splitlines())) <= SCREEN[1]
    assert printed(capsys, "help", *command.split()) == text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version") == f"agentbatch {__version__}\n"
    assert printed(capsys, "--serial", "--version") == f"agentbatch {__version__}\n"


def test_words_that_people_try(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed(capsys, "ls") == printed(capsys, "runs")
    assert parse(["unpause"]).command is not None
    assert printed(capsys, "unpause", "--help") == printed(capsys, "resume-paused", "--help")
    for words in (["--concurrency", "4"], ["--concurrency=4"], ["--parallel", "4"]):
        assert given_flags(parse(words)) == {"mode": "parallel", "parallel": "4"}
    assert given_flags(parse(["resume", "--concurrency", "4"])) == {"mode": "parallel", "parallel": "4"}


@pytest.mark.parametrize(
    ("words", "usage", "sentence"),
    [
        ("status --jsno", "status", "There is no option --jsno; did you mean --json?"),
        ("resume --paralel 3", "resume", "There is no option --paralel; did you mean --parallel?"),
        ("prune --zzz", "prune", "There is no option --zzz; see `agentbatch prune --help`."),
        ("requests run in.jsonl --concurency 4", "requests run", "did you mean --concurrency?"),
        ("requests rnu", "requests", "did you mean run?"),
        ("status a b", "status", "too many arguments: b."),
        ("cancel", "cancel", "TASK is missing."),
        ("logs -n many", "logs", "-n/--lines: must be a whole number of 0 or more, not 'many'."),
        ("set concurrency 0", "set", "N: must be a whole number from 1 to "),
    ],
)
def test_a_mistake_behind_a_command_shows_its_usage_and_the_nearest_word(
    capsys: pytest.CaptureFixture[str], words: str, usage: str, sentence: str
) -> None:
    err = refused(capsys, *words.split())
    assert err.startswith(f"usage: agentbatch {usage} ")
    assert sentence in err.rpartition("agentbatch: ")[2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--paralel 3", "There is no option --paralel; did you mean --parallel?"),
        ("--jsn status", "There is no option --jsn; did you mean --json?"),
        ("-parallel 3", "There is no option -parallel; did you mean --parallel?"),
        ("-n 3", "There is no option -n; see `agentbatch --help-all`."),
        ("--model gpt-5", "There is no option --model; did you mean --coder-model?"),
        ("run", "no path 'run'; tasks run without a command: agentbatch --parallel 3."),
        ("mine.json", "no path 'mine.json'; a task file is named with -t: agentbatch -t mine.json."),
        ("stauts", "There is no command and no path 'stauts'; did you mean `agentbatch status`?"),
        ("helpp", "did you mean `agentbatch help`?"),
        ("help stauts", "did you mean `agentbatch status`?"),
    ],
)
def test_a_mistake_without_a_command_names_the_nearest_word(
    capsys: pytest.CaptureFixture[str], words: str, sentence: str
) -> None:
    assert sentence in refused(capsys, *words.split())


def test_flags_before_a_command_count_where_it_has_them() -> None:
    before = parse(["--dry-run", "prune", "--keep", "3"])
    assert (before.dry_run, before.keep) == (True, 3)
    assert before.command is parse(["prune"]).command
    assert given_flags(parse(["--max-cost", "2", "resume", "r1"])) == {"max_cost": "2"}
    with_both = given_flags(parse(["--max-cost", "2", "resume", "--max-cost", "3"]))
    assert with_both == {"max_cost": "3"}


@pytest.mark.parametrize("word", ["--version", "--help", "help"])
def test_what_runs_at_every_start_is_light(word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "agentbatch", word],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "agentbatch" in imported
    assert imported & NOT_AT_EVERY_START == set()
