"""How a run stands, as text and as one JSON document, whose keys are those of the results file where both say the
same. Pure."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentbatch.display.reports.causes import cause_lines, group_causes
from agentbatch.display.reports.cost_table import clip_right
from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.requests.status import counts_text, failed_lines, requests_record
from agentbatch.display.screen import live_step
from agentbatch.display.signs import SHOWN_SIGNS
from agentbatch.runs.events import RunStarted
from agentbatch.runs.kind import REHEARSAL, kind_of
from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.log_lines import asleep_text, cause_text
from agentbatch.runs.state.acceptance import tasks_accepted
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.document import cost_document, iso_time, token_document
from agentbatch.text import clip, counted, duration, fold, money, pad, width

MAX_TASKS = 20
"""Of a list; the JSON form has all."""

FEW = 5
"""So many failed tasks are read one by one; of more, their causes stand above them."""

NAME_WIDTH = 28
"""Most cells of a task's id."""


def render_status(report: RunReport, columns: int, most: int = MAX_TASKS) -> list[str]:
    """Lines of at most `columns` (but at least 40) cells; commands and paths are never cut. `most`: tasks that failed,
    shown one by one."""
    columns = max(40, columns)
    sections = [
        _head(report, columns),
        _under_way(report, columns),
        _causes(report.failed, columns),
        _failed(report.failed, columns, most),
        failed_lines(report, columns),
        _next(report),
    ]
    return [line for section in sections if section for line in [*section, ""]][:-1]


def _head(report: RunReport, columns: int) -> list[str]:
    first, *others = head_sentences(report)
    return fold(first, columns, 4) + [part for text in others for part in fold(f"  {text}", columns, 4)]


def head_sentences(report: RunReport) -> list[str]:
    """How it stands with the run: its condition, where it comes from, its counts, what it took. Harmless."""
    run, state = report.run, report.run.state
    process = f" (process {run.process})" if run.process else ""
    paused = ", paused" if report.paused else ""
    texts = [f"Run {clip(run.folder.run_id, 60)}: {run.condition}{process}{paused}"]
    if report.asleep is not None:
        texts.append(asleep_text(report.asleep, report.now))
    if state.info is not None:
        texts += _origin(report, state.info)
    if state.finished is not None and state.finished.error and not run.alive:
        texts.append(f"stopped: {clip(state.finished.error, 1_000)}")
    if run.condition == "died":
        texts.append("Its engine ended without a word (killed, a power cut, a full disk).")
    words = f"{counted(run.state.total, 'task')}: {_counts(report.counts) or 'none begun'}"
    texts.append(words if kind_of(state.info).has_tasks else counts_text(report))
    if report.attempts:
        texts.append(f"{counted(len(report.attempts), 'attempt')}: {_counts(_by_status(report.attempts))}")
    completed = [task.accepted_by for task in state.tasks.values() if task.status == "completed"]
    if accepted := tasks_accepted(completed):
        texts.append(f"accepted: {accepted}")
    usage = state.usage
    texts.append(
        f"tokens {usage.shown(usage.input)} in ({usage.shown(usage.cached)} cached), "
        f"{usage.shown(usage.output)} out, {counted(usage.calls, 'call')}, cost {money(state.cost)}"
    )
    return texts


def _counts(counts: Mapping[ShownStatus, int]) -> str:
    return ", ".join(
        f"{sign} {counts[status]:,} {status}" for status, sign in SHOWN_SIGNS.items() if counts.get(status)
    )


def _by_status(tasks: Iterable[tuple[TaskState, ShownStatus]]) -> Counter[ShownStatus]:
    return Counter(status for _, status in tasks)


def _origin(report: RunReport, info: RunStarted) -> list[str]:
    concurrent = report.run.state.max_concurrent
    kind = kind_of(info)
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.run.begun))
    sessions = f" in {info.session} sessions" if info.session > 1 else ""
    lines = [
        f"{kind.mode(info, concurrent)}; started {begun}; at work {duration(report.seconds)}{sessions}{_left(report)}",
        *kind.origin(info),
    ]
    return [*lines, REHEARSAL] if info.rehearsal else lines


def _left(report: RunReport) -> str:
    return "" if report.left is None or not report.run.alive else f"; about {duration(report.left)} left"


def _under_way(report: RunReport, columns: int) -> list[str]:
    if not report.under_way:
        return []
    trying: dict[str, list[tuple[TaskState, ShownStatus]]] = defaultdict(list)
    for one, status in report.attempts:
        trying[one.attempt_of].append((one, status))
    rows = []
    for task, status in report.under_way:
        attempts = trying[task.id]
        rows.append(_at_work(task, status, report.now, _counts(_by_status(attempts))))
        rows += [_at_work(one, how, report.now) for one, how in attempts if how in ("coding", "evaluating")]
    return ["Under way", *_rows(rows[:MAX_TASKS], columns), *_more(len(rows))]


