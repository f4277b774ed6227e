"""What is shown of a batch of plain requests: its summary, its line that is drawn again, its status."""

import io
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.status import render_status, status_document
from agentbatch.display.requests.display import MAX_SHOWN_FAILURES, RequestsDisplay, make_requests_display
from agentbatch.display.requests.failed import failed_list
from agentbatch.display.requests.status import counts_text, failed_lines, progress, requests_record
from agentbatch.display.requests.summary import advice_of, summary_document, summary_lines
from agentbatch.display.writer import Writer
from agentbatch.requests.report.latency import Durations
from agentbatch.requests.report.progress import progress_of
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.run.run_requests import RequestsOutcome
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import Run
from agentbatch.runs.state.run_state import RunState
from agentbatch.usage import Usage

RUN = Path("/work/.agentbatch/runs/20260101-000000-abcd")

INFO = e.RunStarted(
    run_id=RUN.name, kind="requests", version="0", mode="parallel", max_concurrent=10, total_tasks=12,
    coder_model="m-test", evaluator_model="none", coder_endpoint="https://models.example.com/v1",
    evaluator_endpoint="", output="/work/out.jsonl", judged=False,
)  # fmt: skip


def stats(**changes: Any) -> BatchStats:
    latency, wait = Durations(), Durations()
    for seconds in (0.5, 1.0, 1.5):
        latency.add(seconds)
        wait.add(0.0)
    made = BatchStats(
        total=12, ok=3, failed=1, attempts=5, refused=1, retries=1, usage=Usage(input=1_000, output=200, calls=4),
        cost=0.5, latency=latency, wait=wait, started_at=1.0, ended_at=3.0,
    )  # fmt: skip
    return replace(made, **changes)


def outcome(**changes: Any) -> RequestsOutcome:
    made = stats()
    figures = e.RequestsProgressed(total=12, ok=3, failed=1, attempts=5, usage=made.usage, cost=0.5)
    return replace(
        RequestsOutcome(made, figures, RUN, Path("out.jsonl"), 4, 10, "", False),
        **changes,
    )


def text_of(ended: RequestsOutcome, failed: list[tuple[str, str]] | None = None, told: str = "") -> str:
    lines = summary_lines(ended, failed or [], told, 80)
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 1),
        ({"figures": e.RequestsProgressed(total=3, ok=3, failed=0)}, 0),
        ({"stopped": "No quota."}, 1),
        ({"stopped": "It was interrupted.", "interrupted": True}, 130),
    ],
)
def test_the_exit_code(changes: dict[str, Any], code: int) -> None:
    assert outcome(**changes).exit_code == code


def test_the_summary_has_every_figure_once() -> None:
    text = text_of(outcome(), [("q7", "The endpoint says no.")], "Do less.")
    assert text.splitlines() == [
        "12 requests: 3 ok, 1 failed, 8 not asked",
        "time 2.0 s, 2.0 requests/s, at most 4 of 10 at once",
        "latency avg 1.00 s, p50 1.02, p95 1.50, p99 1.50, min 0.50, max 1.50",
        "queue wait avg 0.00 s, p50 0.00, p95 0.00, p99 0.00, min 0.00, max 0.00",
        "5 calls, 1 retry, 20.0% answered 429, 25.0% of the requests failed",
        "tokens 1,000 in, 200 out, 300 a request, cost $0.5000",
        "Failed",
        "  q7: The endpoint says no.",
        "advice: Do less.",
        "answers in out.jsonl",
    ]


def test_what_earlier_sessions_did_stands_apart() -> None:
    figures = e.RequestsProgressed(total=12, ok=11, failed=1, usage=Usage(input=5_000, calls=12), cost=2.0)
    text = text_of(outcome(figures=figures))
    assert "12 requests: 11 ok, 1 failed, 8 answered before" in text
    assert "all sessions: 5,000 tokens, cost $2.00" in text
    idle = text_of(outcome(stats=BatchStats(), figures=figures))
    assert "0 calls" in idle
    assert "latency" not in idle


def test_odd_figures_are_told_and_none_divides_by_zero() -> None:
    text = text_of(outcome(stats=stats(reasked=2, cached=3, withheld=4, cost=None)))
    assert "4 of them refused by the model or filtered" in text
    assert "3 without a call" in text
    assert "2 asked again for their schema" in text
    assert "cost –" in text
    empty = BatchStats(attempts=1)
    assert "latency –" in text_of(outcome(stats=empty))
    assert (
        text_of(outcome(stats=stats(ended_at=601.0))).splitlines()[1].startswith("time 10:00, 0.0 requests/s")
    )
    assert "at most 3 of 3 at once" in text_of(outcome(peak=9, ceiling=3))
    assert "at most 1 of 10 at once" in text_of(outcome(stats=empty)), "one call"


