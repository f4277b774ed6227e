"""Completions in real shells: bash, and by hand zsh and fish, whose syntax is checked where they are."""

import argparse
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentbatch.cli.commands import COMMANDS
from agentbatch.cli.completions import bash, fish, zsh
from agentbatch.cli.completions.words import Flag, Level, Value, below, levels

TRY = r"""
try() { COMP_WORDS=(agentbatch "$@"); COMP_CWORD=$#; _agentbatch; printf '%s\n' "${COMPREPLY[*]}"; }
"""


def small() -> list[Level]:
    """Of parsers as ours are."""
    root = argparse.ArgumentParser(add_help=False)
    root.add_argument("--display", metavar="plain|json", help="how to show it (AGENTBATCH_DISPLAY)")
    root.add_argument("--parallel", metavar="N", nargs="?", help="tasks at a time [3]")
    root.add_argument("--hidden", help=argparse.SUPPRESS)
    commands = root.add_subparsers()
    show = commands.add_parser("show", add_help=False)
    show.add_argument("task", metavar="TASK")
    show.add_argument("--diff", action="store_true", help="only what it changed, as a patch")
    show.add_argument("--run", metavar="RUN|FILE")
    inner = commands.add_parser("requests", add_help=False).add_subparsers()
    run = inner.add_parser("run", add_help=False, help="send them")
    run.add_argument("input", metavar="IN.jsonl")
    run.add_argument("-o", "--output", metavar="FOLDER")
    return list(below(root, (), ""))


def offered(folder: Path, found: Sequence[Level], *lines: Sequence[str]) -> list[list[str]]:
    """What bash offers for the last word of each line."""
    (folder / "script").write_text(bash.script(found) + TRY)
    tries = "\n".join("try " + " ".join(f"'{word}'" for word in line) for line in lines)
    done = subprocess.run(
        ["bash", "--norc", "-c", f". ./script\n{tries}"],
        cwd=folder, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    (folder / "script").unlink()
    return [line.split() for line in done.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two runs, and names in them that a hostile task could have left."""
    for run, tasks in (
        ("20260101-1", ("old",)),
        ("20260102-1", ("roman", "t@1", "中文", "-rf", "$(touch a)", "a;b", "x y")),
    ):
        for task in tasks:
            (tmp_path / ".agentbatch/runs" / run / "tasks" / task).mkdir(parents=True)
        (tmp_path / ".agentbatch/runs" / run / "run.db").touch()
    (tmp_path / ".agentbatch/runs/`touch b`").mkdir()
    (tmp_path / ".agentbatch/runs/`touch b`/run.db").touch()
    (tmp_path / "notes.jsonl").touch()
    (tmp_path / "docs").mkdir()
    return tmp_path


CASES = {
    ("s",): ["show"],
    ("",): ["show", "requests"],
    ("-",): ["--display", "--parallel"],
    ("--display", ""): ["plain", "json"],
    ("--display", "=", "p"): ["plain"],
    ("--display", "="): ["plain", "json"],
    ("--display", "show", ""): ["show", "requests"],
    ("--parallel", "-"): ["--display", "--parallel"],
    ("--parallel", "3", "sh"): ["show"],
    ("show", ""): ["roman", "t@1", "中文"],
    ("show", "ro"): ["roman"],
    ("show", "requests", "--"): ["--diff", "--run"],
    ("show", "--run", "20"): ["20260101-1", "20260102-1"],
    ("show", "--run", "n"): ["notes.jsonl"],
    ("requests", ""): ["run"],
    ("requests", "run", "no"): ["notes.jsonl"],
    ("requests", "run", "--output", "d"): ["docs"],
    ("requests", "run", "-"): ["-o", "--output"],
    ("show", "$(touch c)", "zzz"): [],
}


def test_bash_offers_what_may_follow_and_runs_nothing_that_lies_there(folder: Path) -> None:
    before = sorted(os.listdir(folder))
    assert dict(zip(CASES, offered(folder, small(), *CASES), strict=True)) == CASES
    assert sorted(os.listdir(folder)) == before


def test_where_nothing_has_run_nothing_is_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, small(), ("show", ""), ("show", "--run", "2")) == [[], []]


def test_what_a_level_is_made_of() -> None:
    root, show, requests, run = small()
    assert root.flags[0] == Flag(("--display",), "how to show it", Value(("plain", "json")))
    assert root.flags[1] == Flag(("--parallel",), "tasks at a time", Value(), may_stand_alone=True)
    assert (show.flags[0].value, show.flags[1].value) == (None, Value((), ("run", "file")))
    assert (requests.operands, run.words, run.about) == (Value(("run",)), ("requests", "run"), "send them")


def test_fish_and_zsh_get_the_same_words() -> None:
    told = fish.script(small())
    assert (
        r"complete -c agentbatch -n '__agentbatch_at \'show\'' -l run -r -F -a '(__agentbatch_runs)'" in told
    )
    assert (
        r"-n '__agentbatch_at \'requests run\'' -s o -l output -x -a '(__fish_complete_directories)'" in told
    )
    assert "'show --run') takes=one offered='' kinds='run file' ;;" in zsh.script(small())


@pytest.mark.slow
def test_every_command_and_flag_is_offered(folder: Path) -> None:
    found = levels()
    shown = [name for name, one in COMMANDS.items() if one.summary]
    root, stop = offered(folder, found, ("",), ("stop", "--"))
    assert root[: len(shown) + 1] == [*shown, "help"]
    assert stop == ["--help", "--now", "--wait"]
    for name, script in (
        ("zsh", zsh.script(found)),
        ("fish", fish.script(found)),
        ("bash", bash.script(found)),
    ):
        if shutil.which(name):
            subprocess.run([name, "-n"], input=script, text=True, check=True, capture_output=True)
