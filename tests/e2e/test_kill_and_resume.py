"""kill -9 at any moment, and resume: nothing is lost, nothing is done or paid for twice."""

import json
import random
import signal
from pathlib import Path

import pytest

from agentbatch.rehearsal.server import RehearsalServer
from tests.e2e.interrupted_batch import LINES, TASKS, InterruptedBatch, files_of, script
from tests.support.keys import KEY

QUICK = 6, 40
"""Tasks, and lines of the smallest file."""
WHOLE = TASKS, LINES
KILLS = [(2, QUICK), pytest.param(25, WHOLE, marks=pytest.mark.slow)]
"""How often it is killed, and the size of the batch."""
TWICE = [((True,), QUICK), pytest.param((False, True, True, False, True), WHOLE, marks=pytest.mark.slow)]
"""Whether each of the signals is followed by a second one, and the size of the batch."""


def scripts(lines: int = QUICK[1]) -> RehearsalServer:
    return RehearsalServer([script(n, lines) for n in range(TASKS)], key=KEY, latency=0.05)


@pytest.mark.parametrize(("kills", "size"), KILLS)
async def test_killed_at_random_moments_and_resumed(
    tmp_path: Path, environ: dict[str, str], kills: int, size: tuple[int, int]
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    count, lines = size
    async with scripts(lines) as server:
        batch = InterruptedBatch(tmp_path / "disturbed", server, environ, count=count)
        for _ in range(kills):
            await batch.start()
            assert await batch.until_calls(chance.randint(1, 12)), f"seed {seed}: {batch.output}"
            await batch.pause_before_kill(chance.random() * 0.15)
            await batch.kill(signal.SIGKILL)
        assert await batch.finish() == 0, f"seed {seed}: {batch.output}"
    batch.check_finished()
    assert batch.files() == files_of(count, lines), f"seed {seed}"
    assert batch.repeated_calls() <= batch.in_flight_at_kills, f"seed {seed}"
    assert batch.in_flight_at_kills <= kills * batch.parallel
    assert batch.steps_done_twice() <= batch.calls_interrupted(), f"seed {seed}"


@pytest.mark.parametrize(("signals", "size"), TWICE)
async def test_stopped_by_sigterm_and_resumed(
    tmp_path: Path, environ: dict[str, str], signals: tuple[bool, ...], size: tuple[int, int]
) -> None:
    count, lines = size
    async with scripts(lines) as server:
        batch = InterruptedBatch(tmp_path / "disturbed", server, environ, count=count)
        for twice in signals:
            await batch.start()
            assert await batch.until_calls(15), batch.output
            process = batch.process
            assert process is not None
            process.send_signal(signal.SIGTERM)
            if twice:
                await batch.pause_before_kill(0.05)
                process.send_signal(signal.SIGTERM)
            assert await process.wait() == 130, batch.output
            run_id = batch.database.parent.name
            assert f"agentbatch resume {run_id}" in batch.output
        assert await batch.finish("resume") == 0, batch.output
    batch.check_finished()
    assert batch.files() == files_of(count, lines)


@pytest.mark.slow
async def test_a_second_engine_on_a_run_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    async with scripts() as server:
        first = InterruptedBatch(tmp_path / "batch", server, environ)
        process = await first.start()
        assert await first.until_calls(5)
        running, first.process = first.process, None
        second = await first.start("resume")
        assert await second.wait() == 2
        assert f"process {process.pid} " in first.output
        assert "is already being worked on" in first.output
        assert running is not None
        running.kill()
        await running.wait()


async def test_a_finished_run_has_nothing_to_go_on_with(tmp_path: Path, environ: dict[str, str]) -> None:
    async with scripts() as server:
        batch = InterruptedBatch(tmp_path / "batch", server, environ, count=3)
        assert await batch.finish() == 0
        calls = len(server.requests)
        assert await batch.finish("resume") == 0
        assert len(server.requests) == calls
    results = json.loads((batch.folder / "parallel_batch_results.json").read_text())
    assert results["summary"]["completedTasks"] == 3
