"""How far a batch is, and who writes it down."""

import logging
from dataclasses import replace

import pytest

from agentbatch.rehearsal.script import Fault
from agentbatch.requests import BatchProgress, BatchRequest, ProgressLogger, ProgressTracker
from agentbatch.requests.report.progress import progress_line, progress_of
from agentbatch.requests.report.stats import BatchStats
from agentbatch.usage import Usage
from tests.requests.conftest import Serve

HALF = BatchProgress(
    total=100, completed=40, failed=2, elapsed=3.2, eta=4.8, rate=12.5, tokens=1_200, cost=0.5, in_flight=7
)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_done() -> None:
    progress = progress_of(BatchStats(total=10))
    assert (progress.share, progress.eta, progress.rate, progress.failure_rate) == (0.0, None, 0.0, 0.0)
    assert progress_line(progress) == f"[{'░' * 20}] 0/10 0% · 0 failed · 0.0/s · 0:00 · – left"


def test_a_total_that_nobody_knows() -> None:
    progress = replace(HALF, total=0, eta=None)
    assert (progress.share, progress.bar(4)) == (0.0, "░░░░")
    assert progress_line(progress) == "40 · 2 failed · 12.5/s · 0:03 · – left"


def test_a_moment_of_a_batch() -> None:
    clock = Clock()
    stats = BatchStats(total=50, ok=8, failed=2, skipped=10, started_at=0.0, clock=clock)
    stats.usage, stats.cost, clock.now = Usage(input=30, output=10), None, 5.0
    progress = progress_of(stats, 3)
    assert (progress.completed, progress.rate, progress.eta) == (20, 2.0, 15.0)
    assert (progress.tokens, progress.cost, progress.in_flight, progress.ended) == (40, None, 3, False)
    assert progress.failure_rate == 0.2  # of the ten that ended in this session
    stats.ended_at = 6.0
    assert progress_of(stats).ended


def test_its_line() -> None:
    short = "[████████░░░░░░░░░░░░] 40/100 40% · 2 failed · 12.5/s · 0:03 · 0:04 left"
    assert progress_line(HALF) == short
    assert progress_line(HALF, detailed=True) == f"{short} · 1,200 tokens · $0.5000 · 7 in flight"
    assert progress_line(replace(HALF, ended=True)) == short.removesuffix(" · 0:04 left")


def test_a_line_every_interval_and_one_at_the_end() -> None:
    clock, lines = Clock(), list[str]()
    logger = ProgressLogger(10.0, log=lines.append, clock=clock)
    for clock.now in (1.0, 9.9, 10.0, 15.0, 19.9, 20.0, 21.0):
        logger(HALF)
    assert len(lines) == 2
    logger(replace(HALF, completed=100))  # all are there, but it has not ended
    assert len(lines) == 2
    logger(replace(HALF, ended=True))  # stopped
    assert len(lines) == 3


def test_where_the_lines_go(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agentbatch.requests")
    end, mine = replace(HALF, ended=True), list[str]()
    ProgressLogger()(end)
    assert capsys.readouterr().err == progress_line(end) + "\n"
    assert caplog.messages == []
    ProgressLogger(console=False, detailed=True)(end)
    assert caplog.messages == [progress_line(end, detailed=True)]
    ProgressLogger(log=mine.append)(end)
    assert mine == [progress_line(end)]
    assert capsys.readouterr().err == ""
    assert len(caplog.messages) == 1


async def test_a_stopped_batch_has_its_last_line(serve: Serve) -> None:
    lines: list[str] = []
    quota = Fault(status=429, code="insufficient_quota")
    logger = ProgressLogger(3_600.0, log=lines.append)
    async with serve(server={"faults": [quota]}, concurrency=1, on_progress=logger) as (processor, _):
        run = await processor.run([BatchRequest.ask(f"r{n}", f"Say {n}") for n in range(10)])
    assert run.stopped
    assert len(lines) == 1
    assert lines[0].startswith("[░░")


def test_counting_by_hand_from_zero() -> None:
    clock, told = Clock(), list[BatchProgress]()
    tracker = ProgressTracker(4, told.append, clock)
    clock.now = 2.0
    tracker.completed()
    assert (told[-1].elapsed, told[-1].rate, told[-1].eta) == (2.0, 0.5, 6.0)
    tracker.failed()
    assert (told[-1].completed, told[-1].failed, told[-1].failure_rate) == (2, 1, 0.5)
    tracker.completed(2)
    assert [progress.ended for progress in told] == [False, False, True]
    clock.now = 60.0
    assert tracker.progress.elapsed == 2.0


def test_a_logger_on_a_count_by_hand_writes_its_end() -> None:
    lines: list[str] = []
    tracker = ProgressTracker(2, ProgressLogger(3_600.0, log=lines.append))
    tracker.completed()
    tracker.failed()
    assert len(lines) == 1
    assert "2/2 100% · 1 failed" in lines[0]
    ProgressTracker(0).completed()  # who does not know the total never ends