def _at_work(
    task: TaskState, status: ShownStatus, now: float, attempts: str = ""
) -> tuple[ShownStatus, TaskState, str]:
    """`attempts`: how those at it stand."""
    place = f"{task.iteration}/{task.max_iterations}"
    step = attempts or live_step(task.activity, now)
    return (
        status,
        task,
        f"{pad(place, 7, right=True)}  {', '.join(filter(None, [task.paused * 'paused', step, clip(task.place, 60)]))}",
    )


def _causes(failed: Sequence[TaskState], columns: int) -> list[str]:
    """Where there are more than one sees at a glance."""
    lines = cause_lines(group_causes(failed), columns) if len(failed) > FEW else []
    return ["Causes", *lines] if lines else []


def _failed(failed: Sequence[TaskState], columns: int, most: int) -> list[str]:
    if not failed:
        return []
    shown = failed[:most]
    rows = _rows([(task.status, task, task.reason or "") for task in shown], columns)
    lines = []
    for task, row in zip(shown, rows, strict=True):
        lines += [
            row,
            *([f"      {clip(cause, columns - 6)}"] if (cause := cause_text(task)) != task.reason else []),
        ]
    return ["Failed", *lines, *_more(len(failed), most, "--all")]


def _rows(rows: Sequence[tuple[ShownStatus, TaskState, str]], columns: int) -> list[str]:
    """A line a task: sign, id, status, and the rest as far as there is room."""
    longest = max(width(clip(task.named, NAME_WIDTH)) for _, task, _ in rows)
    names = min(longest, columns // 3)
    return [
        clip_right(
            f"  {SHOWN_SIGNS[status]} {pad(task.named, names)} {pad(status, 10)} {rest}".rstrip(), columns
        )
        for status, task, rest in rows
    ]


def _more(number: int, most: int = MAX_TASKS, lists_all: str = "--json") -> list[str]:
    return [f"  … and {number - most:,} more: {lists_all} lists all"] if number > most else []


def _next(report: RunReport) -> list[str]:
    steps = [
        (report.resume, "resumes it"),
        (report.retry, "runs what failed again"),
        (report.retry_one, "runs only those again"),
    ]
    if report.run.alive:
        steps.insert(0, (f"agentbatch logs -f {report.name}", "watches it"))
    else:
        steps.append((f"agentbatch logs {report.name}", "shows what happened"))
    shown = [(command, what) for command, what in steps if command]
    wide = max(len(command) for command, _ in shown)
    return ["Next", *(f"  {command:{wide}}  {what}" for command, what in shown)]


def status_document(report: RunReport) -> dict[str, Any]:
    """Times are ISO 8601 in UTC, `seconds` is wall clock over all sessions, costs are US dollars, null where a price
    is unknown."""
    run, state = report.run, report.run.state
    info = state.info
    has_tasks = kind_of(info).has_tasks
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
        "coder": info.coder if info else None,
        "coders": info.coders if info else [],
        "coderModel": info.coder_model if info else None,
        "evaluatorModel": info.evaluator_model if info else None,
        "rehearsal": bool(info and info.rehearsal),
        "paused": report.paused,
        "asleepUntil": iso_time(report.asleep.until) if report.asleep is not None else None,
        "error": state.finished.error if state.finished else "",
        "tasks": {
            "total": run.state.total if has_tasks else 0,
            **{status: report.counts.get(status, 0) for status in SHOWN_SIGNS},
        },
        "attempts": {
            "total": len(report.attempts),
            **{status: _by_status(report.attempts)[status] for status in SHOWN_SIGNS},
        }
        if report.attempts
        else None,
        "attemptList": [_attempt_record(report, one, status) for one, status in report.attempts],
        "requests": None if has_tasks else requests_record(run),
        "failedList": [
            {"id": task.id, "reason": task.reason, "status": task.status, "error": task.error}
            for task in report.failed
        ]
        if has_tasks
        else [{"id": request_id, "reason": reason} for request_id, reason in report.failed_requests],
        "running": [
            {
                "id": task.id,
                "coder": task.coder,
                "status": status,
                "paused": task.paused,
                "iteration": task.iteration,
                "place": task.place or None,
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


def _attempt_record(report: RunReport, one: TaskState, status: ShownStatus) -> dict[str, Any]:
    task = report.run.state.tasks.get(one.attempt_of)
    return {
        "id": one.id,
        "attemptOf": one.attempt_of,
        "status": status,
        "reason": one.reason,
        "iteration": one.iteration,
        "model": one.model or None,
        "chosen": task is not None and task.choice is not None and task.choice.attempt == one.id,
    }
