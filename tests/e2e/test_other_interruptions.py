"""Interruptions that are no signal: a full disk, a server that is gone, a clock that is set back."""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agentbatch.rehearsal.server import RehearsalServer
from tests.e2e.interrupted_batch import LINES, InterruptedBatch, script
from tests.support.disks import small_disk_at
from tests.support.keys import KEY
from tests.support.ports import quiet_port
from tests.support.waiting import PATIENCE

COUNT = 8


def serve(port: int = 0, lines: int = LINES) -> RehearsalServer:
    return RehearsalServer([script(n, lines) for n in range(COUNT)], key=KEY, latency=0.02, port=port)


async def undisturbed(folder: Path, environ: dict[str, str]) -> dict[str, bytes]:
    async with serve() as server:
        batch = InterruptedBatch(folder, server, environ, count=COUNT)
        assert await batch.finish() == 0, batch.output
    return batch.files()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "40m") as disk:
        yield disk


@pytest.mark.slow
async def test_a_full_disk(tmp_path: Path, small_disk: Path, environ: dict[str, str]) -> None:
    expected = await undisturbed(tmp_path / "undisturbed", environ)
    async with serve() as server:
        batch = InterruptedBatch(small_disk / "batch", server, environ, count=COUNT)
        for calls in (6, 9):
            await batch.start()
            assert await batch.until_calls(calls), batch.output
            ballast = small_disk / "ballast"
            with (
                open(ballast, "wb", buffering=0) as file,
                suppress(OSError),
            ):  # a buffer is written again at its end
                while True:
                    file.write(bytes(65536))
            assert batch.process is not None
            assert await batch.process.wait() == 1, batch.output
            assert "Traceback" not in batch.output
            ballast.unlink()
        assert await batch.finish() == 0, batch.output
        batch.check_finished()
        assert batch.files() == expected


@pytest.mark.slow
async def test_a_server_that_is_gone_for_a_while(tmp_path: Path, environ: dict[str, str]) -> None:
    expected = await undisturbed(tmp_path / "undisturbed", environ)
    port = quiet_port()
    async with serve(port) as server:
        batch = InterruptedBatch(
            tmp_path / "batch", server, environ, count=COUNT, flags=("--max-retries", "2")
        )
        await batch.start()
        assert await batch.until_calls(8)
    process = batch.process
    assert process is not None
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 1
    assert "The endpoint does not answer: 3 tasks in a row failed" in batch.output
    assert f"agentbatch resume {batch.database.parent.name}" in batch.output
    async with serve(port) as server:
        batch.server = server
        assert await batch.finish("resume") == 0, batch.output
    batch.check_finished()
    assert batch.files() == expected


@pytest.mark.slow
async def test_a_server_that_comes_back_while_calls_are_retried(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    port = quiet_port()
    async with serve(port) as server:
        batch = InterruptedBatch(
            tmp_path / "batch", server, environ, count=COUNT, flags=("--max-retries", "9")
        )
        await batch.start()
        assert await batch.until_calls(8)
    await asyncio.sleep(2)
    async with serve(port):
        assert batch.process is not None
        async with asyncio.timeout(PATIENCE):
            assert await batch.process.wait() == 0, batch.output
    batch.check_finished()


def started_at(batch: InterruptedBatch) -> list[float]:
    """When each session of the run began, by its own clock."""
    with closing(sqlite3.connect(batch.database)) as connection:
        rows = connection.execute("SELECT ts FROM events WHERE type = 'run_started' ORDER BY seq")
        return [float(ts) for (ts,) in rows]


@pytest.mark.slow
async def test_a_clock_that_is_set_back(tmp_path: Path, environ: dict[str, str]) -> None:
    """The second session's clock is a day behind the first one's."""
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "sitecustomize.py").write_text(
        "import time\n_real = time.time\ntime.time = lambda: _real() - 86400\n", encoding="utf-8"
    )
    async with serve(lines=40) as server:
        batch = InterruptedBatch(tmp_path / "batch", server, environ, count=COUNT)
        await batch.start()
        assert await batch.until_calls(14)
        await batch.kill()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "agentbatch", *batch.words(), cwd=batch.folder,
            env={**batch.variables(), "PYTHONPATH": str(wrong)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 300)
        assert process.returncode == 0, output.decode()
    batch.check_finished()
    assert b"-1 day" not in output
    first, second = started_at(batch)
    assert second < first - 80_000, "its clock was right"
    document = (batch.folder / "parallel_batch_results.json").read_text()
    assert '"duration": -' not in document
    assert '"durationSeconds": -' not in document
