"""Runs as Python has them: events, results, ends, and commands."""

import asyncio
import json
import logging
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import agentbatch
from agentbatch import Batch, Run, UserError, events, open_run
from agentbatch.redaction import Redactor
from agentbatch.rehearsal.script import Fault
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from tests.api.conftest import MakeBatch, script, task, writes
from tests.support.keys import KEY
from tests.support.run_events import run_started

HANGS = Fault(kind="hang")


async def seqs(run: Run, pause: float = 0.0) -> list[int]:
    found = []
    async for event in run.events():
        found.append(event.seq)
        await asyncio.sleep(pause)
    return found


async def test_a_batch_runs_and_everybody_hears_all_of_it(tmp_path: Path, make_batch: MakeBatch) -> None:
    batch = await make_batch(
        [task("a"), task("b")], [script("a", writes("a")), script("b")], max_iterations=1
    )
    async with batch.start() as run:
        at_once, slow = asyncio.create_task(seqs(run)), asyncio.create_task(seqs(run, 0.001))
        result = await run.result()
    late = await seqs(open_run(folder=tmp_path))
    assert await at_once == await slow == late == list(range(1, len(late) + 1))
    a, b = result
    assert (a.status, a.reason, a.summary, a.iterations) == ("completed", "accepted", "Done.", 1)
    assert [(change.path, change.kind) for change in a.changes] == [("a", "added")]
    assert a.patch.startswith("diff --git a/a b/a")
    assert a.refusals == ()
    assert b.refusals[0] == "The check `test -e b` failed: exit code 1."
    assert (b.status, b.completed, b.changes, b.patch) == ("timeout", False, (), "")
    assert (result.exit_code, result.counts) == (1, {"completed": 1, "timeout": 1})
    assert result["a"] == a
    assert a.tokens.total + b.tokens.total == result.tokens.total > 0
    document = json.loads(result.results_file.read_text(encoding="utf-8"))
    assert result.results_file == tmp_path / "parallel_batch_results.json"
    assert [one["result"]["status"] for one in document["results"]] == ["completed", "timeout"]


async def leave_block(batch: Batch) -> None:
    async with batch.start() as run:
        async for event in run.events():
            if isinstance(event, events.ToolFinished):
                raise LookupError("enough")


async def cancel_waiting(batch: Batch) -> None:
    waiting = asyncio.ensure_future(batch.start().result())
    run = await first_run(batch)
    async for event in run.events():
        if isinstance(event, events.ToolFinished):
            waiting.cancel()
    await waiting


async def first_run(batch: Batch) -> Run:
    while True:
        try:
            return open_run(folder=batch.folder)
        except UserError:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("give_up", "error"), [(leave_block, LookupError), (cancel_waiting, asyncio.CancelledError)]
)
async def test_a_run_that_is_given_up_ends_at_once_and_goes_on_later(
    tmp_path: Path, make_batch: MakeBatch, give_up: Any, error: type[BaseException]
) -> None:
    scripts = [script("a", writes("a"), HANGS), script("b", writes("b"))]
    batch = await make_batch([task("a"), task("b", depends_on=["a"])], scripts)
    with pytest.raises(error):
        await give_up(batch)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    left = open_run(folder=tmp_path)
    before = await left.result()
    assert (before.condition, before.exit_code, before.resumable) == ("interrupted", 130, True)
    assert [(one.status, one.reason) for one in before] == [
        ("interrupted", "interrupted"),
        ("queued", "interrupted"),
    ]
    assert before.results_file.is_file()
    with pytest.raises(UserError, match="No API key"):
        await left.resume(environ={}).result()
    after = await left.resume(api_key=KEY).result()
    assert (after.exit_code, after.run_id, after.condition) == (0, before.run_id, "finished")
    assert after.counts == {"completed": 2}


async def test_a_loop_that_ends_ends_its_run_which_can_be_resumed(
    tmp_path: Path, make_batch: MakeBatch
) -> None:
    batch = await make_batch([task("a")], [script("a", writes("a"), HANGS)])

    async def forget() -> None:
        run = await batch.start()
        async for event in run.events():
            if isinstance(event, events.ToolFinished):
                return

    await asyncio.to_thread(asyncio.run, forget())
    left = open_run(folder=tmp_path)
    before = await left.result()
    assert (before.condition, before["a"].status, before.resumable) == ("interrupted", "interrupted", True)
    assert before.results_file.is_file()


def of_the_process() -> Any:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    return os.getcwd(), dict(os.environ), handlers, list(logging.root.handlers), logging.root.level


async def test_runs_at_once_in_one_loop_and_in_threads_change_nothing_of_the_process(
    tmp_path: Path, make_batch: MakeBatch, capfd: pytest.CaptureFixture[str]
) -> None:
    batches = []
    for name in ("x", "y", "z"):
        (folder := tmp_path / name).mkdir()
        batches.append(await make_batch([task("a")], [script("a", writes("a"))], folder=folder))
    before = of_the_process()
    x, y, z = await asyncio.gather(
        batches[0].start().result(),
        batches[1].start().result(),
        asyncio.to_thread(lambda: asyncio.run(batches[2].start().result())),
    )
    assert [one.exit_code for one in (x, y, z)] == [0, 0, 0]
    assert [one.folder.is_relative_to(tmp_path / name) for one, name in ((x, "x"), (y, "y"), (z, "z"))] == [
        True
    ] * 3
    assert of_the_process() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
async def test_a_run_is_steered(make_batch: MakeBatch) -> None:
    batch = await make_batch(
        [task("a"), task("b", depends_on=["a"])], [script("a", HANGS)], request_timeout=600
    )
    async with batch.start() as run:
        assert await run.pause() == "Paused: no model call begins until `agentbatch unpause`."
        assert run.progress().state.paused
        assert await run.unpause() == "The run continues."
        assert await run.set_parallel(2) == "Up to 2 at the same time from now on."
        with pytest.raises(UserError, match="There is no task 'c'"):
            await run.pause("c")
        with pytest.raises(UserError, match="The task a is not over yet: coding"):
            await run.retry("a")
        assert await run.say("a", f"No {KEY}.") == "Task a hears it before its next model call."
        assert await run.cancel_task("a") == "Task a is cancelled."
        result = await run.result()
    assert [one.status for one in result] == ["cancelled", "skipped"]
    with pytest.raises(UserError, match="The run ended before this could be done"):
        await run.stop()
    assert [one.condition async for one in run.states()] == ["finished"]


def test_a_script_needs_no_event_loop_and_a_notebook_has_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No key is set, and without one only the sample tasks run"):
        agentbatch.run([task("a")], folder=tmp_path, environ={"PATH": os.environ["PATH"]})

    async def in_a_notebook() -> None:
        with pytest.raises(UserError, match="An event loop is running here"):
            agentbatch.run([task("a")], folder=tmp_path)

    asyncio.run(in_a_notebook())
    with pytest.raises(UserError, match="There are no runs in this folder"):
        open_run(folder=tmp_path)


async def test_plain_requests_are_told_where_they_are(tmp_path: Path) -> None:
    store = Store(create_run_folder(tmp_path, datetime.now()), Redactor([]))
    store.emit(run_started(kind="requests", output="/base/out.jsonl"))
    await store.close()
    with pytest.raises(UserError, match="is a batch of plain requests, and has no tasks to show"):
        open_run(folder=tmp_path)
