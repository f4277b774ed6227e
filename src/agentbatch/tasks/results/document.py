"""The results file: a superset of the original's keys, so that scripts written for it keep working."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.check_words import tallies
from agentbatch.runs.state.bills import Bill, DraftBill, HandoverBill, total_cost, total_usage
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import Said, TaskState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.spending.tiering import PartSpending, handover, tiering
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.tasks.bakeoff.document import bake_off_document
from agentbatch.usage import Usage


def results_document(state: RunState, comparison: Sequence[ComparisonRow], now: float) -> dict[str, Any]:
    """The whole document, results in task order. Times are ISO 8601 in UTC, `duration` is in milliseconds
    (`durationSeconds` beside it), costs in US dollars, null where a price is unknown."""
    info = state.info
    if info is None:
        raise ValueError("a run that has not started has no results")
    tasks = sorted(state.tasks.values(), key=lambda task: task.index)
    compared = bake_off(state)
    total = len(tasks)
    completed = state.count("completed")
    return {
        "summary": {
            "totalTasks": total,
            "completedTasks": completed,
            "failedTasks": state.count("error"),
            "timeoutTasks": state.count("timeout"),
            "cancelledTasks": state.count("cancelled", "queued", "coding", "evaluating", "paused"),
            "skippedTasks": state.count("skipped"),
            "successRate": completed / total if total else 0.0,
            "maxConcurrent": info.max_concurrent,
            "mode": info.mode,
            "timestamp": iso_time(now),
            "durationSeconds": round(state.seconds(now), 3),
            "totalTokenStats": token_document(state.bills),
            "cost": cost_document(state.bills),
            "escalation": _escalation(tasks),
            "coderEscalation": _coder_escalation(tasks),
            "costComparison": [row.document() for row in comparison],
            **({"comparison": bake_off_document(compared)} if compared else {}),
            "errorCauses": _causes(tasks),
        },
        "run": {
            "id": info.run_id,
            "version": info.version,
            "coder": info.coder,
            "coders": info.coders,
            "ownModels": info.own_models,
            "coderModel": info.coder_model,
            "evaluatorModel": info.evaluator_model,
            "coderEndpoint": info.coder_endpoint,
            "evaluatorEndpoint": info.evaluator_endpoint,
            "judged": info.judged,
            "rehearsal": info.rehearsal,
            "note": "rehearsal model: scripted replies, no AI" if info.rehearsal else "",
            "sandbox": info.sandbox,
            "cluster": info.cluster,
            "promptsDigest": info.prompts_digest,
            "warnings": list(info.warnings),
            "notices": [text for text in state.notices if text not in info.warnings],
            "interrupted": bool(state.finished and state.finished.interrupted),
            "error": state.finished.error if state.finished else "",
        },
        "results": [_result(task, now) for task in tasks],
    }


def _result(task: TaskState, now: float) -> dict[str, Any]:
    result: dict[str, Any] = {
        "status": task.status if task.finished else "cancelled",
        "reason": task.reason,
        "iterations": task.iteration,
        "coder": task.coder,
        "coders": list(task.coders),
        "maxIterations": task.max_iterations,
        "decidedBy": task.verdicts[-1].decided_by if task.verdicts else None,
        "acceptedBy": task.accepted_by if task.status == "completed" else None,
        "checks": _checks(task),
        "tokenStats": token_document(task.bills),
        "cost": cost_document(task.bills),
        "lastResponse": task.last_response,
        "lastEvaluation": task.last_evaluation,
        "verdicts": [record.model_dump() for record in task.verdicts],
        "verify": task.last_verify.model_dump() if task.last_verify else None,
        "setup": [record.model_dump() for record in task.setup],
        "said": [_said(one, heard=one.seq <= task.heard) for one in task.said],
        "tampering": task.tampering,
        "changedFiles": task.changed_files,
        "branch": task.branch or None,
        "place": task.place or None,
        "resumable": task.resumable or not task.finished,
        "reruns": task.reruns,
        "steps": task.steps,
        "attempts": task.attempts,
        "hiddenVerify": task.hidden,
        "choice": task.choice and _choice(task.choice),
    }
    if task.error:
        result["error"] = task.error
    seconds = task.duration(now)
    return {
        "taskIndex": task.index,
        "task": {"id": task.id, "dir": task.dir, "first_prompt": task.first_prompt},
        "result": result,
        "duration": round(seconds * 1000),
        "durationSeconds": round(seconds, 3),
        "timestamp": iso_time(task.finished_at if task.finished_at is not None else now),
    }


def _said(said: Said, *, heard: bool) -> dict[str, Any]:
    return {"text": said.text, "by": said.by, "timestamp": iso_time(said.ts), "heard": heard}


def _choice(choice: e.AttemptChosen) -> dict[str, Any]:
    """Of several attempts at the task: which was taken, why, and how they stood, the best first."""
    return {
        "attempt": choice.attempt,
        "why": choice.why,
        "standings": [
            {
                "attempt": one.attempt,
                "completed": one.completed,
                "checksPassed": one.passed,
                "checks": one.checks,
                "alike": one.alike,
                "score": one.score,
                "hiddenVerify": one.hidden,
                "tokens": one.tokens,
                "cost": one.cost,
                **({"problem": one.problem} if one.problem else {}),
            }
            for one in choice.standings
        ],
    }


def _checks(task: TaskState) -> dict[str, dict[str, int]]:
    """Of the latest evaluation, by kind. Each check of each evaluation stands in `verdicts`."""
    latest = task.verdicts[-1].checks if task.verdicts else []
    return {
        found.kind: {"passed": found.passed, "failed": found.failed, "notCounted": found.void}
        for found in tallies(latest)
    }


def token_document(bills: Sequence[Bill]) -> dict[str, Any]:
    usage = total_usage(tuple(bills))
    return {
        **usage.document(),
        "averageTokensPerCall": _average(usage),
        "cachedShare": round(usage.cached / usage.input, 4) if usage.input else 0,
        "byRole": {role: total_usage(tuple(bills), role).document() for role in _roles(bills)},
    }


def cost_document(bills: Sequence[Bill]) -> dict[str, Any]:
    return {
        "total": total_cost(tuple(bills)),
        "currency": "USD",
        "byRole": {role: total_cost(tuple(bills), role) for role in _roles(bills)},
        "byModel": [
            {
                "role": bill.role,
                "model": bill.model,
                **({"coder": bill.coder} if bill.coder else {}),
                "input": bill.cost_input,
                "output": bill.cost_output,
                "total": bill.cost,
                **bill.usage.document(),
                **({"drafted": _drafted(bill.drafted)} if bill.drafted is not None else {}),
                **({"handedOver": _handed_over(bill.handed_over)} if bill.handed_over is not None else {}),
            }
            for bill in bills
        ],
    }


def _escalation(tasks: Sequence[TaskState]) -> dict[str, Any] | None:
    """None: no task had a stronger model to come."""
    found = tiering(tasks)
    if found is None:
        return None
    return {
        "tasks": found.tasks,
        "completedBefore": found.spared,
        "takenOver": found.taken_over,
        "drafted": _drafted(found.drafts),
        "draftedOfCompletedBefore": found.spared_drafts and _drafted(found.spared_drafts),
    }


def _coder_escalation(tasks: Sequence[TaskState]) -> dict[str, Any] | None:
    """None: no task had another coder to come. `saved` is an estimate: what those that were spared would have cost, had
    each taken what one that was taken over did."""
    found = handover(tasks)
    if found is None:
        return None
    return {
        "tasks": found.tasks,
        "coders": list(found.coders),
        "completedBefore": found.spared,
        "takenOver": found.taken_over,
        "drafted": _spent(found.drafts),
        "draftedOfCompletedBefore": found.spared_drafts and _spent(found.spared_drafts),
        "afterTakenOver": found.finishing and _spent(found.finishing),
        "saved": found.saved,
    }


def _spent(spent: PartSpending) -> dict[str, Any]:
    return {"cost": spent.cost, **spent.usage.document()}


def _handed_over(handed: HandoverBill) -> dict[str, Any]:
    return {"coders": list(handed.coders), "cost": handed.cost, **handed.usage.document()}


def _drafted(drafted: DraftBill) -> dict[str, Any]:
    """`strongerCost` and `saved` are estimates: another model needs other tokens."""
    return {
        "models": list(drafted.models),
        "cost": drafted.cost,
        "strongerCost": drafted.stronger_cost,
        "saved": drafted.saved,
        **drafted.usage.document(),
    }


def _average(usage: Usage) -> float | None:
    """None: of no call it is known."""
    if usage.average is None:
        return None if usage.calls else 0
    return round(usage.average, 1)


def _roles(bills: Sequence[Bill]) -> list[e.Role]:
    return list(dict.fromkeys(bill.role for bill in bills))


def _causes(tasks: Sequence[TaskState]) -> dict[str, int]:
    causes: dict[str, int] = {}
    for task in tasks:
        if task.status != "completed":
            cause = task.reason or task.status
            causes[cause] = causes.get(cause, 0) + 1
    return causes


def iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
