"""`--alert`: figures of a run are compared as they change; each crossing is a notice, and a message to `--notify`."""

from collections.abc import Sequence

from agentbatch.config.alerts import Alert, Figures
from agentbatch.runs import events as e
from agentbatch.runs.services.notify import Notifier
from agentbatch.runs.services.notify_messages import alert_message
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.text import counted

MAX_TOLD = 10
"""Crossings of one alert that are told in a session: a rate may go back and forth at its limit."""

_CHANGING = (e.ModelCallFinished, e.ModelCallRetried, e.TaskFinished, e.RequestsProgressed, e.RunFinished)


class AlertWatch:
    """A listener of the store, behind all others: they have seen the event that an alert's notice is about."""

    def __init__(self, alerts: Sequence[Alert], store: Store, notifier: Notifier) -> None:
        self._alerts = alerts
        self._store = store
        self._notifier = notifier
        self._attempts = self._refused = 0
        self._before: int | None = None
        """Attempts of earlier sessions, of plain requests."""
        self._holding: set[Alert] = set()
        self._told: dict[Alert, int] = {}

    def __call__(self, event: e.Event, state: RunState) -> None:
        self._count(event)
        if isinstance(event, e.RunStarted):  # what an earlier session has told
            self._holding = {alert for alert in self._alerts if alert.holds(self._figures(event, state))}
        elif isinstance(event, _CHANGING):
            figures = self._figures(event, state)
            for alert in self._alerts:
                self._look(alert, figures, state, event.ts)

    def _look(self, alert: Alert, figures: Figures, state: RunState, now: float) -> None:
        if not alert.holds(figures):
            self._holding.discard(alert)
        elif alert not in self._holding:
            self._holding.add(alert)
            number = self._told[alert] = self._told.get(alert, 0) + 1
            if number > MAX_TOLD:
                return
            text = f"Alert: {alert.text} ({figures_text(alert, figures)})"
            text += (
                f"; the {counted(MAX_TOLD, 'crossing')} that are told are over" if number == MAX_TOLD else ""
            )
            self._store.emit(e.Notice(text=f"{self._store.redact(text)}."))
            self._notifier.send(alert_message(state, alert.text, figures_text(alert, figures), now))

    def _count(self, event: e.Event) -> None:
        match event:
            case e.ModelCallRetried():
                self._attempts += 1
                self._refused += event.status == 429
            case e.ModelCallFinished():
                self._attempts += min(1, event.attempts)  # 0: it was never sent
                self._refused += event.status == 429
            case e.RequestsProgressed():
                self._before = event.attempts if self._before is None else self._before
                self._attempts, self._refused = event.attempts - self._before, event.refused

    def _figures(self, event: e.Event, state: RunState) -> Figures:
        return figures_of(state, attempts=self._attempts, refused=self._refused, now=event.ts)


def figures_of(state: RunState, *, attempts: int, refused: int, now: float) -> Figures:
    """All that an alert may name (config.alerts.FIGURES). `now`: seconds since the epoch."""
    known = state.requests
    completed = known.ok if known is not None else state.count("completed")
    failed = known.failed if known is not None else state.count("error", "timeout")
    usage, cost = state.usage, state.cost
    return {
        "total": state.total,
        "ended": completed + failed,
        "completed": completed,
        "failed": failed,
        "failure_rate": failed / (completed + failed) if completed + failed else None,
        "cost": cost,
        "cost_per_completed": cost / completed if completed and cost is not None else None,
        "tokens": None if usage.unknown else usage.total,
        "input_tokens": None if usage.unknown else usage.input,
        "output_tokens": None if usage.unknown else usage.output,
        "calls": usage.calls,
        "attempts": attempts,
        "refused": refused,
        "rate_429": refused / attempts if attempts else None,
        "minutes": state.seconds(now) / 60,
    }


def figures_text(alert: Alert, figures: Figures) -> str:
    """`failure_rate is 0.25, ended is 20`."""
    values = ((name, figures.get(name)) for name in alert.figures)
    return ", ".join(f"{name} is {'unknown' if value is None else f'{value:,.6g}'}" for name, value in values)
