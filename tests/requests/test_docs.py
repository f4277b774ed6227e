"""docs/requests.md is true: its examples run, and it names what there is."""

import argparse
import asyncio
import inspect
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

import agentbatch.requests
from agentbatch.cli.main import parse
from agentbatch.cli.requests import bench, cache, command
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests.spec.make import Recipe, make, read_prompt
from agentbatch.requests.spec.request import read_line
from tests.support.commands import start_program
from tests.support.keys import KEY
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE

PAGE = (CHECKOUT / "docs" / "requests.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.M))
FLAGS_OF_OTHERS = {"--now", "--parallel"}
"""Of `agentbatch stop`, and of llama-server."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def example(word: str) -> str:
    """The Python example in which this word stands."""
    (found,) = [block for block in blocks("python") if word in block]
    return found


async def output_of(code: str, folder: Path, server: RehearsalServer) -> list[str]:
    """The lines that an example writes, run as a file of its own."""
    (folder / "example.py").write_text(code, encoding="utf-8")
    environ = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    process = start_program(folder / "example.py", cwd=folder, env=environ)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def output_of_new_interpreter(code: str, folder: Path, server: RehearsalServer) -> list[str]:
    """The same, with all that is imported for it: nothing of it warns."""
    (folder / "example.py").write_text(code, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "example.py", cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def test_summaries_of_files_go_on_where_they_ended(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "notes" / f"{name}.md").write_text(f"What happened on day {name}.")
    refused = Fault(status=400, message="Not today.")
    async with RehearsalServer(plain=True, key=KEY, faults=[refused]) as server:
        told = await output_of(example("Summarize this"), tmp_path, server)
        assert told[0].startswith("Estimate(requests=3, ")
        (failed,) = [line for line in told[1:-1] if line.startswith("notes/")]
        assert "Not today." in failed
        assert told[-1].startswith("2 1 ")
        written = sorted((tmp_path / "notes").glob("*.txt"))
        assert len(written) == 2
        assert all(path.read_text() for path in written)
        await output_of(example("Summarize this"), tmp_path, server)
        assert len(server.requests) == 3  # the journal knew all of them


async def test_classification_has_a_fallback(tmp_path: Path) -> None:
    async with RehearsalServer(plain=True, key=KEY, faults=[Fault(status=400, message="No.")]) as server:
        told = await output_of(example("def by_hand"), tmp_path, server)
    (failed,) = [line.removeprefix("failed: ") for line in told[:-3]]
    labels = dict(line.split() for line in told[-3:])
    assert list(labels) == ["r1", "r2", "r3"]
    assert labels.pop(failed) == "unknown"
    assert set(labels.values()) <= {"good", "bad", "neither"}
    assert len(server.requests) == 3


async def test_chunks_under_a_rate_limit(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Geese went north, and it was quiet. " * 1_000)
    async with RehearsalServer(plain=True, key=KEY) as server:
        told = await output_of(example("book.txt"), tmp_path, server)
        assert told[-1].startswith("5 parts: ")
        assert len(told[-1]) > len("5 parts: ")
        assert server.requests[-1].body["messages"][0]["content"].startswith("Make one summary of these:\n\n")
        await output_of(example("book.txt"), tmp_path, server)
        assert len(server.requests) == 6  # the second time all answers were kept


async def test_metrics_and_giving_up(tmp_path: Path) -> None:
    bad = Fault(status=400, message="odd", times=100_000)
    async with RehearsalServer(plain=True, key=KEY, faults=[bad]) as server:
        told = await output_of(example("def watch"), tmp_path, server)
    assert told[0].startswith("requests_failed ")
    assert told[-1] == "More than a tenth failed. 0"
    assert len(server.requests) < 2_000


@pytest.mark.slow
async def test_the_provider_s_batch_service(tmp_path: Path) -> None:
    async with RehearsalServer(plain=True, key=KEY, batch_service=True) as server:
        told = await output_of_new_interpreter(example("provider_batch=True"), tmp_path, server)
    assert told[-1].split()[0] == "1000"
    assert not [r for r in server.requests if r.path.endswith("/chat/completions")]


def test_every_example_is_run() -> None:
    words = ("Summarize this", "def by_hand", "book.txt", "def watch", "provider_batch=True")
    assert sorted(map(example, words)) == sorted(blocks("python"))


def test_the_lines_of_input() -> None:
    (block,) = blocks("json")
    assert [read_line(line, "docs").id for line in block.splitlines()] == ["a1", "a2"]


def test_the_prompt_file(tmp_path: Path) -> None:
    (block,) = blocks("text")
    (tmp_path / "quiz.md").write_text(block)
    prompt = read_prompt(tmp_path / "quiz.md")
    (line,) = make(Recipe(prompt, prompt.settings, {"topic": ["cats"], "level": [3]}))
    asked = read_line(line, "docs")
    assert (asked.id, asked.body["max_tokens"]) == ("cats-3", 80)
    assert [message["content"] for message in asked.body["messages"]] == [
        "You write quiz questions for children.",
        "A question about cats, level 3 of 3.",
    ]


def test_the_commands_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) > 5
    for line in lines:
        command, *words = shlex.split(line, comments=True)
        assert command == "agentbatch"
        try:
            parse(words)
        except SystemExit:
            pytest.fail(f"{line}: {capsys.readouterr().err}")


def test_the_public_names() -> None:
    table = PAGE.partition("### Names of `agentbatch.requests`")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(agentbatch.requests.__all__)


def test_what_the_public_names_are_said_to_have() -> None:
    table = PAGE.partition("### Names of `agentbatch.requests`")[2]
    others = {"on_progress", "str"}
    for name, told in re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M):
        kind = getattr(agentbatch.requests, name)
        has = {*dir(kind), *getattr(kind, "__annotations__", ()), *inspect.signature(kind).parameters}
        words = set(re.findall(r"`(?:\w+\.)?(\w+)(?:[(=][^`]*)?`", told))
        assert words - has - others == set(), name


def flags_of(*words: str) -> set[str]:
    """The long flags of a command."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for module in (command, cache, bench):
        module.add_parser(subparsers)
    for word in words:
        (choices,) = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        parser = choices[word]
    return {flag for action in parser._actions for flag in action.option_strings if flag[:2] == "--"} - {
        "--help"
    }


def named(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


APART = {
    "requests make": "Making the input",
    "cache": "Cache",
    "bench requests": "Measuring",
}
"""The sections of the other commands; all the rest is about `requests run`."""


@pytest.mark.parametrize("words", ["requests run", *APART])
def test_every_flag_is_named_where_its_command_is(words: str) -> None:
    rest = "".join(text for title, text in SECTIONS.items() if title not in APART.values())
    text = SECTIONS[APART[words]] if words in APART else rest
    assert flags_of(*words.split()) - named(text) == set()


def test_every_flag_that_is_named_exists() -> None:
    commands = ("requests run", "requests answers", *APART)
    known = set[str]().union(*(flags_of(*words.split()) for words in commands))
    assert named(PAGE) - known - FLAGS_OF_OTHERS == set()
