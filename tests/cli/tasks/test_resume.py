"""`agentbatch resume` and `--resume`: which run is meant, which flags hold, what cannot be gone on with."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.cli.flags import first_word, given_flags
from agentbatch.cli.main import parse
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder, create_run_folder
from agentbatch.runs.listing import recorded
from agentbatch.runs.store.store import Store
from tests.support import commands
from tests.support.keys import KEY, without_settings
from tests.support.refusing_server import refusing_server

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (tmp_path / "home").mkdir()
    write_tasks(place, "a")
    return place


@pytest.fixture
def command(folder: Path) -> Iterator[Command]:
    """The command as a user runs it, at an endpoint that refuses everything: each task fails at once."""
    environ = without_settings(folder.parent / "home") | {"OPENAI_API_KEY": KEY}

    def run(*words: str, cwd: Path = folder) -> subprocess.CompletedProcess[str]:
        return commands.run(*words, cwd=cwd, env=environ)

    with refusing_server() as environ["OPENAI_BASE_URL"]:
        yield run


def write_tasks(folder: Path, *names: str, file: str = "task.json") -> None:
    tasks = [{"id": name, "dir": f"work/{name}", "first_prompt": f"Make {name}."} for name in names]
    (folder / file).write_text(json.dumps({"tasks": tasks}))


def runs(folder: Path) -> list[RunFolder]:
    return [RunFolder(path) for path in sorted((folder / ".agentbatch/runs").iterdir())]


def damage(run: RunFolder, statement: str) -> None:
    with closing(sqlite3.connect(run.database)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["resume"], "resume"),
        (["--serial", "resume"], "resume"),
        (["--parallel", "3", "src"], "src"),
        (["--parallel=3", "src"], "src"),
        (["--wait-for-quota", "6h", "src"], "src"),
        (["--wait-for-quota", "--verbose", "src"], "src"),
        (["--wait-for-quota=6h", "src"], "src"),
        (["--concurrency", "3", "src"], "src"),
        (["--parallel", "src"], None),  # what stands behind it is its number, right or wrong
        (["--parallel", "3", "4"], "4"),
        (["--timeout", "resume", "src"], "src"),
        (["--timeout=5", "src"], "src"),
        (["-t", "resume", "src"], "src"),
        (["--tasks", "status"], None),
        (["--env-file", "status", "logs"], "logs"),
        (["--stale", "src"], "src"),
        (["-v", "src"], "src"),
        (["--timeout"], None),
        (["--", "--odd"], "--odd"),
        (["--"], None),
        (["-"], "-"),
    ],
)
def test_the_first_word_is_neither_a_flag_nor_the_value_of_one(
    words: list[str], expected: str | None
) -> None:
    place = first_word(words)
    assert (place if place is None else words[place]) == expected


def test_a_word_is_told_apart_from_a_value_like_it() -> None:
    assert first_word(["-t", "src", "src"]) == 2


def test_words_that_are_paths_are_a_selection(folder: Path) -> None:
    args = parse([f"{folder}/src", "--parallel", "3", f"{folder}/lib"])
    assert given_flags(args) == {
        "paths": [f"{folder}/src", f"{folder}/lib"],
        "parallel": "3",
        "mode": "parallel",
    }


def test_a_command_gets_its_own_flags() -> None:
    args = parse(["resume", "r1", "--max-cost", "3", "--parallel"])
    assert args.run == "r1"
    assert given_flags(args) == {"max_cost": "3", "mode": "parallel"}
    assert given_flags(parse(["resume", "--env-file", "k.env", "--serial"])) == {
        "env_file": "k.env", "mode": "serial"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "said"), [("resum", "agentbatch resume"), ("frobnicate", "the commands are init, ")]
)
def test_what_is_neither_a_command_nor_a_path_is_named(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        parse([word])
    assert f"no path '{word}'" in str(caught.value)


def test_the_flags_of_the_run_hold_until_others_are_given(folder: Path, command: Command) -> None:
    write_tasks(folder, "a", "b", file="mine.json")
    first = command("-t", "mine.json", "--parallel", "2", "--max-tokens", "1", "--output", "out.json")
    assert first.returncode == 1, first.stderr
    (run,) = runs(folder)
    assert f"agentbatch resume {run.run_id}" in first.stdout
    assert recorded(run).flags["max_tokens"] == "1"
    second = command("resume", "--max-tokens", "1000000", "--retry-failed")
    assert second.returncode == 1, second.stdout + second.stderr
    info = recorded(run)
    assert (info.session, info.max_concurrent, info.settings["max_tokens"]) == (2, 2, 1_000_000)
    assert info.flags == {
        "tasks": "mine.json", "parallel": "2", "mode": "parallel", "max_tokens": "1000000", "output": "out.json"
    }  # fmt: skip
    assert json.loads((folder / "out.json").read_text())["summary"]["totalTasks"] == 2
    assert "max_tokens 1 -> 1000000" in second.stdout
    third = command("resume", run.run_id[:-1], "--serial")
    assert (third.returncode, recorded(run).mode, recorded(run).max_concurrent) == (1, "serial", 1)


@pytest.mark.slow
def test_the_same_command_with_resume_finds_the_run_of_its_task_file(folder: Path, command: Command) -> None:
    write_tasks(folder, "b", file="other.json")
    command()
    (mine,) = runs(folder)
    command("-t", "other.json")
    command("--resume")
    assert (recorded(mine).session, len(runs(folder))) == (2, 2)
    # Asking for failed ones, or for all, is going on as well.
    command("--force")
    command("--retry-failed")
    assert (recorded(mine).session, len(runs(folder))) == (4, 2)


def test_without_an_earlier_run_of_the_task_file_a_new_one_starts(folder: Path, command: Command) -> None:
    done = command("--resume")
    assert "no run of this task file" in done.stderr
    (run,) = runs(folder)
    assert recorded(run).session == 1


def test_a_run_of_another_folder_names_it(folder: Path, command: Command) -> None:
    command()
    (run,) = runs(folder)
    done = command("resume", str(run.path), cwd=folder.parent)
    assert done.returncode == 2
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_run_that_never_began_is_told(folder: Path, command: Command) -> None:
    store = Store(create_run_folder(folder, datetime(2026, 1, 1)), Redactor([]))
    await store.close()
    done = command("resume")
    assert done.returncode == 2
    assert "interrupted before it began" in done.stderr
    # It is none to go on with, and stands in nobody's way.
    again = command("--resume")
    assert "no run of this task file" in again.stderr
    assert len(runs(folder)) == 2


def test_what_cannot_be_found_is_a_sentence(folder: Path, command: Command) -> None:
    none = command("resume")
    assert (none.returncode, "no runs in this folder" in none.stderr) == (2, True)
    command()
    unknown = command("resume", "2020")
    assert unknown.returncode == 2
    assert "There is no run '2020' here." in unknown.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "UPDATE events SET body = '{}' WHERE type = 'run_started'",
        "UPDATE tasks SET body = '{'",
    ],
)
def test_a_damaged_run_is_told_without_a_trace(folder: Path, command: Command, statement: str) -> None:
    assert command("--max-tokens", "1").returncode == 1
    (run,) = runs(folder)
    damage(run, statement)
    done = command("resume")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert run.run_id in done.stderr


@pytest.mark.slow
def test_a_newer_run_that_cannot_be_read_is_named_before_an_older_one_is_taken(
    folder: Path, command: Command
) -> None:
    command()
    (older,) = runs(folder)
    command()
    newer = max(runs(folder), key=lambda run: run.database.stat().st_mtime_ns)
    damage(newer, "UPDATE events SET body = '{}' WHERE type = 'run_started'")
    done = command("--resume")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert newer.run_id in done.stderr
    assert recorded(older).session == 1


@pytest.mark.slow
def test_what_failed_for_one_reason_runs_again_alone(folder: Path, command: Command) -> None:
    write_tasks(folder, "a", "b")
    document = json.loads((folder / "task.json").read_text())
    document["tasks"][1]["setup"] = "test -e ready"
    (folder / "task.json").write_text(json.dumps(document))
    none = command("--reason", "setup")
    assert none.stderr == "agentbatch: --reason: there is no run of this task file to resume.\n"
    first = command("--parallel", "2")
    (run,) = runs(folder)
    assert reasons(folder) == {"a": "model_error", "b": "setup"}
    assert f"Only some    agentbatch resume {run.run_id} --reason setup" in first.stdout
    refused = command("resume", "--reason", "stalled")
    said = f"no task of run {run.run_id} ended with stalled; there are model_error (1), setup (1)."
    assert (refused.returncode, refused.stderr) == (2, f"agentbatch: --reason: {said}\n")
    (folder / "work/b/ready").touch()
    again = command("resume", "--reason", "setup,stalled")
    assert "task 2/2: started: b" in again.stdout
    assert "task 1/2: started: a" not in again.stdout
    assert reasons(folder) == {"a": "model_error", "b": "model_error"}
    assert "--reason" not in again.stdout, "there is one reason left"
    assert "reason" not in recorded(run).flags, "it held once"


def reasons(folder: Path) -> dict[str, str]:
    results = json.loads((folder / "parallel_batch_results.json").read_text())["results"]
    return {result["task"]["id"]: result["result"]["reason"] for result in results}
