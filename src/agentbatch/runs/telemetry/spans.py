"""The spans of a run of tasks, folded from its events as they happen. Pure: no clock, no I/O, nothing of OpenTelemetry.

A session of the run is a span; its tasks are below it, attempts below their task, turns (`invoke_agent coder`) and
evaluations (`invoke_agent evaluator`) below these, model calls, tool calls and checks below those.
"""

from dataclasses import dataclass, field
from typing import Literal

from agentbatch.config import BUILTIN
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.telemetry import conventions as names
from agentbatch.runs.telemetry.content import message
from agentbatch.runs.telemetry.span import (
    Kind,
    Place,
    Span,
    SpanEvent,
    Value,
    run_place,
    step_place,
    task_place,
)

ONE_TRACE = 200
"""A run of more tasks, or plain requests, has a trace for each, linked to the run's: the stores of traces refuse or cut
those of more than some ten thousand spans (Tempo: 5 MB)."""

MAX_EVENTS = 64
"""Of one span."""

UNFINISHED = "interrupted"
"""`error.type` of what was under way when its task ended."""


@dataclass
class OpenSpan:
    """A span that has no end yet."""

    name: str
    place: Place
    parent: Place | None
    start: float
    attributes: dict[str, Value]
    kind: Kind = "internal"
    links: tuple[Place, ...] = ()
    events: list[SpanEvent] = field(default_factory=list)

    def happened(self, name: str, ts: float, attributes: dict[str, Value]) -> None:
        if len(self.events) < MAX_EVENTS:
            self.events.append(SpanEvent(name, ts, attributes))

    def ended(self, end: float, error: str = "", /, **attributes: Value) -> Span:
        more = {name.replace("__", "."): value for name, value in attributes.items()}
        if error:
            more["error.type"] = error
        return Span(
            self.name, self.place, self.parent, self.start, max(self.start, end), {**self.attributes, **more},
            self.kind, self.links, tuple(self.events), error,
        )  # fmt: skip


@dataclass
class _Steps:
    """What is under way in a task."""

    whole: OpenSpan
    coder: str = ""
    """Who works on it; empty: nobody yet."""
    turn: OpenSpan | None = None
    evaluation: OpenSpan | None = None
    calls: list[tuple[e.Role, OpenSpan]] = field(default_factory=list)
    tools: dict[str, OpenSpan] = field(default_factory=dict)
    checks: list[tuple[tuple[str, str], OpenSpan]] = field(default_factory=list)

    def under_way(self) -> list[OpenSpan]:
        agents = [one for one in (self.turn, self.evaluation) if one is not None]
        return [*(one for _, one in (*self.calls, *self.checks)), *self.tools.values(), *agents]


def _coder(steps: _Steps, role: str) -> dict[str, Value]:
    """Which, of what a coder does."""
    return {"agentbatch.coder": steps.coder} if role == "coder" and steps.coder else {}


def _spent(event: e.ModelCallFinished) -> dict[str, Value]:
    cost: dict[str, Value] = {} if event.cost is None else {"agentbatch.cost": event.cost}
    return {**names.usage_attributes(event.usage), **cost}


