"""kill -9 in the middle of a comparison of models: a resumption goes on with it, and its table is as if nothing was."""

import asyncio
import json
import random
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from agentbatch.rehearsal.rehearsal_model import solves
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

MODELS = ("rehearsal-coder-80", "rehearsal-coder-30")
TASKS, ATTEMPTS, KILLS = 3, 3, 4


def script(number: int) -> Script:
    work = Say(calls=[ScriptedCall(name="bash", arguments={"command": "echo right > a.txt"})])
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
    return Script(prompt=f"Task {number}.", coder=[work, finish], evaluator=[Say(verdict=COMPLETE)])


def write_tasks(folder: Path) -> None:
    tasks = []
    for number in range(TASKS):
        place = folder / f"work/t{number}"
        place.mkdir(parents=True)
        (place / "a.txt").write_text("old\n")
        tasks.append(
            {
                "id": f"t{number}", "dir": f"work/t{number}", "first_prompt": f"Task {number}.",
                "verify": "grep right a.txt", "max_iterations": 2,
            }
        )  # fmt: skip
    (folder / "task.json").write_text(json.dumps({"tasks": tasks}))


async def test_nothing_is_done_twice(tmp_path: Path, environ: dict[str, str]) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    write_tasks(tmp_path)
    in_flight = 0
    async with RehearsalServer([script(n) for n in range(TASKS)], key=KEY, latency=0.05) as server:
        url = server.base_url
        env = {
            **environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "EVALUATION_MODEL": "rehearsal-evaluator",
        }  # fmt: skip
        more = ("--parallel", "4", "--display", "plain", "--retry-delay", "0.2", "--tool-mode", "native")
        first = ("compare", "--models", ",".join(MODELS), "--attempts", str(ATTEMPTS), *more)

        def answered() -> int:
            (database,) = tmp_path.glob(".agentbatch/runs/*/run.db")
            with closing(sqlite3.connect(database)) as connection:
                query = "SELECT count(*) FROM events WHERE type = 'model_call_finished'"
                return int(connection.execute(query).fetchone()[0])

        async def run(words: tuple[str, ...], kill_after: int = 0) -> tuple[int, str]:
            """One process; killed so many requests from now."""
            output = tmp_path / "output.txt"
            goal = len(server.requests) + kill_after
            process = commands.start(*words, cwd=tmp_path, env=env, output=output)
            async with asyncio.timeout(PATIENCE):
                while kill_after and process.returncode is None and len(server.requests) < goal:
                    await asyncio.sleep(0.005)
                if kill_after and process.returncode is None:
                    process.send_signal(signal.SIGKILL)
                code = await process.wait()
            await asyncio.sleep(0.3)  # what it had sent may still lie in the sockets
            return code, output.read_text()

        words: tuple[str, ...] = first
        for _ in range(KILLS):
            code, said = await run(words, chance.randint(4, 14))
            assert code == -signal.SIGKILL, f"seed {seed}: {said}"
            in_flight = len(server.requests) - answered()
            words = ("resume", "--display", "plain")
        code, said = await run(words)
        solved = {
            model: sum(solves(model, f"Task {n}.", s) for n in range(TASKS) for s in range(1, ATTEMPTS + 1))
            for model in MODELS
        }
        every = {
            task: any(solves(m, f"Task {task}.", s) for m in MODELS for s in (1, 2, 3))
            for task in range(TASKS)
        }
        assert code == (0 if all(every.values()) else 1), f"seed {seed}: {said}"
        asked = len(server.requests)
        await run(words)
        assert len(server.requests) == asked, "a comparison that is over calls nobody"
    coder = Counter(
        json.dumps(one.body, sort_keys=True) for one in server.requests if one.body.get("model") in MODELS
    )
    assert sum(number - 1 for number in coder.values()) <= in_flight, f"seed {seed}"
    summary = json.loads((tmp_path / "parallel_batch_results.json").read_text())["summary"]
    models = summary["comparison"]["models"]
    assert [(one["model"], one["solved"], one["attempts"], one["notCounted"]) for one in models] == [
        (model, solved[model], TASKS * ATTEMPTS, 0) for model in MODELS
    ], f"seed {seed}"
    assert [(tmp_path / f"work/t{n}/a.txt").read_text() for n in range(TASKS)] == ["old\n"] * TASKS
