"""Spans of a run, by its events: a table of what stands below what, and what the attributes say."""

from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.telemetry import measures
from agentbatch.runs.telemetry.conventions import endpoint_attributes, error_type, provider_name, tool_name
from agentbatch.runs.telemetry.span import Span, run_place, task_place
from agentbatch.runs.telemetry.spans import ONE_TRACE, Tracing
from agentbatch.usage import Usage
from tests.runs.telemetry.task_events import SAID, finished, queued, turn
from tests.support.run_events import run_started


def play(*events: e.Event, content: bool = False) -> list[Span]:
    """What the events make, one a second, in the order of their ends."""
    state, tracing, spans = RunState(), Tracing(content=content), []
    for seq, event in enumerate(events, 1):
        now = event.model_copy(update={"seq": seq, "ts": float(seq)})
        state.apply(now)
        spans += tracing(now, state)
    return spans


def tree(spans: list[Span]) -> list[str]:
    """Names in the order of their starts, indented below their parents."""
    by_place = {span.place: span for span in spans}

    def depth(span: Span) -> int:
        return 0 if span.parent is None else 1 + depth(by_place[span.parent])

    return [
        "  " * depth(span) + span.name for span in sorted(spans, key=lambda span: (span.start, depth(span)))
    ]


def test_setup_and_teardown_are_the_tasks_own() -> None:
    def ran(kind: e.CheckKind, exit_code: int | None = 0) -> list[e.Event]:
        named: dict[str, Any] = {"task_id": "t", "kind": kind, "command": SAID}
        return [
            e.CheckStarted(**named),
            e.CheckFinished(**named, exit_code=exit_code, tail=SAID, seconds=1.0),
        ]

    events = [*ran("setup"), *turn("t"), *ran("teardown", None), finished("t")]
    spans = play(run_started(), queued("t"), e.TaskStarted(task_id="t"), *events, e.RunFinished())
    assert [line for line in tree(spans) if line.count("  ") < 3] == [
        "invoke_workflow agentbatch",
        "  invoke_workflow task",
        "    setup",
        "    invoke_agent coder",
        "    invoke_agent evaluator",
        "    teardown",
    ]
    assert {span.name: span.error for span in spans if span.name in ("setup", "teardown")} == {
        "setup": "",
        "teardown": "timeout",
    }


def test_a_task_from_its_start_to_its_end() -> None:
    spans = play(
        run_started(), queued("t"), e.TaskStarted(task_id="t"), *turn("t"), finished("t"), e.RunFinished()
    )
    assert tree(spans) == [
        "invoke_workflow agentbatch",
        "  invoke_workflow task",
        "    invoke_agent coder",
        "      chat m-coder",
        "      execute_tool bash",
        "    invoke_agent evaluator",
        "      check verify",
        "      chat m-judge",
    ]
    of = {span.name: span for span in spans}
    call = of["chat m-coder"]
    assert call.kind == "client"
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m-coder",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.agent.name": "coder",
        "gen_ai.conversation.id": "r1/t",
        "server.address": "models.example.com",
        "server.port": 443,
        "agentbatch.task.id": "t",
        "agentbatch.coder": "builtin",
        "agentbatch.call.purpose": "code",
        "agentbatch.call.attempts": 2,
        "agentbatch.cost": 0.25,
    }
    assert [(one.name, one.attributes["error.type"]) for one in call.events] == [("agentbatch.retry", "429")]
    assert (of["chat m-judge"].error, of["execute_tool bash"].error, call.error) == ("429", "tool_error", "")
    verdict = of["invoke_agent evaluator"]
    assert [one.name for one in verdict.events] == ["gen_ai.evaluation.result"]
    assert verdict.attributes["gen_ai.evaluation.score.value"] == 0.9
    assert len({span.place for span in spans}) == len(spans)
    assert len({span.place.trace for span in spans}) == 1


@pytest.mark.parametrize(("content", "told"), [(False, 0), (True, 6)])
def test_words_are_in_it_only_when_asked_for(content: bool, told: int) -> None:
    events = (
        run_started(),
        queued("t"),
        e.TaskStarted(task_id="t"),
        *turn("t"),
        finished("t"),
        e.RunFinished(),
    )
    assert str(play(*events, content=content)).count(SAID) == told