class Tracing:
    """Takes each event of a session and gives the spans that it ends."""

    def __init__(self, *, content: bool = False) -> None:
        """`content`: prompts, answers and what tools say stand in the spans too."""
        self._content = content
        self._info: e.RunStarted | None = None
        self._run: OpenSpan | None = None
        self._tasks: dict[str, _Steps] = {}
        self._first: dict[str, float] = {}
        """When the first attempt at a task began."""

    def __call__(self, event: e.Event, state: RunState) -> list[Span]:
        match event:
            case e.RunStarted():
                self._begin(event)
            case e.TaskEvent() if self._info is not None:
                return self._of_task(self._info, event, state)
            case e.RunFinished() if self._run is not None:
                run, self._run = self._run, None
                spans = [span for one in list(self._tasks) for span in self._leave(one, event.ts)]
                error = "stopped" if event.error else UNFINISHED if event.interrupted else ""
                return [*spans, run.ended(event.ts, error)]
        return []

    def place_of(self, task_id: str, *, session: int | None = None) -> Place:
        """Of a task's, an attempt's or a plain request's span. `session`: of an earlier one."""
        assert self._info is not None
        info = self._info
        return task_place(
            info.run_id, info.session if session is None else session, task_id, own_trace=self.apart
        )

    @property
    def apart(self) -> bool:
        """Tasks and requests have traces of their own."""
        return self._info is not None and self._info.total_tasks > ONE_TRACE

    @property
    def run_place(self) -> Place | None:
        return self._run.place if self._run is not None else None

    def above(self, *links: Place) -> tuple[Place | None, tuple[Place, ...]]:
        """Parent and links of a span right below the run's."""
        run = self.run_place
        if run is None or not self.apart:
            return run, links
        return None, (run, *links)

    def _begin(self, info: e.RunStarted) -> None:
        self._info = info
        self._tasks.clear()
        before = (run_place(info.run_id, info.session - 1),) if info.session > 1 else ()
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "agentbatch",
            "agentbatch.run.id": info.run_id,
            "agentbatch.run.kind": info.kind,
            "agentbatch.run.session": info.session,
            "agentbatch.run.total": info.total_tasks,
            "agentbatch.run.rehearsal": info.rehearsal,
        }
        place = run_place(info.run_id, info.session)
        self._run = OpenSpan("invoke_workflow agentbatch", place, None, info.ts, attributes, links=before)

    def _of_task(self, info: e.RunStarted, event: e.TaskEvent, state: RunState) -> list[Span]:
        steps = self._tasks.get(event.task_id)
        match event:
            case e.TaskStarted() | e.TaskResumed():
                gone = self._leave(event.task_id, event.ts)
                self._enter(info, event, state)
                return gone
            case e.TaskFinished():
                return self._finish(info, event, state)
            case _ if steps is None:
                return []
            case e.IterationStarted():
                over = _agents_over(steps, event.ts)
                steps.coder = event.coder or BUILTIN
                steps.turn = self._agent(steps, "coder", event.ts, event.seq, iteration=event.iteration)
                if self._content:
                    steps.turn.attributes["gen_ai.input.messages"] = message("user", event.prompt)
                return over
            case e.TurnFinished():
                return self._turn_over(steps, event)
            case e.VerdictReached():
                return self._judged(steps, event)
            case e.ModelCallStarted():
                self._call(info, steps, event)
            case e.ModelCallRetried(role=role) | e.RateLimited(role=role):
                call = next((one for of, one in steps.calls if of == role), None)
                if call is not None:
                    call.happened(*_delay(event))
            case e.ModelCallFinished():
                return self._called(info, steps, event)
            case e.ToolCalled():
                self._tool(steps, event)
            case e.ToolFinished():
                tool = steps.tools.pop(event.call_id, None)
                return [_tool_over(tool, event, content=self._content)] if tool is not None else []
            case e.CheckStarted(kind="setup" | "teardown"):
                own = _below(event.kind, steps.whole.place, event, {"agentbatch.check.kind": event.kind})
                steps.checks.append(((event.kind, event.command), own))
            case e.CheckStarted():
                above = self._evaluating(steps, event).place
                check = _below(f"check {event.kind}", above, event, {"agentbatch.check.kind": event.kind})
                steps.checks.append(((event.kind, event.command), check))
            case e.CheckFinished():
                return _check_over(steps, event)
        return []

    def _enter(self, info: e.RunStarted, event: e.TaskEvent, state: RunState) -> _Steps:
        task_id = event.task_id
        whole = state.by_id[task_id].attempt_of if task_id in state.by_id else ""
        place, what = self.place_of(task_id), "attempt" if whole else "task"
        before: tuple[Place, ...] = ()
        if info.session > 1 and not isinstance(event, e.TaskStarted):
            before = (self.place_of(task_id, session=info.session - 1),)
        parent, links = self.above(*before)
        if whole:
            self._first.setdefault(whole, event.ts)
            parent, links = self.place_of(whole), before
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": what,
            "gen_ai.conversation.id": f"{info.run_id}/{task_id}",
            "agentbatch.run.id": info.run_id,
            "agentbatch.task.id": task_id,
            **({"agentbatch.task.attempt_of": whole} if whole else {}),
        }
        start = self._first.get(task_id, event.ts)
        opened = OpenSpan(f"invoke_workflow {what}", place, parent, start, attributes, links=links)
        known = state.by_id.get(task_id)
        coder = known.coder if known is not None and known.iteration else ""
        self._tasks[task_id] = steps = _Steps(opened, coder)
        return steps

    def _finish(self, info: e.RunStarted, event: e.TaskFinished, state: RunState) -> list[Span]:
        task = state.by_id[event.task_id]
        if event.task_id not in self._tasks:
            if not (task.begun or event.task_id in self._first):
                return []  # it has never begun
            self._enter(info, event, state)
        steps = self._tasks.pop(event.task_id)
        error = "" if event.status == "completed" else event.reason
        whole = steps.whole.ended(
            event.ts,
            error,
            agentbatch__task__status=event.status,
            agentbatch__task__reason=event.reason,
            agentbatch__task__iterations=task.iteration,
            agentbatch__task__changed_files=event.changed_files,
            **({"agentbatch__task__coders": list(task.coders)} if task.begun and task.coders else {}),
        )
        return [*(one.ended(event.ts, UNFINISHED) for one in steps.under_way()), whole]

    def _leave(self, task_id: str, ts: float) -> list[Span]:
        """End what a task had under way, and its span, without an outcome."""
        steps = self._tasks.pop(task_id, None)
        if steps is None:
            return []
        return [one.ended(ts, UNFINISHED) for one in (*steps.under_way(), steps.whole)]

    def _agent(self, steps: _Steps, role: str, ts: float, seq: int, *, iteration: int = 0) -> OpenSpan:
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": role,
            "gen_ai.conversation.id": steps.whole.attributes["gen_ai.conversation.id"],
            "agentbatch.task.id": steps.whole.attributes["agentbatch.task.id"],
            **({"agentbatch.iteration": iteration} if iteration else {}),
            **_coder(steps, role),
        }
        place = step_place(steps.whole.place.trace, seq, role)
        return OpenSpan(f"invoke_agent {role}", place, steps.whole.place, ts, attributes)

    def _working(self, steps: _Steps, event: e.TaskEvent) -> OpenSpan:
        """The turn; one that goes on after a resumption has no event of its own."""
        if steps.turn is None:
            steps.turn = self._agent(steps, "coder", event.ts, event.seq)
        return steps.turn

    def _evaluating(self, steps: _Steps, event: e.TaskEvent) -> OpenSpan:
        """The evaluation; so has one."""
        if steps.evaluation is None:
            steps.evaluation = self._agent(steps, "evaluator", event.ts, event.seq)
        return steps.evaluation

    def _turn_over(self, steps: _Steps, event: e.TurnFinished) -> list[Span]:
        turn, steps.turn = self._working(steps, event), None
        if self._content:
            turn.attributes["gen_ai.output.messages"] = message("assistant", event.text, finish=event.end)
        over = [turn.ended(event.ts, agentbatch__turn__end=event.end)]
        if steps.evaluation is not None:  # its checks were written before the work
            over.append(steps.evaluation.ended(event.ts))
        steps.evaluation = self._agent(steps, "evaluator", event.ts, event.seq, iteration=event.iteration)
        return over

    def _judged(self, steps: _Steps, event: e.VerdictReached) -> list[Span]:
        evaluation, steps.evaluation = self._evaluating(steps, event), None
        score = (event.verdict or {}).get("score")
        result: dict[str, Value] = {
            "gen_ai.evaluation.name": "acceptance",
            "gen_ai.evaluation.score.label": "accepted" if event.accepted else "refused",
            **({"gen_ai.evaluation.score.value": float(score)} if isinstance(score, int | float) else {}),
        }
        if self._content and event.refusals:
            result["gen_ai.evaluation.explanation"] = " ".join(event.refusals)[:4000]
        evaluation.happened("gen_ai.evaluation.result", event.ts, result)
        evaluation.attributes |= {
            **result,
            "agentbatch.evaluation.decided_by": event.decided_by,
            "agentbatch.evaluation.refusals": len(event.refusals),
            "agentbatch.evaluation.tampering": len(event.tampering),
        }
        return [evaluation.ended(event.ts)]

    def _call(self, info: e.RunStarted, steps: _Steps, event: e.ModelCallStarted) -> None:
        coder = event.role == "coder"
        above = self._working(steps, event) if coder else self._evaluating(steps, event)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            **names.endpoint_attributes(info.coder_endpoint if coder else info.evaluator_endpoint),
            "gen_ai.request.model": event.model,
            "gen_ai.agent.name": event.role,
            "gen_ai.conversation.id": steps.whole.attributes["gen_ai.conversation.id"],
            "agentbatch.task.id": event.task_id,
            "agentbatch.call.purpose": event.purpose,
            **_coder(steps, event.role),
        }
        call = _below(f"chat {event.model}", above.place, event, attributes, "client")
        steps.calls.append((event.role, call))

    def _called(self, info: e.RunStarted, steps: _Steps, event: e.ModelCallFinished) -> list[Span]:
        same = [
            n for n, (role, one) in enumerate(steps.calls)
            if role == event.role and one.attributes["agentbatch.call.purpose"] == event.purpose
        ]  # fmt: skip
        if event.told and steps.turn is not None:  # the whole turn, as the agent tells it
            steps.turn.attributes |= _spent(event)
        if event.told or not same:
            return []
        _, call = steps.calls.pop(same[0])
        error = "" if not event.error else names.error_type(event.kind, event.status, event.error)
        call.attributes |= _spent(event)
        if event.finish_reason:
            call.attributes["gen_ai.response.finish_reasons"] = [event.finish_reason]
        return [call.ended(event.ts, error, agentbatch__call__attempts=event.attempts)]

    def _tool(self, steps: _Steps, event: e.ToolCalled) -> None:
        tool = names.tool_name(event.tool)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": event.call_id[:100],
            "agentbatch.task.id": event.task_id,
        }
        if self._content:
            attributes["gen_ai.tool.call.arguments"] = event.summary[:4000]
        above = self._working(steps, event).place
        steps.tools[event.call_id] = _below(f"execute_tool {tool}", above, event, attributes)


