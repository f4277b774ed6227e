"""A check that a model wrote: how it is run, and what its run says."""

import subprocess
from pathlib import Path

import pytest

from agentbatch.tasks.evaluator.checks.own.script import (
    OwnCheck,
    came_to_its_end,
    cannot_run,
    in_words,
    language_of,
)

NONCE = "end-of-check-1"


def ran(check: OwnCheck, folder: Path) -> tuple[int | None, str]:
    command = ["bash", "-c", check.command(NONCE)]
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return came_to_its_end(check, done.returncode, done.stdout, NONCE)


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("import prog\nassert prog.f(2) == 4", 0, ""),
        ("import prog\nassert prog.f(2) == 5, f'f(2) gave {prog.f(2)}, not 5'", 1, "f(2) gave 4, not 5"),
        ("import sys\nsys.exit(0)", 0, ""),
        ("import sys\nsys.exit('no 7 in it')", 1, "no 7 in it"),
        ("import sys\nsys.exit(3)", 3, ""),
        ("import ends\nraise SystemExit(1)", 1, "The program ended the process before the check was over."),
        ("import dies\nraise SystemExit(1)", 1, "The program ended the process before the check was over."),
        ("import leaves\nassert False, 'wrong'", 1, "AssertionError: wrong"),
        ("import leaves\nprint('no end of line', end='')", 0, "no end of line"),
        ("import sys\nsys.exit(256)", 1, ""),
        ("def broken(:", 126, "SyntaxError"),
        ("print('quoted \"and\" $HOME `ls`')", 0, 'quoted "and" $HOME `ls`'),
    ],
)
def test_a_python_script_passes_only_when_it_comes_to_its_end(
    tmp_path: Path, script: str, code: int, said: str
) -> None:
    (tmp_path / "prog.py").write_text("def f(n):\n    return n * n\n")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "dies.py").write_text("import os\nos._exit(0)\n")
    hides = "import atexit, os\natexit.register(os._exit, 0)\nos._exit = lambda *_: 0\n"
    (tmp_path / "leaves.py").write_text(hides)
    exit_code, output = ran(OwnCheck("it", script, "python"), tmp_path)
    assert exit_code == code
    assert said in output
    assert NONCE not in output
    assert "<string>" not in output


@pytest.mark.parametrize(
    ("script", "code", "unusable"),
    [
        ("test -f prog.py", 0, ""),
        ("./tool.sh | grep -q 7", 1, ""),
        ("./tool.sh", 127, ""),
        ("if true; then", 126, "it has a syntax error"),
        ('echo "open', 126, "it has a syntax error"),
        ("no-such-command-at-all x", 127, "it needs a command that is not here"),
        ("exec no-such-python x", 127, "it needs a command that is not here"),
    ],
)
def test_a_bash_script_that_cannot_run_is_told_from_one_whose_work_is_not_there_yet(
    tmp_path: Path, script: str, code: int, unusable: str
) -> None:
    (tmp_path / "prog.py").write_text("")
    exit_code, output = ran(OwnCheck("it", script), tmp_path)
    assert exit_code == code
    assert cannot_run(exit_code, output) == unusable


def test_a_check_that_does_not_end_before_the_work_is_none() -> None:
    assert cannot_run(None, "") == "it did not end within its time"


@pytest.mark.parametrize(
    ("script", "named", "language"),
    [
        ("#!/usr/bin/env python3\nprint()", "bash", "python"),
        ("#!/bin/bash\ntrue", "python", "bash"),
        ("print()", "Python", "python"),
        ("true", "", "bash"),
        ("true", "perl", "bash"),
    ],
)
def test_the_language_of_a_script(script: str, named: str, language: str) -> None:
    assert language_of(script, named) == language


def test_the_coder_is_told_what_came_of_it_and_nothing_of_the_script() -> None:
    script = "import prog\nassert prog.f(3) == 9, 'nine'"
    output = (
        'Traceback (most recent call last):\n  File "<check>", line 2, in <module>\n'
        "    assert prog.f(3) == 9, 'nine'\n           ^^^^^^^^\nAssertionError: nine\n"
    )
    told = in_words(OwnCheck("f squares", script, "python"), 1, output)
    assert told == "A check of this requirement failed: f squares. It said:\nAssertionError: nine"
    assert in_words(OwnCheck("It squares!", script), 2, "").endswith("squares! It ended with exit code 2.")
    assert in_words(OwnCheck("it", script), None, "").endswith("It did not end within its time.")
