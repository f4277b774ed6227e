"""Commands that print a key, as real processes."""

import os
import sys
from pathlib import Path

import pytest

from agentbatch.config.key_command import KeyCommand
from agentbatch.errors import UserError

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/", "SECRET_SOURCE": "sk-from-the-environment"}


def command(text: str, folder: Path, timeout: float = 20.0, **more: str) -> KeyCommand:
    return KeyCommand(
        text, "CODER_API_KEY_COMMAND", folder=folder, environ={**ENVIRON, **more}, timeout=timeout
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("printf sk-one", "sk-one"),
        ("""sh -c 'echo; echo "  $SECRET_SOURCE  "'""", "sk-from-the-environment"),
        ("echo sk-$HOME*", "sk-$HOME*"),  # nothing is a shell's
        ("sh -c 'echo noise >&2; echo sk-two; sleep 60 &'", "sk-two"),
    ],
)
async def test_what_it_prints_is_the_key(tmp_path: Path, text: str, key: str) -> None:
    known: list[str] = []
    asked = KeyCommand(text, "N", folder=tmp_path, environ=ENVIRON, on_key=known.append)
    assert await asked() == key
    assert known == [key], "the redactor hears of it before anybody else"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sh -c 'echo denied: log in first >&2; exit 3'", "exit code 3: denied: log in first."),
        ("sh -c 'echo sk-secret1; echo sk-secret1 is old >&2; exit 1'", "exit code 1."),
        ("true", "printed nothing"),
        ("echo two words", "more than one word"),
        ("printf 'sk-\\303\\244'", "more than one word of plain ASCII"),
        ("sleep 30", "no key within 0.2 s"),
    ],
)
async def test_a_command_that_gives_no_key_is_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError) as failed:
        await command(text, tmp_path, 0.2 if "sleep" in text else 20.0)()
    assert str(failed.value).startswith("CODER_API_KEY_COMMAND: ")
    assert words in str(failed.value)
    assert "sk-secret1" not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no command"),
        ("pass show 'openai", "No closing quotation"),
        ("no-such-program-anywhere x", "there is no program no-such-program-anywhere"),
        ("pass show openai | head -1", "'|' is a shell's"),
        ("true && echo x", "'&&' is a shell's"),
        ("/", "there is no program /"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_before_the_run(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(UserError, match=words.replace("|", r"\|").replace("(", r"\(")):
        command(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{folder}/get-key",
            "sh {folder}/get-key",
            "python3 --file={folder}/get-key",
            "get-key",
            "sh get-key",
        ),
        *(
            "sh -c 'sh {folder}/get-key'",
            "sh -c '. {folder}/get-key; echo $KEY'",
            "sh -c 'cat<{folder}/get-key|sh'",
        ),
    ],
)
def test_nothing_that_a_task_could_change_is_run(tmp_path: Path, text: str) -> None:
    program = tmp_path / "get-key"
    program.write_text("#!/bin/sh\necho sk-planted\n")
    program.chmod(0o755)
    with pytest.raises(UserError, match="where a task could change it"):
        command(text.format(folder=tmp_path), tmp_path, PATH=f"{tmp_path}:{ENVIRON['PATH']}")


async def test_it_runs_where_no_task_works_and_asks_nobody(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd() + '|' + str(len(sys.stdin.read())))"
    asked = command(f'{sys.executable} -c "{program}"', tmp_path, HOME="/")
    assert await asked() == "/|0"
