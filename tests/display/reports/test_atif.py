"""Trajectories as Harbor's models take them (harbor/models/trajectories of 0.25), which allow no other field."""

import json
from typing import Any

from agentbatch.display.reports.exports.atif import atif_document, atif_files
from agentbatch.display.reports.material import Material
from agentbatch.runs import events as e
from agentbatch.tasks.results.steps import steps
from tests.runs.finished_run import a_finished_run
from tests.support.run_events import NOON, run_started
from tests.tasks.results.happened import BEGUN, answered, called, said

TRAJECTORY = {
    "schema_version", "session_id", "trajectory_id", "agent", "steps", "notes", "final_metrics",
    "continued_trajectory_ref", "extra", "subagent_trajectories",
}  # fmt: skip
STEP = {
    "step_id", "timestamp", "source", "model_name", "reasoning_effort", "message", "reasoning_content", "tool_calls",
    "observation", "metrics", "is_copied_context", "llm_call_count", "extra",
}  # fmt: skip
OF_AGENTS = {"model_name", "reasoning_effort", "reasoning_content", "tool_calls", "metrics"}
METRICS = {"prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd", "extra"}
TOTALS = {
    "total_prompt_tokens",
    "total_completion_tokens",
    "total_cached_tokens",
    "total_cost_usd",
    "total_steps",
}


def check(document: dict[str, Any]) -> dict[str, Any]:
    """What Harbor's validator checks."""
    assert set(document) <= TRAJECTORY
    assert document["schema_version"] == "ATIF-v1.8"
    assert set(document["agent"]) <= {"name", "version", "model_name", "tool_definitions", "extra"}
    assert set(document["final_metrics"]) <= TOTALS
    assert [step["step_id"] for step in document["steps"]] == list(range(1, len(document["steps"]) + 1)) != []
    embedded = {one["trajectory_id"] for one in document.get("subagent_trajectories", ())}
    for step in document["steps"]:
        assert set(step) <= STEP
        assert step["source"] in ("system", "user", "agent")
        assert step["source"] == "agent" or not OF_AGENTS & set(step)
        assert isinstance(step["message"], str)
        assert set(step.get("metrics", {})) <= METRICS
        assert step.get("llm_call_count") != 0 or not {"metrics", "reasoning_content"} & set(step)
        calls = step.get("tool_calls", [])
        assert all(set(call) == {"tool_call_id", "function_name", "arguments"} for call in calls)
        assert all(isinstance(call["arguments"], dict) for call in calls)
        for result in step.get("observation", {"results": []})["results"]:
            assert set(result) <= {"source_call_id", "content", "subagent_trajectory_ref"}
            assert result.get("source_call_id") in {None, *(call["tool_call_id"] for call in calls)}
            assert {ref["trajectory_id"] for ref in result.get("subagent_trajectory_ref", ())} <= embedded
    for one in document.get("subagent_trajectories", ()):
        check(one)
    return document


def verdict(accepted: bool, iteration: int) -> e.VerdictReached:
    return e.VerdictReached(
        task_id="parser",
        iteration=iteration,
        accepted=accepted,
        verdict=None,
        refusals=["no"],
        decision="done",
    )


def test_the_steps_of_the_coder_and_those_of_the_evaluator() -> None:
    task = a_finished_run().tasks["parser"]
    happened = [
        *BEGUN,
        answered("judge", 99, "judge"),
        verdict(False, 1),
        said(5, "user", "more"),
        answered("m-2", 20),
        said(
            6, "assistant", "half \ud800", reasoning="so", tool_calls=[called("c", "[1]"), called("d", "{")]
        ),
        said(7, "tool", "none asked", tool_call_id="z"),
        verdict(True, 2),
    ]
    document = check(atif_document(task, steps(happened), run_started()))
    system, user, coder, more, last = document["steps"]
    assert [one["source"] for one in (system, user, coder, more, last)] == [
        "system",
        "user",
        "agent",
        "user",
        "agent",
    ]
    assert (coder["model_name"], coder["metrics"]["prompt_tokens"]) == ("m", 10)
    assert coder["observation"]["results"] == [
        {"source_call_id": "a", "content": "out a"},
        {"source_call_id": "b", "content": "not run"},
        {
            "content": "Iteration 1: not accepted\n- no",
            "subagent_trajectory_ref": [{"trajectory_id": "r1/parser/evaluator"}],
        },
    ]
    assert (last["model_name"], last["message"], last["reasoning_content"]) == ("m-2", "half \ufffd", "so")
    assert [call["arguments"] for call in last["tool_calls"]] == [{"arguments": [1]}, {"arguments": "{"}]
    assert last["observation"]["results"][0] == {"content": "none asked"}
    (judge,) = document["subagent_trajectories"]
    assert [step.get("metrics", {}).get("prompt_tokens") for step in judge["steps"]] == [99, None]
    assert document["final_metrics"]["total_cost_usd"] == task.cost
    json.dumps(document, allow_nan=False).encode("utf-8")


def test_a_task_without_a_conversation_has_its_prompt() -> None:
    files = dict(atif_files(Material(a_finished_run(), NOON)))
    assert sorted(files) == [f"task-{name}.json" for name in ("csv", "docs", "parser", "primes")]
    for text in files.values():
        assert [step["source"] for step in check(json.loads(text))["steps"]] == ["user"]
