"""`--json`: two records on stdout for the program that started us, nothing else."""

import json
from typing import Any

from agentbatch.display.reports.summary import Summary
from agentbatch.display.writer import Writer
from agentbatch.runs.events import Event, ModelCallProgressed, RunStarted
from agentbatch.runs.kind import kind_of
from agentbatch.runs.log_lines import line
from agentbatch.runs.state.run_state import RunState


class JsonDisplay:
    """A `launch` record when the run starts, a `done` record when it ends.

    ASCII only, so that no encoding and no terminal can change or obey what a model wrote.
    """

    def __init__(self, out: Writer, *, steps: Writer | None) -> None:
        """`steps` gets the verbose lines, when somebody wants to watch as well."""
        self._out = out
        self._steps = steps
        self._launched = False

    def open(self) -> None:
        pass

    def on_event(self, event: Event, state: RunState) -> None:
        if isinstance(event, RunStarted) and not self._launched:
            self._launched = True
            self._out.line(json.dumps(launch_record(event)))
        if self._steps is not None and not isinstance(event, ModelCallProgressed):
            for text in line(event, state, verbose=True):
                self._steps.line(text)

    def close(self, summary: Summary | None) -> None:
        if summary is not None:
            self._out.line(json.dumps(done_record(summary)))


def launch_record(info: RunStarted) -> dict[str, Any]:
    """The beginning of a run, of either kind."""
    own: dict[str, Any] = {
        "kind": info.kind,
        "total": info.total_tasks,
        "model": info.coder_model,
        "endpoint": info.coder_endpoint,
        "output": info.output,
    }
    if kind_of(info).has_tasks:
        own = {
            "mode": info.mode,
            "tasks": info.total_tasks,
            "coder": info.coder,
            "coders": info.coders,
            "coder_model": info.coder_model,
            "evaluator_model": info.evaluator_model,
            "sandbox": info.sandbox,
        }
    return {
        "type": "launch",
        "run_id": info.run_id,
        "version": info.version,
        "max_concurrent": info.max_concurrent,
        "rehearsal": info.rehearsal,
        "warnings": info.warnings,
        **own,
    }


def done_record(summary: Summary) -> dict[str, Any]:
    """The end of the run. The summary's keys and meanings are those of the results file: a task that had not
    ended when the run did counts as cancelled."""
    state = summary.state
    return {
        "type": "done",
        "run_id": summary.run_id,
        "summary": {
            "totalTasks": state.total,
            "completedTasks": state.count("completed"),
            "failedTasks": state.count("error"),
            "timeoutTasks": state.count("timeout"),
            "cancelledTasks": state.count("cancelled") + summary.unfinished,
            "skippedTasks": state.count("skipped"),
            "successRate": summary.success_rate,
            "durationSeconds": round(summary.seconds, 3),
            "totalTokenStats": state.usage.document(),
            "cost": {"total": state.cost, "currency": "USD"},
        },
        "results_file": str(summary.results_file),
        "run_folder": str(summary.run_folder or ""),
        "failedList": [
            {"id": task.id, "reason": task.reason or "cancelled", "error": task.error}
            for task in summary.tasks
            if task.status != "completed"
        ],
        "interrupted": summary.interrupted,
        "error": summary.error,
        "resume_command": summary.resume_command,
        "exit_code": summary.exit_code,
    }
