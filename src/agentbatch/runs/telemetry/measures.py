"""What is measured: of each span that ends, and of events that are no span. Pure."""

from collections.abc import Iterator

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.telemetry.span import Measure, Span, Value

_DURATIONS = {
    "chat": "gen_ai.client.operation.duration",
    "text_completion": "gen_ai.client.operation.duration",
    "embeddings": "gen_ai.client.operation.duration",
    "execute_tool": "gen_ai.execute_tool.duration",
    "invoke_agent": "gen_ai.invoke_agent.duration",
    "invoke_workflow": "gen_ai.workflow.duration",
}
"""Instruments, by what a span is."""

_KEPT = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.agent.name",
    "gen_ai.tool.name",
    "gen_ai.workflow.name",
    "agentbatch.coder",
    "server.address",
    "server.port",
    "error.type",
)
"""Attributes of a span that its measures have too: no ids, of which there is no end."""


def of_span(span: Span) -> Iterator[Measure]:
    attributes = span.attributes
    instrument = _DURATIONS.get(str(attributes.get("gen_ai.operation.name")))
    if instrument is None:
        return
    kept = {name: attributes[name] for name in _KEPT if name in attributes}
    yield Measure(instrument, span.end - span.start, kept)
    is_call = instrument == "gen_ai.client.operation.duration"
    if not is_call and instrument != "gen_ai.invoke_agent.duration":
        return
    without_error = {name: value for name, value in kept.items() if name != "error.type"}
    for kind in ("input", "output"):
        tokens = attributes.get(f"gen_ai.usage.{kind}_tokens")
        if isinstance(tokens, int):
            yield Measure("gen_ai.client.token.usage", tokens, {**without_error, "gen_ai.token.type": kind})
    cost = attributes.get("agentbatch.cost")
    if isinstance(cost, float | int) and cost > 0:
        yield Measure("agentbatch.cost", cost, without_error)
    if not is_call:  # a turn that tells itself what it took
        return
    outcome = "failed" if span.error else "answered"
    yield Measure("agentbatch.calls", 1, {**without_error, "agentbatch.outcome": outcome})


def of_event(event: e.Event, state: RunState) -> Iterator[Measure]:
    match event:
        case e.ModelCallRetried():
            role: dict[str, Value] = {"gen_ai.agent.name": event.role}
            error = str(event.status) if event.status else "no_answer"
            yield Measure("agentbatch.call.retries", 1, {**role, "error.type": error})
            if event.status == 429:
                yield Measure("agentbatch.call.refusals", 1, role)
        case e.ModelCallFinished(status=429):
            yield Measure("agentbatch.call.refusals", 1, {"gen_ai.agent.name": event.role})
        case e.TaskFinished():
            task = state.by_id[event.task_id]
            ended: dict[str, Value] = {
                "agentbatch.task.status": event.status,
                "agentbatch.task.reason": event.reason,
            }
            what = "attempt" if task.attempt_of else "task"
            yield Measure("agentbatch.task.ends", 1, {**ended, "gen_ai.workflow.name": what})
        case e.VerdictReached():
            label = "accepted" if event.accepted else "refused"
            decided: dict[str, Value] = {"agentbatch.evaluation.decided_by": event.decided_by}
            yield Measure("agentbatch.evaluations", 1, {**decided, "gen_ai.evaluation.score.label": label})


def of_state(state: RunState) -> Iterator[Measure]:
    """How far the run is."""
    for status, number in state.counts.items():
        yield Measure("agentbatch.tasks", number, {"agentbatch.task.status": status})
    if (known := state.requests) is not None:
        left = known.total - known.ok - known.failed - known.in_flight
        numbers = {"answered": known.ok, "failed": known.failed, "in_flight": known.in_flight}
        for status, number in {**numbers, "waiting": max(0, left)}.items():
            yield Measure("agentbatch.requests", number, {"agentbatch.request.status": status})