def test_long_lists_are_cut_and_hostile_text_is_only_text() -> None:
    failed = [(f"q{n}\x1b[31m", f"no {n}\x07 " * 200) for n in range(30)]
    text = text_of(outcome(), failed)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert f"… and 10 more: agentbatch status {RUN.name} --json" in text
    assert "more: agentbatch" not in text_of(outcome(), failed[:20])


@pytest.mark.parametrize(
    ("count", "told"),
    [(1, "q0: away"), (4, "q0, q1, q2, q3: away"), (5, "q0, q1, q2 and 2 more: away")],
)
def test_what_failed_for_one_reason_stands_together(count: int, told: str) -> None:
    failed = [*[(f"q{n}", "away") for n in range(count)], ("z", "odd")]
    assert failed_list(failed, 80, sign="x ", more="") == ["Failed", f"  x {told}", "  x z: odd"]


def test_the_summary_for_programs() -> None:
    ended = outcome(stopped="No quota.")
    document = summary_document(ended, [("q7", "no")], "")
    assert json.loads(json.dumps(document)) == document
    assert (document["ok"], document["failed"], document["open"], document["exit_code"]) == (3, 1, 8, 1)
    assert document["failedList"] == [{"id": "q7", "reason": "no"}]
    assert (document["refusalRate"], document["errorRate"], document["stopped"]) == (0.2, 0.25, "No quota.")
    assert document["tokens"] == {
        "input": 1_000,
        "output": 200,
        "fromPromptCache": 0,
        "intoPromptCache": 0,
        "perRequest": 300.0,
        "estimated": False,
    }
    assert document["latency"]["p95"] == 1.5
    assert document["advice"] is None


def test_advice_is_made_from_this_session() -> None:
    slow = stats(total=200, attempts=200, refused=100)
    assert "50% of the calls were answered 429" in advice_of(
        slow, concurrency=10, batch_size=1, limited=False
    )
    calm = stats(total=200, attempts=200, refused=0, ended_at=61.0)
    assert "--concurrency 8" in advice_of(calm, concurrency=1, batch_size=1, limited=False)
    assert advice_of(calm, concurrency=1, batch_size=1, limited=True) == ""


class Screen(io.StringIO):
    """80 x 24."""

    def isatty(self) -> bool:
        return True


def faced(
    name: str, *, quiet: bool = False, drawn: bool = False
) -> tuple[RequestsDisplay, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), Screen() if drawn else io.StringIO()
    face = make_requests_display(name, Writer(out), Writer(err), quiet=quiet, term="xterm")
    return face, out, err


def failure(number: int) -> BatchResult:
    return BatchResult(f"q{number}", number, error=BatchError("no", f"reason {number}"))


def end(face: RequestsDisplay, ended: RequestsOutcome, failed: list[tuple[str, str]] | None = None) -> None:
    face.end(ended, failed or [], "", resume="agentbatch go on" if ended.stopped else "")


def test_lines_where_nothing_can_be_drawn() -> None:
    face, out, err = faced("auto")
    face.on_event(INFO, RunState())
    for number in range(MAX_SHOWN_FAILURES + 5):
        face.on_failure(failure(number))
    face.on_event(e.Paused(), RunState())
    face.on_event(e.ConcurrencyChanged(max_concurrent=4), RunState())
    end(face, outcome(stopped="No quota."))
    told = err.getvalue()
    assert "12 plain requests, at most 10 at a time" in told
    assert [f"failed: q{n}: reason {n}\n" in told for n in (0, 9, 10)] == [True, True, False]
    assert told.count("more fail; they are listed at the end") == 1
    for line in (
        "paused: agentbatch unpause continues it",
        "4 at a time from now on",
        "agentbatch: No quota.",
    ):
        assert f"\n{line}\n" in told
    assert told.endswith("Resume with: agentbatch go on\n")
    assert "\x1b" not in told
    assert out.getvalue().startswith("12 requests: 3 ok")


def test_a_line_that_is_drawn_again_and_leaves_nothing() -> None:
    face, _, err = faced("auto", drawn=True)
    face.on_progress(progress_of(stats()))
    face.on_progress(progress_of(stats(ok=4)))
    drawn = err.getvalue()
    assert drawn.count("\r\x1b[K") == 2
    assert "\n" not in drawn
    assert max(len(line) for line in drawn.split("\r\x1b[K")) < 80
    end(face, outcome())
    assert err.getvalue().endswith("\r\x1b[K")


def test_a_batch_that_sleeps_for_a_quota_says_until_when() -> None:
    face, _, err = faced("auto", drawn=True)
    until = time.time() + 9_000
    face.on_event(
        e.QuotaUsedUp(ts=time.time(), endpoint="h", until=until, cause="h answered 429."), RunState()
    )
    face.on_progress(progress_of(stats()))
    asleep, cause, drawn = err.getvalue().replace("\r\x1b[K", "").split("\n")
    assert "the quota of h is used up" in asleep
    assert (cause, drawn.startswith("asleep until ")) == ("h answered 429.", True)
    face.on_event(e.QuotaReturned(endpoint="h"), RunState())
    face.on_progress(progress_of(stats()))
    assert not err.getvalue().rpartition("\x1b[K")[2].startswith("asleep")


