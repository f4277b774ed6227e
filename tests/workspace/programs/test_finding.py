"""What is started as a program is nothing that a task could have put there, nor is what runs it."""

import os
import re
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.programs.finding import command_line, settled_path

NODE = "#!/usr/bin/env node\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`system` is where programs are, `task` where a coder works; `task` is first on PATH."""
    for name in ("system", "task/bin", "task/node_modules/.bin", "other"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def put(place: Path, name: str, text: str = "\x7fELF") -> Path:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def line(place: Path, *argv: str) -> list[str]:
    path = f"{place}/task/bin:node_modules/.bin::{place}/task/node_modules/.bin:{place}/system"
    found = command_line(argv, path, [place / "task", place / "other"])
    return [word.replace(f"{place}/", "") for word in found]


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("\x7fELF", []),
        (NODE, ["system/node"]),
        ("#! /usr/bin/env   node", ["system/node"]),
        ("#!/usr/bin/env -S node --no-warnings 'a b'\n", ["system/node", "--no-warnings", "a b"]),
        ("#!/usr/bin/env -S X=1 node\n", ["/usr/bin/env", "-S X=1 node"]),
        ("#!/usr/bin/env\n", ["/usr/bin/env"]),
        ("#!/bin/sh -e\nexec node\n", ["/bin/sh", "-e"]),
        ("#!/usr/bin/env shim\n", ["system/node", "system/shim"]),
        ("no script at all", []),
    ],
)
def test_planted_programs_are_passed_over(place: Path, text: str, begins: list[str]) -> None:
    put(place, "system/node")
    put(place, "system/shim", NODE)
    put(place, "system/agent", text)
    for planted in ("task/bin", "task/node_modules/.bin"):
        for name in ("agent", "node", "shim"):
            put(place, f"{planted}/{name}")
    assert line(place, "agent", "-x", "$y") == [*begins, "system/agent", "-x", "$y"]


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("agent", "in a directory where tasks work"),  # in the task's directory only
        ("./bin/agent", "not to be found"),
        ("bin/agent", "not to be found"),
        ("../system/good", "not to be found"),
        ("", "not to be found"),
        ("{place}/task/bin/agent", "where tasks work and could replace it"),
        ("{place}/system/linked", "where tasks work and could replace it"),  # npm link
        ("linked", "where tasks work and could replace it"),
        ("{place}/task/way", "where tasks work and could replace it"),  # a task's link to a good one
        ("of-the-task", "where tasks work and could replace it"),  # a virtual environment's script
        ("of-nothing", "nothing-there is not to be found"),
        ("round", "a script of a script"),
        ("not-executable", "not to be found"),
        ("folder", "not to be found"),
    ],
)
def test_what_is_refused(place: Path, program: str, says: str) -> None:
    put(place, "task/bin/agent")
    good = put(place, "system/good")
    put(place, "system/not-executable").chmod(0o644)
    (place / "system/folder").mkdir()
    (place / "system/linked").symlink_to(place / "task/bin/agent")
    (place / "task/way").symlink_to(good)
    put(place, "system/of-the-task", f"#!{put(place, 'task/.venv/bin/python')}\n")
    put(place, "system/of-nothing", "#!/usr/bin/env nothing-there\n")
    put(place, "system/round", f"#!{place}/system/round\n")
    with pytest.raises(UserError, match=re.escape(says)):
        line(place, program.format(place=place))


def test_a_path_in_which_nothing_can_be_made_any_more(tmp_path: Path) -> None:
    there = str(tmp_path)
    given = [there, "node_modules/.bin", "", f"{there}/not-yet", "/usr/bin", "."]
    assert settled_path(os.pathsep.join(given)) == f"{there}:/usr/bin"
