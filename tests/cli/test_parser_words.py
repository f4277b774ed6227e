"""argparse's complaints in plain words."""

import pytest

from agentbatch.cli.commands import parse_command
from agentbatch.cli.parser import plain_words
from agentbatch.errors import UserError


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("argument --rpm: expected one argument", "--rpm: a value is missing"),
        ("argument --compare: expected 2 arguments", "--compare: 2 values are wanted"),
        (
            "argument --test: not allowed with argument --serial",
            "--test: cannot be given together with --serial",
        ),
        ("argument --serial: ignored explicit argument '3'", "--serial: takes no value, and '3' was given"),
        ("the following arguments are required: TASK", "TASK is missing"),
        ("the following arguments are required: COMMAND, N", "COMMAND, N are missing"),
        ("one of the arguments --csv --md is required", "give one of --csv --md"),
        (
            "argument --export: invalid choice: 'mdd' (choose from 'md', 'csv', 'json')",
            "--export: must be md, csv or json, not 'mdd'; did you mean md?",
        ),
        ("argument name: invalid choice: 'x' (choose from 'concurrency')", "must be concurrency, not 'x'"),
        (
            "argument N: must be a whole number of 0 or more, not 'x'",
            "N: must be a whole number of 0 or more, not 'x'",
        ),
    ],
)
def test_words(said: str, told: str) -> None:
    assert plain_words(said) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["requests"], "COMMAND is missing."),
        (["requests", "rnu"], "COMMAND: must be run, make or answers, not 'rnu'; did you mean run?"),
        (["requests", "answers", "x"], "give one of --csv --md."),
        (["show"], "TASK is missing."),
        (["results", "--compare", "a"], "--compare: 2 values are wanted."),
        (["models", "pul"], "must be pull or rm, not 'pul'; did you mean pull?"),
    ],
)
def test_this_python_still_says_it_so(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words that are put plainer are argparse's, which may say it otherwise one day."""
    with pytest.raises(UserError) as error:
        parse_command(words[0], words[1:])
    assert str(error.value) == told
