"""A batch of plain requests as a run: when its files fail, and when somebody stops it at an awkward moment."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from agentbatch.redaction import Redactor
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests.journal.journal import Done, Journal
from agentbatch.requests.journal.reading import SessionUsage
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.run.engine import RequestsEngine
from agentbatch.requests.run.journal_sync import finish_output
from agentbatch.requests.run.recording import Recording
from agentbatch.requests.run.run_requests import Callbacks, RequestsOutcome, run_requests
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.listing import list_runs, open_run
from agentbatch.runs.store.store import Store
from tests.requests.run.prepared import prepared
from tests.support.keys import KEY

LINES = [{"id": f"q{n}", "prompt": f"Say {n}"} for n in range(100)]


async def run(folder: Path, server: RehearsalServer, callbacks: Callbacks) -> RequestsOutcome:
    environ = {"OPENAI_API_KEY": KEY, "CODER_ENDPOINT": server.base_url, "CODER_MODEL": "m"}
    return await run_requests(prepared(folder, LINES, environ=environ), callbacks, flags={})


async def test_a_run_that_cannot_write_down_how_it_stands_stops(tmp_path: Path) -> None:
    def break_it(engine: RequestsEngine) -> None:
        with closing(sqlite3.connect(engine.run_folder / "run.db")) as connection:
            connection.execute("DROP TABLE events")

    async with RehearsalServer(plain=True, key=KEY, latency=0.5) as server:
        outcome = await run(tmp_path, server, Callbacks(break_it))
        assert outcome.stopped.startswith("The run's files cannot be written")
        assert (outcome.exit_code, outcome.interrupted) == (1, False)
        assert len(server.requests) < 100
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(server.requests)


async def test_calls_that_are_cut_off_stay_open(tmp_path: Path) -> None:
    engines: list[RequestsEngine] = []

    async with RehearsalServer(plain=True, key=KEY, latency=300) as server:

        def stop(progress: BatchProgress) -> None:
            engines[0].stop(now=True)

        outcome = await run(tmp_path, server, Callbacks(engines.append, stop))
        assert (outcome.exit_code, outcome.interrupted, outcome.left) == (130, True, 100)
    (folder,) = list_runs(tmp_path)
    assert open_run(folder).condition == "interrupted"


async def test_a_signal_before_the_first_request_sends_none(tmp_path: Path) -> None:
    async with RehearsalServer(plain=True, key=KEY) as server:
        outcome = await run(tmp_path, server, Callbacks(lambda engine: engine.signal()))
        assert (outcome.exit_code, outcome.interrupted, outcome.left) == (130, True, 100)
        assert len(server.requests) == 0
    (folder,) = list_runs(tmp_path)
    assert open_run(folder).condition == "interrupted"


async def test_a_stop_after_the_last_answer_is_none(tmp_path: Path) -> None:
    engines: list[RequestsEngine] = []

    async with RehearsalServer(plain=True, key=KEY) as server:

        def stop(progress: BatchProgress) -> None:
            if progress.completed == len(LINES):
                engines[0].stop(now=False)

        outcome = await run(tmp_path, server, Callbacks(engines.append, stop))
        assert engines[0].interrupted
        assert (outcome.exit_code, outcome.interrupted, outcome.stopped) == (0, False, "")
    (folder,) = list_runs(tmp_path)
    assert open_run(folder).condition == "finished"


async def test_what_was_recorded_but_not_told_is_written_at_the_end(tmp_path: Path) -> None:
    made = prepared(tmp_path, LINES[:3])
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 1)), Redactor([]))
    journal = Journal(store.folder.journal)
    for place, name in enumerate(("q0", "q1", "q2")):
        journal.add(name, name, place)
    for number in (1, 0):
        await journal.finish(number, Done(True, f'{{"n": {number}}}', ""))
    journal.close()
    made.output.write_text('{"n": 1}\n')  # the call was cut off right before the other was told
    recording = Recording(
        store, BatchProcessor(model="m", api_key=KEY), 3, SessionUsage(0, 0, 0, 0.0, 0), 1, 0
    )
    assert finish_output(made, store, recording, 1, stopped="It was interrupted.", path=made.output) == ""
    assert made.output.read_text() == '{"n": 0}\n{"n": 1}\n'
    assert recording.ok == 2
    await store.close()