def test_attempts_stand_below_their_task() -> None:
    spans = play(
        run_started(), queued("t"), queued("t@1", attempt_of="t"), queued("t@2", attempt_of="t"),
        e.TaskStarted(task_id="t@1"), e.TaskStarted(task_id="t@2"),
        *turn("t@1"), finished("t@1"), finished("t@2", "cancelled", "superseded"),
        e.TaskStarted(task_id="t"),
        e.AttemptChosen(task_id="t", attempt="t@1", why="w"),
        finished("t"), e.RunFinished(),
    )  # fmt: skip
    whole = next(span for span in spans if span.name == "invoke_workflow task")
    attempts = [span for span in spans if span.name == "invoke_workflow attempt"]
    assert [span.parent for span in attempts] == [whole.place, whole.place]
    assert whole.start == min(span.start for span in attempts)
    assert [span.error for span in attempts] == ["", "superseded"]
    assert tree(spans)[:2] == ["invoke_workflow agentbatch", "  invoke_workflow task"]


def test_a_resumed_run_is_linked_to_the_session_before() -> None:
    ends = finished("t", "cancelled", "interrupted").model_copy(update={"resumable": True})
    spans = play(
        run_started(), queued("t"), e.TaskStarted(task_id="t"), ends, e.RunFinished(interrupted=True),
        run_started(session=2), e.TaskRequeued(task_id="t"), e.TaskResumed(task_id="t"),
        *turn("t")[6:], finished("t"), e.RunFinished(),
    )  # fmt: skip
    first, second = (span for span in spans if span.name == "invoke_workflow agentbatch")
    before, after = (span for span in spans if span.name == "invoke_workflow task")
    assert (first.links, second.links) == ((), (first.place,))
    assert (before.links, after.links) == ((), (before.place,))
    assert first.place.trace != second.place.trace
    assert (first.error, before.error) == ("interrupted", "interrupted")
    assert after.parent == second.place


def test_a_task_that_its_session_leaves_where_it_was_stays_linked() -> None:
    """The chain of its spans has no gap, though it did not come to its turn in the second session."""
    ends = finished("t", "cancelled", "interrupted").model_copy(update={"resumable": True})
    spans = play(
        run_started(), queued("t"), e.TaskStarted(task_id="t"), ends, e.RunFinished(),
        run_started(session=2), e.TaskRequeued(task_id="t", seconds_before=1.0), ends, e.RunFinished(),
        run_started(session=3), e.TaskRequeued(task_id="t", seconds_before=1.0), e.TaskResumed(task_id="t"), ends,
        e.RunFinished(),
    )  # fmt: skip
    first, second, third = (span for span in spans if span.name == "invoke_workflow task")
    assert (second.links, third.links) == ((first.place,), (second.place,))


def test_many_tasks_have_a_trace_each() -> None:
    events = [queued("a"), e.TaskStarted(task_id="a"), finished("a"), e.RunFinished()]
    task, run = play(run_started(ONE_TRACE + 1), *events)
    assert (task.parent, task.links) == (None, (run.place,))
    assert task.place.trace != run.place.trace


def test_what_is_under_way_when_a_task_ends_ends_with_it() -> None:
    spans = play(
        run_started(), queued("t"), e.TaskStarted(task_id="t"), *turn("t")[:2],
        finished("t", "timeout", "wall_clock"), e.RunFinished(error="no"),
    )  # fmt: skip
    assert {span.name: span.error for span in spans} == {
        "chat m-coder": "interrupted",
        "invoke_agent coder": "interrupted",
        "invoke_workflow task": "wall_clock",
        "invoke_workflow agentbatch": "stopped",
    }


def test_a_task_that_never_began_has_no_span() -> None:
    spans = play(run_started(), queued("t"), finished("t", "skipped", "dependency_failed"), e.RunFinished())
    assert [span.name for span in spans] == ["invoke_workflow agentbatch"]