def test_progress_in_lines_comes_now_and_then() -> None:
    seconds = 0.0
    err = io.StringIO()
    face = RequestsDisplay("plain", Writer(io.StringIO()), Writer(err), clock=lambda: seconds)
    for seconds in (1.0, 9.0, 11.0, 12.0, 22.0):  # noqa: B007 - the clock's
        face.on_progress(progress_of(stats()))
    assert err.getvalue().count("\n") == 2


def test_records_only() -> None:
    face, out, err = faced("json", drawn=True)
    face.on_event(INFO, RunState())
    face.on_progress(progress_of(stats()))
    face.on_failure(failure(1))
    end(face, outcome(stopped="No quota."))
    launch, done = map(json.loads, out.getvalue().splitlines())
    assert (launch["type"], launch["kind"], launch["total"], launch["output"]) == (
        "launch", "requests", 12, "/work/out.jsonl",
    )  # fmt: skip
    assert (done["type"], done["resume_command"]) == ("done", "agentbatch go on")
    assert err.getvalue() == "agentbatch: No quota.\n"


@pytest.mark.parametrize(
    ("ended", "failed", "told"),
    [
        (outcome(figures=e.RequestsProgressed(total=3, ok=3, failed=0)), [], ""),
        (outcome(), [("q7", "no")], "agentbatch: 1 of 12 requests failed.\n"),
        (outcome(stopped="No quota."), [], "agentbatch: No quota.\nResume with: agentbatch go on\n"),
    ],
)
def test_quiet(ended: RequestsOutcome, failed: list[tuple[str, str]], told: str) -> None:
    face, out, err = faced("auto", quiet=True, drawn=True)
    face.on_event(INFO, RunState())
    face.on_progress(progress_of(stats()))
    face.on_failure(failure(1))
    end(face, ended, failed)
    assert (out.getvalue(), err.getvalue()) == ("", told)


def report(
    told: e.RequestsProgressed | None, failed: list[tuple[str, str]] | None = None, *, alive: bool = False
) -> RunReport:
    state = RunState()
    state.apply(INFO.model_copy(update={"seq": 1, "ts": 100.0}))
    if told is not None:
        state.apply(told.model_copy(update={"seq": 2, "ts": 130.0}))
    if not alive:
        state.apply(e.RunFinished(interrupted=True).model_copy(update={"seq": 3, "ts": 160.0}))
    holder = "process 4711 on host" if alive else ""
    run = Run(RunFolder(RUN), state, "running" if alive else "interrupted", holder, 100.0, 160.0)
    return RunReport(run, 160.0, Path("/work"), failed or [])


def test_the_status_before_anything_was_told() -> None:
    first = report(None, alive=True)
    assert counts_text(first) == "12 plain requests: · 12 not answered yet"
    assert requests_record(first.run)["open"] == 12
    assert progress(first.run).total == 12


def test_the_status_of_one_that_runs_and_of_one_that_has_ended() -> None:
    told = e.RequestsProgressed(total=12, ok=3, failed=1, in_flight=4, seconds_left=16.0, cost=0.5)
    failed = [("q7", "The endpoint says no.")]
    text = "\n".join(render_status(report(told, failed, alive=True), 80))
    assert "12 plain requests: ✓ 3 ok, ✗ 1 failed, · 8 not answered yet (4 under way)" in text
    assert "at work 1:00; about 0:16 left" in " ".join(text.split())
    assert f"agentbatch logs -f {RUN.name}" in text
    over = report(told, failed)
    text = "\n".join(render_status(over, 80))
    assert "under way" not in text
    assert "left" not in text
    assert "Failed\n  ✗ q7: The endpoint says no.\n" in text
    assert f"agentbatch resume {RUN.name}  " in text
    assert f"agentbatch resume {RUN.name} --retry-failed  " in text
    document = status_document(over)
    assert document["requests"] == {
        "total": 12, "ok": 3, "failed": 1, "open": 8, "inFlight": 0, "attempts": 0, "refused": 0,
    }  # fmt: skip
    assert document["failedList"] == [{"id": "q7", "reason": "The endpoint says no."}]
    assert (document["kind"], document["tasks"]["total"]) == ("requests", 0)


def test_a_long_list_of_failures_is_cut() -> None:
    told = e.RequestsProgressed(total=100, ok=3, failed=25)
    lines = failed_lines(report(told, [(f"q{n}", f"no {n}") for n in range(25)]), 80)
    assert (len(lines), lines[-1]) == (22, "  … and 5 more: --json lists all")
    assert failed_lines(report(told), 80) == []
