import shlex
import string
import subprocess
from collections.abc import Iterator

import pytest

from agentbatch.tasks.spec.generated.placeholders import (
    BadPlaceholder,
    fill,
    fill_command,
    fill_id,
    fill_pattern,
)

VALUES = {"path": "src/a.py", "name": "a", "parent": "src", "n": "1"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Document {path} ({n}).", "Document src/a.py (1)."),
        ("{path}{name}{{name}}", "src/a.pya{name}"),
        ("{{{name}}}", "{{name}}"),
        ("print(f'{value}') {} {0} {x: 1} { name }", "print(f'{value}') {} {0} {x: 1} { name }"),
        ("${name} $${name} {{ name }} {i} {x}", "${name} $${name} {{ name }} {i} {x}"),
        ("{{value}} {{pat}}", "{{value}} {pat}"),
        ("{a}{b}", "{a}{b}"),
    ],
)
def test_filling_in_a_text_that_may_hold_code(text: str, filled: str) -> None:
    assert fill(text, VALUES, free=True) == filled


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("{pat}", "path"),
        ("{paths}", "path"),
        ("{pahT}", ""),
        ("{paht}", "path"),
        ("{Name}", "name"),
        ("{m}", ""),
    ],
)
def test_a_name_one_letter_off_is_an_error(text: str, near: str) -> None:
    if not near:
        assert fill(text, VALUES, free=True) == text
        return
    with pytest.raises(BadPlaceholder) as error:
        fill(text, VALUES, free=True)
    assert f"did you mean {{{near}}}? To keep it as it is, write {{{text}}}." in str(error.value)


def test_where_no_code_can_be_every_unknown_name_is_an_error() -> None:
    with pytest.raises(BadPlaceholder, match="there is {path}, {name}, {parent}, {n}"):
        fill("out/{language}", VALUES, free=False)
    assert fill("out/${language}/{name}", VALUES, free=False) == "out/${language}/a"


def test_what_cannot_stand_in_an_id_becomes_a_dash() -> None:
    assert fill_id("doc-{path}", {"path": "src/a b/ü.py"}) == "doc-src-a-b-ü.py"


def test_a_value_stands_for_itself_in_a_pattern() -> None:
    assert fill_pattern("out/{name}/*.md", {"name": "[a]*?"}) == "out/[[]a][*][?]/*.md"


HOSTILE = [
    "a b",
    "$(touch hit)",
    "`touch hit`",
    "'; touch hit; '",
    '"; touch hit; "',
    "a\\",
    "*",
    "~",
    "#x",
    "x;touch hit",
    "!!",
    "é 文",
]
PLACES = [
    "printf %s {path}",
    "printf %s x{path}y",
    "printf %s '' \"\" {path}",
    "true # it's\nprintf %s {path}",
    "printf %s a#b {path}",
    "printf %s \\' {path}",
    "(printf %s {path}) && true",
    'printf %s "{path}"',
    "printf %s '{path}'",
    "printf %s `echo {path}`",
    'printf %s "$(echo {path})"',
    'printf %s "$(echo "{path}")"',
    "printf %s $'\\'{path}'",
    'printf %s "${X:-"{path}"}"',
    "cat <<E\n{path}\nE",
    "printf %s \\{path}",
    "true # {path}",
    "echo a\\\n#' {path}'",
]


@pytest.mark.parametrize("command", PLACES)
@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_breaks_out_of_a_command(
    command: str, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where it is filled in, bash sees one word; where that cannot be, it is refused."""
    folder = tmp_path_factory.mktemp("shell")
    if command not in PLACES[:7]:
        with pytest.raises(BadPlaceholder, match="characters that the shell reads"):
            fill_command(command, {"path": value})
        return
    filled = fill_command(command, {"path": value})
    done = subprocess.run(
        ["bash", "-c", filled], cwd=folder, capture_output=True, text=True, timeout=300, check=True
    )
    assert value in done.stdout
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", PLACES)
def test_a_plain_value_can_stand_anywhere(command: str) -> None:
    assert fill_command(command, {"path": "src/a-1.py"}) == command.replace("{path}", "src/a-1.py")


def test_every_character_the_shell_reads_is_quoted() -> None:
    def special() -> Iterator[str]:
        for character in string.printable:
            if not character.isalnum() and character not in "@%+=:,./-_":
                yield character

    for character in special():
        assert shlex.split(fill_command("x {path}", {"path": f"a{character}b"})) == ["x", f"a{character}b"]
        with pytest.raises(BadPlaceholder):
            fill_command("x '{path}'", {"path": f"a{character}b"})