def test_places_are_found_again() -> None:
    assert run_place("r", 1) == run_place("r", 1) != run_place("r", 2)
    assert task_place("r", 1, "t@2", own_trace=True).trace == task_place("r", 1, "t", own_trace=True).trace
    assert len(run_place("r", 1).trace) == 32
    assert len(run_place("r", 1).id) == 16


def test_a_span_is_measured_without_its_ids() -> None:
    spans = play(
        run_started(), queued("t"), e.TaskStarted(task_id="t"), *turn("t"), finished("t"), e.RunFinished()
    )
    found = [measure for span in spans for measure in measures.of_span(span)]
    attributes = {name for measure in found for name in measure.attributes}
    assert not attributes & {"agentbatch.task.id", "gen_ai.conversation.id", "gen_ai.tool.call.id"}
    sums: dict[str, float] = {}
    for measure in found:
        sums[measure.name] = sums.get(measure.name, 0) + measure.value
    assert sums["gen_ai.client.token.usage"] == 240
    assert sums["agentbatch.cost"] == 0.25
    assert sums["agentbatch.calls"] == 2


@pytest.mark.parametrize(
    ("url", "provider", "port"),
    [
        ("https://api.openai.com/v1", "openai", 443),
        ("http://127.0.0.1:8000/v1", "openai", 8000),
        ("https://api.mistral.ai/v1", "mistral_ai", 443),
        ("https://x.ai.example.com/v1", "openai", 443),
        ("https://evilx.ai/v1", "openai", 443),
        ("https://me.openai.azure.com/openai/v1", "azure.ai.openai", 443),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/v1", "aws.bedrock", 443),
    ],
)
def test_an_endpoint_is_its_host_and_port(url: str, provider: str, port: int) -> None:
    attributes = endpoint_attributes(url)
    assert (attributes["gen_ai.provider.name"], attributes["server.port"]) == (provider, port)


def test_names_that_a_model_made_up_are_one() -> None:
    assert [tool_name(word) for word in ("bash", "mcp.read-file", "", "x" * 50, "a b", "é")] == [
        "bash", "mcp.read-file", "_OTHER", "_OTHER", "_OTHER", "_OTHER",
    ]  # fmt: skip
    assert error_type("rate", 429, "s") == "429"
    assert error_type("transient", None, "s") == "transient"
    assert error_type("", None, "s") == "_OTHER"
    assert (error_type("", None, ""), endpoint_attributes("http://[")) == (
        "",
        {"gen_ai.provider.name": "openai"},
    )
    assert provider_name("") == "openai"


def test_which_coder_it_was_and_what_it_says_that_its_turn_took() -> None:
    """Of a turn that is told there is no call: the turn has its figures."""
    own = {"task_id": "t", "role": "coder", "model": "gemini", "latency": 1.0, "attempts": 1, "told": True}
    spans = play(
        run_started(),
        queued("t"),
        e.TaskStarted(task_id="t"),
        e.IterationStarted(task_id="t", iteration=1, prompt=SAID, coder="codex"),
        e.ModelCallStarted(task_id="t", role="coder", model="m-coder"),
        e.TurnFinished(task_id="t", iteration=1, end="text", text=SAID),
        e.IterationStarted(task_id="t", iteration=2, prompt=SAID, coder="gemini"),
        e.ModelCallFinished(**own, usage=Usage(input=7, output=1, calls=1), cost=0.5),
        e.TurnFinished(task_id="t", iteration=2, end="text", text=SAID),
        finished("t"),
        e.RunFinished(),
    )
    turns = [span.attributes for span in spans if span.name == "invoke_agent coder"]
    assert [turn["agentbatch.coder"] for turn in turns] == ["codex", "gemini"]
    assert (turns[1]["gen_ai.usage.input_tokens"], turns[1]["agentbatch.cost"]) == (7, 0.5)
    assert [measure.name for measure in measures.of_span(next(one for one in spans if one.attributes is turns[1]))] == [
        "gen_ai.invoke_agent.duration", *["gen_ai.client.token.usage"] * 2, "agentbatch.cost",
    ]  # fmt: skip
    (task,) = (span for span in spans if span.name == "invoke_workflow task")
    assert task.attributes["agentbatch.task.coders"] == ["codex", "gemini"]
