"""Commands that print a key, as real processes."""

import os
import sys
from pathlib import Path

import pytest

from agentbatch.config.key_command import KeyCommand
from agentbatch.errors import UserError

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/", "SECRET_SOURCE": "sk-from-the-environment"}


def command(text: str, folder: Path, timeout: float = 300.0, **more: str) -> KeyCommand:
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
        await command(text, tmp_path, 0.2 if "sleep" in text else 300.0)()
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


REFUSED = """
{ground}/get-key
sh {ground}/get-key
python3 --file={ground}/get-key
get-key
sh get-key
sh -c 'sh {ground}/get-key'
sh -c '. {ground}/get-key; echo $KEY'
sh -c 'cat<{ground}/get-key|sh'
sh {link}/get-key
sh {ground}/sub/../get-key
sh {ground}/not-yet-there
sh -c 'test -f {ground}/new && . {ground}/new; echo sk-x'
sh -c 'cd {ground}/sub && ./get-key'
env PYTHONPATH={ground}/sub python3 -m keys
python3 {ground}/sub
sh ./get-key
python3 ./sub
sh ../{name}/get-key
{elsewhere}/by-its-interpreter
sh -c {elsewhere}/by-its-interpreter
"""


@pytest.mark.parametrize("text", REFUSED.strip().splitlines())
@pytest.mark.parametrize("of", ["the run", "a task elsewhere"])
def test_nothing_that_a_task_could_change_is_run(tmp_path: Path, text: str, of: str) -> None:
    ground, elsewhere, link = tmp_path / "ground", tmp_path / "bin", tmp_path / "link"
    (ground / "sub").mkdir(parents=True)
    elsewhere.mkdir()
    link.symlink_to(ground)
    for place, interpreter in (
        (ground / "get-key", "/bin/sh"),
        (elsewhere / "by-its-interpreter", ground / "sh"),
    ):
        place.write_text(f"#!{interpreter}\necho sk-planted\n")
        place.chmod(0o755)
    text = text.format(ground=ground, elsewhere=elsewhere, link=link, name=ground.name)
    environ = {**ENVIRON, "PATH": f"{ground}:{ENVIRON['PATH']}"}
    folder, grounds = (ground, []) if of == "the run" else (tmp_path / "home", [tmp_path / "x", ground])
    if of != "the run" and text in ("sh get-key", "sh ./get-key", "python3 ./sub"):
        environ["HOME"] = str(ground)  # where it would run
        folder = ground
    if of != "the run" and text.startswith("sh ../"):
        folder.mkdir()
    with pytest.raises(UserError, match="where a task could change it"):
        KeyCommand(text, "N", folder=folder, environ=environ, grounds=grounds)


async def test_what_its_script_calls_comes_from_no_task_s_directory(tmp_path: Path) -> None:
    """By PATH, by Python's own path, or because it lies where the command runs."""
    ground = tmp_path / "ground"
    ground.mkdir()
    for name, text in (("helper", "#!/bin/sh\necho sk-planted\n"), ("planted.py", "KEY = 'sk-planted'\n")):
        (ground / name).write_text(text)
        (ground / name).chmod(0o755)
    script = tmp_path / "get-key"
    script.write_text(
        "#!/bin/sh\nhelper 2>/dev/null || python3 -c 'import planted; print(planted.KEY)' 2>/dev/null || echo sk-own\n"
    )
    script.chmod(0o755)
    environ = {"PATH": f"{ground}:{ENVIRON['PATH']}", "PYTHONPATH": str(ground), "HOME": str(ground)}
    asked = KeyCommand(str(script), "N", folder=tmp_path / "project", environ=environ, grounds=[ground])
    assert await asked() == "sk-own"


async def test_it_runs_where_no_task_works_and_asks_nobody(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd() + '|' + str(len(sys.stdin.read())))"
    asked = command(f'{sys.executable} -c "{program}"', tmp_path, HOME="/")
    assert await asked() == "/|0"
