"""How a run stands, as one JSON document. The keys are those of the results file where both tell the same."""

from typing import Any

from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.status_text import SHOWN_SIGNS
from agentbatch.display.requests.status import is_requests, requests_record
from agentbatch.tasks.results.document import cost_document, iso_time, token_document


def status_document(report: RunReport) -> dict[str, Any]:
    """Times are ISO 8601 in UTC, `seconds` is wall clock over all sessions, costs are US dollars, null where a price
    is unknown."""
    run, state = report.run, report.run.state
    info = state.info
    requests = is_requests(run)
    return {
        "kind": info.kind if info else "tasks",
        "run": run.folder.run_id,
        "folder": str(run.folder.path.absolute()),
        "condition": run.condition,
        "process": run.process,
        "startedAt": iso_time(run.begun) if run.begun else None,
        "sessions": info.session if info else 0,
        "seconds": round(report.seconds, 3),
        "secondsLeft": None if report.left is None else round(report.left, 1),
        "mode": info.mode if info else None,
        "maxConcurrent": state.max_concurrent,
        "coderModel": info.coder_model if info else None,
        "evaluatorModel": info.evaluator_model if info else None,
        "rehearsal": bool(info and info.rehearsal),
        "paused": report.paused,
        "error": state.finished.error if state.finished else "",
        "tasks": {
            "total": 0 if requests else report.total,
            **{status: report.counts.get(status, 0) for status in SHOWN_SIGNS},
        },
        "requests": requests_record(run) if requests else None,
        "failedList": [{"id": request_id, "reason": reason} for request_id, reason in report.failed_requests]
        if requests
        else [
            {"id": task.id, "reason": task.reason, "status": task.status, "error": task.error}
            for task in report.failed
        ],
        "running": [
            {
                "id": task.id,
                "status": status,
                "paused": task.paused,
                "iteration": task.iteration,
                "activity": {
                    "kind": task.activity.kind,
                    "tool": task.activity.tool,
                    "detail": task.activity.detail,
                    "since": iso_time(task.activity.since) if task.activity.since else None,
                },
            }
            for task, status in report.under_way
        ],
        "tokenStats": token_document(state.bills),
        "cost": cost_document(state.bills),
        "resumeCommand": report.resume or None,
        "retryCommand": report.retry or None,
    }
