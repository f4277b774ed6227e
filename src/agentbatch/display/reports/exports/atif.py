"""A task as a trajectory in Harbor's interchange format, ATIF 1.8, which its validator takes as it is. Pure.

The coder's steps are the trajectory; the evaluations are one of their own in it, to which the step before each leads.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentbatch.display.reports.material import Material
from agentbatch.files import as_json
from agentbatch.patterns import regex
from agentbatch.runs import events as e
from agentbatch.runs.state.bills import total_cost, total_usage
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.document import iso_time
from agentbatch.tasks.results.steps import Step, TranscriptItem, calls_of, steps, text_of, thought_of
from agentbatch.usage import Usage, sum_or_none, sum_usage

SCHEMA = "ATIF-v1.8"

_SOURCES = {"system": "system", "assistant": "agent"}
_HALF = regex("[\ud800-\udfff]")
"""Half a surrogate pair, which strict readers of JSON refuse."""


def atif_files(material: Material) -> Iterator[tuple[str, str]]:
    """A file a task, or attempt at one, by its name. Raises UserError for a run that is damaged."""
    info = material.state.info
    if info is None:
        return
    for task in material.tasks:
        name = material.names[task.id]
        attempts = material.state.attempts_of(task.id)
        named = [(f"{name}@{number}", one) for number, one in enumerate(attempts, 1)] or [(name, task)]
        for stem, one in named:
            document = atif_document(one, steps(material.records.events(one)), info)
            yield f"{stem}.json", as_json(document) + "\n"


def atif_document(
    task: TaskState, happenings: Sequence[TranscriptItem], info: e.RunStarted
) -> dict[str, Any]:
    """A task of which nothing has happened, or nothing is known, has its prompt as the only step."""
    own_id = f"{info.run_id}/{task.id}"
    judge_id = f"{own_id}/evaluator"
    told: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    asked: list[e.ModelCallFinished] = []
    for one in happenings:
        match one:
            case Step():
                told.append(_step(len(told) + 1, one))
            case e.ModelCallFinished(role="evaluator"):
                asked.append(one)
            case e.VerdictReached():
                evaluations.append(_evaluation(len(evaluations) + 1, one, asked))
                asked = []
                _refer(told, judge_id, one)
    if not told:
        told.append({"step_id": 1, "source": "user", "message": task.first_prompt})
    document: dict[str, Any] = {
        "schema_version": SCHEMA,
        "session_id": info.run_id,
        "trajectory_id": own_id,
        "agent": {"name": "agentbatch", "version": info.version or "unknown", **_model(_coder(task, info))},
        "steps": told,
        "final_metrics": _final(total_usage(task.bills, "coder"), task.cost, len(told)),
        "extra": _extra(task),
    }
    if evaluations:
        usage, cost = total_usage(task.bills, "evaluator"), total_cost(task.bills, "evaluator")
        judge = {
            "schema_version": SCHEMA,
            "trajectory_id": judge_id,
            "agent": {
                "name": "agentbatch-evaluator",
                "version": info.version or "unknown",
                **_model(info.evaluator_model),
            },
            "steps": evaluations,
            "final_metrics": _final(usage, cost, len(evaluations)),
        }
        document["subagent_trajectories"] = [judge]
    whole: dict[str, Any] = _clean(document)
    return whole


def _step(number: int, step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {
        "step_id": number,
        "timestamp": iso_time(step.ts),
        "source": _SOURCES.get(step.role, "user"),
        "message": text_of(step.message),
        "extra": {"iteration": step.iteration},
    }
    if step.role != "assistant":
        return found
    if step.call is not None:
        found |= {**_model(step.call.model), "metrics": _metrics([step.call]), "llm_call_count": 1}
    if thought := thought_of(step.message):
        found["reasoning_content"] = thought
    calls = calls_of(step.message)
    if calls:
        found["tool_calls"] = [
            {"tool_call_id": call_id, "function_name": name, "arguments": _arguments(text)}
            for call_id, name, text in calls
        ]
    known = {call_id for call_id, _, _ in calls}
    results = [
        {**({"source_call_id": one.call_id} if one.call_id in known else {}), "content": one.text}
        for one in step.answers
    ]
    return {**found, "observation": {"results": results}} if results else found


def _arguments(text: str) -> dict[str, Any]:
    """What is no JSON object stands in one."""
    try:
        found = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        found = text
    return found if isinstance(found, dict) else {"arguments": found}


def _evaluation(
    number: int, verdict: e.VerdictReached, calls: Sequence[e.ModelCallFinished]
) -> dict[str, Any]:
    """As a step of the evaluator: what it came to."""
    told = {
        "accepted": verdict.accepted,
        "decided_by": verdict.decided_by,
        "verdict": verdict.verdict,
        "refusals": verdict.refusals,
        "tampering": verdict.tampering,
        "checks": [check.model_dump() for check in verdict.checks],
    }
    step = {
        "step_id": number,
        "timestamp": iso_time(verdict.ts),
        "source": "agent",
        "message": _summary(verdict),
        "llm_call_count": len(calls),
        "extra": {"iteration": verdict.iteration, **told},
    }
    return {**step, **_model(calls[-1].model), "metrics": _metrics(calls)} if calls else step


def _summary(verdict: e.VerdictReached) -> str:
    outcome = "accepted" if verdict.accepted else "not accepted"
    return "\n".join(
        [f"Iteration {verdict.iteration}: {outcome}", *(f"- {text}" for text in verdict.refusals)]
    )


def _refer(steps: Sequence[dict[str, Any]], judge_id: str, verdict: e.VerdictReached) -> None:
    """What the coder did last led to this evaluation."""
    last = next((step for step in reversed(steps) if step["source"] == "agent"), None)
    if last is not None:
        result = {"content": _summary(verdict), "subagent_trajectory_ref": [{"trajectory_id": judge_id}]}
        last.setdefault("observation", {"results": []})["results"].append(result)


def _metrics(calls: Sequence[e.ModelCallFinished]) -> dict[str, Any]:
    usage, cost = sum_usage(call.usage for call in calls), sum_or_none(call.cost for call in calls)
    counts = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "cached_tokens": usage.cached,
    }
    found: dict[str, Any] = {
        **({} if usage.unknown else counts),
        "extra": {
            "reasoning_tokens": usage.reasoning,
            "estimated": usage.estimated,
            "latency_seconds": round(sum(call.latency for call in calls), 3),
            "attempts": sum(call.attempts for call in calls),
        },
    }
    return found | ({} if cost is None else {"cost_usd": cost})


def _final(usage: Usage, cost: float | None, steps: int) -> dict[str, Any]:
    counts = {
        "total_prompt_tokens": usage.input,
        "total_completion_tokens": usage.output,
        "total_cached_tokens": usage.cached,
    }
    found: dict[str, Any] = {**({} if usage.unknown else counts), "total_steps": steps}
    return found | ({} if cost is None else {"total_cost_usd": cost})


def _extra(task: TaskState) -> dict[str, Any]:
    return {
        "task": {"id": task.id, "dir": task.dir, "index": task.index},
        "status": task.status,
        "reason": task.reason,
        "error": task.error,
        "iterations": task.iteration,
        "coders": list(task.coders),
        "accepted_by": task.accepted_by if task.status == "completed" else None,
        "branch": task.branch,
    }


def _coder(task: TaskState, info: e.RunStarted) -> str:
    """The model that the task's coder used, the first where there were several."""
    return next((bill.model for bill in task.bills if bill.role == "coder"), info.coder_model)


def _model(name: str) -> dict[str, str]:
    return {"model_name": name} if name else {}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list | tuple) else value
