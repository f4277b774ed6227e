"""What a batch of plain requests tells its run's store, and what commands can do with it."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.requests.journal.reading import SessionUsage
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.report.progress import progress_of
from agentbatch.requests.run.engine import RequestsEngine
from agentbatch.requests.run.recording import Recording
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.kind import kind_of
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.usage import Usage
from tests.support.keys import KEY
from tests.support.run_events import run_started


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(create_run_folder(tmp_path, datetime(2026, 1, 1)), Redactor([]))
    made.emit(run_started(9, kind="requests", evaluator_model="none", evaluator_endpoint=""))
    yield made
    await made.close()


@pytest.fixture
def told(store: Store) -> list[e.Event]:
    found: list[e.Event] = []

    def listen(event: e.Event, state: RunState) -> None:
        found.append(event)

    store.listen(listen)
    return found


def new_processor() -> BatchProcessor:
    return BatchProcessor(model="m", base_url="http://127.0.0.1:9/v1", api_key=KEY)


async def test_it_tells_once_a_second_and_a_line_every_half_minute(store: Store, told: list[e.Event]) -> None:
    clock, processor = Clock(), new_processor()
    recording = Recording(store, processor, 9, SessionUsage(0, 0, 0, 0.0, 0), 0, 0, clock)
    for step in range(1, 641):  # 64 seconds, ten a second
        clock.seconds = step / 10
        recording.progress(progress_of(processor.stats, 3))
    lines = [event for event in told if isinstance(event, e.RequestsProgressed)]
    assert len(told) == len(lines)
    assert 58 <= len(lines) <= 64
    assert sum(event.worth_a_line for event in lines) == 2
    assert lines[-1].in_flight == 3


async def test_the_figures_are_those_of_all_sessions(store: Store) -> None:
    processor = new_processor()
    processor.stats.attempts, processor.stats.refused = 4, 1
    processor.stats.usage, processor.stats.cost = Usage(input=10, output=5, calls=2), 0.5
    recording = Recording(store, processor, 9, SessionUsage(7, 100, 50, 2.0, 6), 5, 1)
    recording.ended(ok=True)
    recording.ended(ok=False)
    figures = recording.report()
    assert (figures.total, figures.ok, figures.failed, figures.attempts, figures.refused) == (9, 6, 2, 11, 1)
    assert (figures.usage.input, figures.usage.output, figures.usage.calls) == (110, 55, 8)
    assert figures.cost == pytest.approx(2.5)
    assert kind_of(store.state.info).counts(store.state).open == 1
    assert store.state.cost == pytest.approx(2.5)


@pytest.mark.parametrize(("before", "now"), [(None, 0.5), (2.0, None)])
async def test_a_cost_is_known_only_as_a_whole(store: Store, before: float | None, now: float | None) -> None:
    processor = new_processor()
    processor.stats.cost = now
    recording = Recording(store, processor, 9, SessionUsage(7, 100, 50, before, 6), 5, 1)
    assert recording.report().cost is None


async def test_commands_are_answered_with_a_sentence(store: Store, told: list[e.Event]) -> None:
    engine = RequestsEngine(new_processor(), store)
    assert engine.pause(None).startswith("Paused: nothing more is sent")
    assert store.state.paused
    assert engine.unpause(None) == "The run continues."
    with pytest.raises(UserError, match="Nothing is paused"):
        engine.unpause(None)
    assert engine.set_concurrency(3) == "Up to 3 at the same time from now on."
    assert store.state.max_concurrent == 3
    refused: list[Callable[[], str]] = [
        lambda: engine.cancel_task("q1"),
        lambda: engine.retry_task("q1"),
        lambda: engine.pause("q1"),
        lambda: engine.unpause("q1"),
    ]
    for command in refused:
        with pytest.raises(UserError, match="it has no tasks"):
            command()
    assert [event.type for event in told] == ["paused", "resumed", "concurrency_changed"]


async def test_the_first_signal_waits_and_the_second_cuts_off(store: Store, told: list[e.Event]) -> None:
    engine = RequestsEngine(new_processor(), store)
    assert not engine.interrupted
    engine.signal()
    assert engine.interrupted
    engine.signal()
    texts = [event.text for event in told if isinstance(event, e.Notice)]
    assert [text.split(":")[0] for text in texts] == ["Stopping", "Stopping at once"]
    engine.stop(now=False)  # said already
    assert len(told) == 2
    assert not store.state.notices  # nothing to be told again at the end


async def test_what_is_over_takes_no_commands(store: Store) -> None:
    engine = RequestsEngine(new_processor(), store)
    engine.over()
    commands: list[Callable[[], str]] = [
        lambda: engine.pause(None),
        lambda: engine.unpause(None),
        lambda: engine.set_concurrency(2),
    ]
    for command in commands:
        with pytest.raises(UserError, match="The run is over"):
            command()