def _below(
    name: str, parent: Place, event: e.TaskEvent, attributes: dict[str, Value], kind: Kind = "internal"
) -> OpenSpan:
    return OpenSpan(name, step_place(parent.trace, event.seq, name), parent, event.ts, attributes, kind)


def _agents_over(steps: _Steps, ts: float) -> list[Span]:
    over = [one.ended(ts) for one in (steps.turn, steps.evaluation) if one is not None]
    steps.turn = steps.evaluation = None
    return over


def _delay(event: e.TaskEvent) -> tuple[str, float, dict[str, Value]]:
    """What held a model call up, as an event of its span."""
    if isinstance(event, e.ModelCallRetried):
        error = names.error_type("", event.status, event.error)
        attempt: dict[str, Value] = {"agentbatch.call.attempt": event.attempt, "agentbatch.wait": event.wait}
        return "agentbatch.retry", event.ts, {**attempt, "error.type": error}
    assert isinstance(event, e.RateLimited)
    return (
        "agentbatch.rate_limited",
        event.ts,
        {"agentbatch.wait": event.wait, "agentbatch.cause": event.cause},
    )


def _tool_over(tool: OpenSpan, event: e.ToolFinished, *, content: bool) -> Span:
    if event.exit_code is not None:
        tool.attributes["process.exit.code"] = event.exit_code
    if content:
        tool.attributes["gen_ai.tool.call.result"] = event.summary[:4000]
    error: Literal["", "tool_error"] = "" if event.ok else "tool_error"
    return tool.ended(event.ts, error, agentbatch__tool__changed=event.changed)


def _check_over(steps: _Steps, event: e.CheckFinished) -> list[Span]:
    key = (event.kind, event.command)
    place = next((n for n, (of, _) in enumerate(steps.checks) if of == key), None)
    if place is None:
        return []
    _, check = steps.checks.pop(place)
    if event.exit_code is not None:
        check.attributes["process.exit.code"] = event.exit_code
    error = "timeout" if event.exit_code is None else "failed" if event.exit_code else ""
    return [check.ended(event.ts, error)]
