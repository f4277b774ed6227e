"""Alerts of a run, by its events: a notice at each crossing."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config.alerts import FIGURES, read_alert
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.services.alerts import MAX_TOLD, AlertWatch, figures_of
from agentbatch.runs.services.notify import Notifier
from agentbatch.runs.services.notify_messages import alert_message
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.runs.telemetry.conventions import INSTRUMENTS
from agentbatch.usage import Usage
from tests.support.paths import CHECKOUT
from tests.support.run_events import run_started


async def told(tmp_path: Path, alerts: list[str], events: list[e.Event]) -> list[str]:
    """The notices."""
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([]))
    watch = AlertWatch([read_alert(text) for text in alerts], store, Notifier([], store, tmp_path / "r"))
    store.listen(watch)
    for event in events:
        store.emit(event)
    await store.close()
    return store.state.notices


def tasks(*ends: e.FinalStatus) -> list[e.Event]:
    """A run whose tasks end so, one after another."""
    names = [f"t{n}" for n in range(len(ends))]
    return [
        run_started(len(ends)),
        *(e.TaskQueued(task_id=name, index=0, dir="d", first_prompt="p", max_iterations=1) for name in names),
        *(
            e.TaskFinished(task_id=name, status=end, reason="stalled")
            for name, end in zip(names, ends, strict=True)
        ),
    ]


def progress(ok: int, failed: int, attempts: int = 0, refused: int = 0) -> e.RequestsProgressed:
    return e.RequestsProgressed(total=100, ok=ok, failed=failed, attempts=attempts, refused=refused)


async def test_a_crossing_is_told_once_and_again_after_it_was_undone(tmp_path: Path) -> None:
    events = tasks(
        "completed", "completed", "error", "timeout", "completed", "completed", "completed", "error"
    )
    assert await told(tmp_path, ["failure_rate > 30%", "failed > 9", "cost > 0"], events) == [
        "Alert: failure_rate > 30% (failure_rate is 0.333333).",
        "Alert: failure_rate > 30% (failure_rate is 0.375).",
    ]


async def test_nothing_has_ended_and_nothing_is_divided(tmp_path: Path) -> None:
    alerts = ["failure_rate >= 0", "failed / ended >= 0", "rate_429 >= 0", "cost_per_completed >= 0"]
    assert await told(tmp_path, alerts, [*tasks("cancelled"), e.RunFinished()]) == []


async def test_a_rate_that_goes_back_and_forth_is_told_so_often(tmp_path: Path) -> None:
    events = [progress(1, n % 2) for n in range(4 * MAX_TOLD)]
    notices = await told(tmp_path, ["failed > 0"], [run_started(kind="requests"), *events])
    assert len(notices) == MAX_TOLD
    assert notices[-1] == "Alert: failed > 0 (failed is 1); the 10 crossings that are told are over."


async def test_a_resumed_run_does_not_tell_again_what_held_before(tmp_path: Path) -> None:
    events = [
        run_started(kind="requests"),
        progress(1, 1),
        run_started(kind="requests", session=2),
        progress(2, 1),
    ]
    assert await told(tmp_path, ["failed > 0"], events) == []  # notices are those of the latest session


async def test_refusals_are_those_of_the_session(tmp_path: Path) -> None:
    events = [
        run_started(kind="requests"),
        progress(5, 0, 50, 0),
        progress(5, 0, 60, 1),
        progress(5, 0, 60, 2),
    ]
    assert await told(tmp_path, ["rate_429 > 10%"], events) == ["Alert: rate_429 > 10% (rate_429 is 0.2)."]


@pytest.mark.parametrize(
    ("statuses", "rate"), [((429, None, 200), 0.25), ((None, None), 0.0), ((429, 429), 2 / 3)]
)
async def test_refusals_of_a_task_are_counted_by_attempt(
    tmp_path: Path, statuses: tuple[int | None, ...], rate: float
) -> None:
    call: dict[str, Any] = {"task_id": "t0", "role": "coder"}
    events = [
        e.ModelCallRetried(**call, attempt=1, wait=0.0, error="x", status=status) for status in statuses
    ]
    done = e.ModelCallFinished(**call, model="m", usage=Usage(calls=1), cost=0.0, latency=1.0, attempts=1)
    alert = "attempts > 0 and rate_429 >= 0 and calls > 0"
    notices = await told(tmp_path, [alert], [*tasks("error")[:2], *events, done])
    assert notices == [
        f"Alert: {alert} (attempts is {len(statuses) + 1}, rate_429 is {rate:,.6g}, calls is 1)."
    ]


def test_every_figure_has_a_value_and_its_meaning() -> None:
    figures = figures_of(RunState(), attempts=0, refused=0, now=0.0)
    assert set(figures) == set(FIGURES)
    assert [name for name, value in figures.items() if value is None] == [
        "failure_rate", "cost_per_completed", "rate_429",
    ]  # fmt: skip


def test_the_page_names_every_figure_and_every_instrument() -> None:
    page = (CHECKOUT / "docs/telemetry.md").read_text(encoding="utf-8")
    assert [name for name in (*FIGURES, *INSTRUMENTS) if f"`{name}`" not in page] == []


def test_a_message_calls_nobody() -> None:
    state = RunState()
    state.apply(run_started())
    message = alert_message(state, "failed < 3", "failed is 2", 0.0)
    assert "<" not in message.title + message.body
    assert message.kind == "warning"
