"""Batches in containers of podman, by the installed command: the samples, kills, an agent of somebody else's."""

import asyncio
import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.workspace.local_workspaces import mark_of
from tests.support import commands
from tests.support.acp import AGENT
from tests.support.containers import containers_of, image, podman
from tests.support.keys import KEY
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE, until
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

KILLS = 6


@pytest.fixture
def whole() -> str:
    return image(podman(), "whole")


def left(folder: Path) -> list[str]:
    """Containers of its runs, in whatever state."""
    return [one for run in (folder / ".agentbatch/runs").iterdir() for one in containers_of(run / "tasks")]


def test_the_sample_batch_completes_in_containers(folder: Path, agentbatch: Any, whole: str) -> None:
    shutil.copy(CHECKOUT / "task.json", folder)
    done = agentbatch("--sandbox", "podman", "--image", whole, "--parallel", "3", "--display", "plain")
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "parallel_batch_results.json").read_text("utf-8"))
    assert results["run"]["sandbox"] == "podman"
    assert {task["result"]["status"] for task in results["results"]} == {"completed"}
    made = [path for path in (folder / "workspace").rglob("*") if path.is_file()]
    assert made
    assert {path.stat().st_uid for path in made} == {os.getuid()}
    assert left(folder) == []


async def test_killed_again_and_again_nothing_is_left_and_all_completes(
    folder: Path, environ: dict[str, str], whole: str, tmp_path: Path
) -> None:
    shutil.copy(CHECKOUT / "task.json", folder)
    chance = random.Random(18)
    flags = ("--sandbox", "podman", "--image", whole, "--parallel", "4", "--display", "plain")
    for number in range(KILLS):
        begin = ("--resume",) if number else ()
        output = tmp_path / f"{number}.txt"
        engine = commands.start(*begin, *flags, cwd=folder, env=environ, output=output)
        # Not before it can be resumed, which a kill of the very beginning prevents.
        await until(lambda: list((folder / ".agentbatch").glob("runs/*/tasks/.engine")))
        await asyncio.sleep(chance.uniform(0.0, 5.0))
        if engine.returncode is not None:
            break
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        await until(lambda: left(folder) == [], "containers outlive the engine")
    last = commands.start("--resume", *flags, cwd=folder, env=environ, output=tmp_path / "last.txt")
    async with asyncio.timeout(PATIENCE):
        assert await last.wait() == 0, (tmp_path / "last.txt").read_text()
    assert left(folder) == []
    results = json.loads((folder / "parallel_batch_results.json").read_text("utf-8"))
    assert [task["result"]["status"] for task in results["results"]] == ["completed"] * 10


def test_prune_removes_what_a_killed_run_could_not(folder: Path, agentbatch: Any, whole: str) -> None:
    """A container whose start a kill of the client cut off: nothing of it waits for anything."""
    shutil.copy(CHECKOUT / "task.json", folder)
    flags = ("--sandbox", "podman", "--image", whole, "--limit", "1", "--display", "none")
    assert agentbatch(*flags).returncode == 0
    (run,) = (folder / ".agentbatch/runs").iterdir()
    mark = mark_of(run / "tasks")
    others = mark_of(folder)
    for one in (mark, others):
        podman().ask(
            "create", "--label", f"agentbatch.mark={one}", "--entrypoint", "bash", whole, "-c", "true"
        )
    assert len(containers_of(run / "tasks")) == 1
    done = agentbatch("prune", "--keep", "0", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert containers_of(run / "tasks") == []
    (other,) = containers_of(folder)
    podman().ask("rm", "--force", other)


LEFT = {"spawn": "touch left; exec sleep 600"}
CALL = {"call": "Task."}
FIRST = [CALL, LEFT, {"run": "echo one >> a.txt"}, {"run": "touch begun; sleep 600"}]
SECOND = [CALL, {"run": "echo right >> a.txt"}, {"say": "Done."}]


@pytest.mark.parametrize("network", [(), ("--no-network",)])
async def test_an_agent_in_a_container_is_killed_and_goes_on(
    tmp_path: Path, environ: dict[str, str], whole: str, network: tuple[str, ...]
) -> None:
    """It reaches its model by the gateway alone, its session lies in its HOME."""
    folder = tmp_path / "batch"
    (folder / "agents").mkdir(parents=True)
    (folder / "t").mkdir()
    command = json.dumps(["python3", "-I", "-S", "agent.py", "script.json"])
    env = '{FAKE_URL = "{url}", FAKE_TOKEN = "{token}", FAKE_MODEL = "any"}'
    (folder / "agents/coders.toml").write_text(
        f'[fake]\nprotocol = "acp"\ncommand = {command}\nenv = {env}\n'
    )
    (folder / "t/agent.py").write_text(AGENT.read_text())
    (folder / "t/script.json").write_text(json.dumps({"turns": [FIRST, SECOND], "heard": "heard.jsonl"}))
    task = {"id": "t", "dir": "t", "first_prompt": "Task.", "verify": "grep right a.txt", "image": whole}
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}))
    script = Script(prompt="Task.", coder=[Say(content="Words.")], evaluator=[Say(verdict=COMPLETE)])
    async with RehearsalServer([script], key=KEY) as server:
        variables = {
            **environ,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.base_url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
        }
        flags = ("--coder", "fake", "--display", "plain", *network)
        first = tmp_path / "first.txt"
        engine = commands.start(*flags, cwd=folder, env=variables, output=first)
        begun = [folder / "t" / name for name in ("begun", "left")]
        await until(lambda: all(file.exists() for file in begun) or engine.returncode is not None)
        assert engine.returncode is None, first.read_text()
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        await until(lambda: left(folder) == [], "containers outlive the engine")
        second = tmp_path / "second.txt"
        resumed = commands.start("--resume", *flags, cwd=folder, env=variables, output=second)
        async with asyncio.timeout(PATIENCE):
            assert await resumed.wait() == 0, second.read_text()
    assert left(folder) == []
    assert (folder / "t/a.txt").read_text() == "one\nright\n"
    heard = [json.loads(line) for line in (folder / "t/heard.jsonl").read_text().splitlines()]
    sessions = [one["method"] for one in heard if one["method"].startswith("session/")]
    assert sessions == ["session/new", "session/prompt", "session/load", "session/prompt"]
    assert len([one for one in heard if one["method"] == "call"]) == 2


def test_what_is_missing_is_said_before_the_run(folder: Path, agentbatch: Any) -> None:
    bare = image(podman(), "bare")
    shutil.copy(CHECKOUT / "task.json", folder)
    for name, told in (
        (bare, "has no bash"),
        ("localhost:9/none:1", "The image localhost:9/none:1 cannot be had"),
    ):
        done = agentbatch("--sandbox", "podman", "--image", name, "--display", "plain")
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr
        assert not (folder / "workspace").exists()
