"""The closing summary as text. Pure: the plain display prints it, the rich display colours it."""

from collections.abc import Sequence

from agentbatch.display.reports.cost_table import clip_right, render_comparison
from agentbatch.display.reports.summary import Cause, Summary, TaskLine
from agentbatch.display.signs import SIGNS
from agentbatch.runs.log_lines import REHEARSAL, reason_text
from agentbatch.text import UNKNOWN, clip, counted, duration, fold, money, pad, tokens
from agentbatch.usage import Usage

WHOLE_LIST = 50
"""Runs of more tasks list only those that did not complete."""

_FIGURES = (9, 9, 9, 9, 6, 9)
"""Cells of input, cached, output, reasoning, calls and cost."""


def render_text(summary: Summary, width: int) -> list[str]:
    """The whole summary, no line wider than `width` (but at least 40). Section titles stand at the margin."""
    width = max(40, width)
    sections = [
        _headline(summary, width),
        _token_table(summary, width),
        _task_list(summary.tasks, width),
        _causes(summary.causes, width),
        _tampering(summary.tasks, width),
        _titled("Warnings", [line for text in summary.warnings for line in _item(text, width)]),
        _titled(
            "What these tokens would cost elsewhere",
            ["  " + line for line in render_comparison(summary.comparison, width - 2, summary.cost)],
        ),
        _places(summary),
    ]
    return [line for section in sections if section for line in [*section, ""]][:-1]


def _titled(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *lines] if lines else []


def _item(text: str, width: int) -> list[str]:
    return fold(f"  - {clip(text, 1_000)}", width, 4)


def _headline(summary: Summary, width: int) -> list[str]:
    kinds = [
        (summary.completed, "completed"),
        (summary.failed, "failed"),
        (summary.timeout, "timed out"),
        (summary.cancelled, "cancelled"),
        (summary.skipped, "skipped"),
        (summary.unfinished, "not finished"),
    ]
    counts = ", ".join(f"{number:,} {word}" for number, word in kinds if number or word == "completed")
    lines = [f"Summary of run {clip(summary.run_id, width - 15)}"]
    if summary.rehearsal:
        lines.append(f"  {REHEARSAL}")
    if not summary.judged:
        lines.append("  verified by the tasks' own checks, no evaluator")
    if summary.error:
        lines += fold(f"  the run was stopped: {clip(summary.error, 1_000)}", width, 4)
    elif summary.interrupted:
        lines.append("  the run was interrupted")
    lines += fold(f"  {counted(summary.total, 'task')}: {counts}", width, 4)
    lines.append(f"  success rate {summary.success_rate:.0%}, total time {duration(summary.seconds)}")
    return lines


def _token_table(summary: Summary, width: int) -> list[str]:
    heads = ("input", "cached", "output", "reasoning", "calls", "cost")
    lines = [pad("Tokens", 12) + _figures(heads)]
    for role in summary.roles:
        lines.append(_usage_line(role.role, role.usage, role.cost))
    lines.append(_usage_line("total", summary.usage, summary.cost))
    for role in summary.roles:
        if role.models:
            lines += fold(f"  {role.role} model: {', '.join(clip(m, 60) for m in role.models)}", width, 4)
    calls = summary.usage.calls
    if calls:
        average = summary.usage.total / calls
        mark = "≈" if summary.usage.estimated else ""
        lines.append(f"  average {mark}{average:,.0f} tokens a call over {counted(calls, 'call')}")
    if summary.usage.estimated:
        lines += fold(
            "  ≈ some usage figures are our estimates: calls cut short, or the endpoint told none", width, 4
        )
    return [clip_right(line, width) for line in lines]


def _figures(cells: Sequence[str]) -> str:
    return " ".join(pad(cell, wide, right=True) for cell, wide in zip(cells, _FIGURES, strict=True))


def _usage_line(name: str, usage: Usage, cost: float | None) -> str:
    counts = (usage.input, usage.cached, usage.output, usage.reasoning)
    cells = [tokens(count, estimated=usage.estimated, narrow=count >= 10_000_000 - 1) for count in counts]
    return "  " + pad(name, 10) + _figures([*cells, f"{usage.calls:,}", money(cost)])


def _task_list(tasks: Sequence[TaskLine], width: int) -> list[str]:
    whole = len(tasks) <= WHOLE_LIST
    shown = [task for task in tasks if whole or (task.finished and task.status != "completed")]
    lines = [line for task in shown for line in _task_lines(task, width)]
    if not whole:
        completed = sum(task.status == "completed" for task in tasks)
        unfinished = sum(not task.finished for task in tasks)
        if completed:
            lines.append(f"  … and {completed:,} completed")
        if unfinished:
            lines.append(f"  … and {unfinished:,} not finished")
    return _titled("Tasks", lines)


def _task_lines(task: TaskLine, width: int) -> list[str]:
    figures = " ".join(
        (
            pad(f"{task.iterations}/{task.max_iterations or UNKNOWN}", 7, right=True),
            pad(duration(task.seconds), 7, right=True),
            pad(tokens(task.usage.total, estimated=task.usage.estimated, narrow=True), 7, right=True),
            pad(money(task.cost), 8, right=True),
        )
    )
    name_width = max(8, width - len(figures) - 21)
    line = (
        f"  {SIGNS[task.status]} {task.number:>3} {pad(task.id, name_width)} {pad(task.status, 10)} {figures}"
    )
    detail = task.error or (reason_text(task.reason) if task.finished and task.status != "completed" else "")
    return [clip_right(line, width), *([f"        {clip(detail, width - 8)}"] if detail else [])]


def _causes(causes: Sequence[Cause], width: int) -> list[str]:
    lines = []
    for cause in causes:
        shown = ", ".join(map(str, cause.numbers[:10])) + (" …" if len(cause.numbers) > 10 else "")
        noun = "task" if len(cause.numbers) == 1 else "tasks"
        lines += fold(f"  {len(cause.numbers):>3} x {clip(cause.text, 300)} ({noun} {shown})", width, 8)
    return _titled("Causes of errors", lines)


def _tampering(tasks: Sequence[TaskLine], width: int) -> list[str]:
    lines = []
    for task in tasks:
        if task.tampering:
            more = f" and {len(task.tampering) - 5} more" if len(task.tampering) > 5 else ""
            names = ", ".join(clip(path, 60) for path in task.tampering[:5])
            lines += fold(f"  - task {task.number}: {names}{more}", width, 4)
    return _titled("Changed tests and protected files", lines)


def _places(summary: Summary) -> list[str]:
    """Paths and commands are never cut: somebody will copy them."""
    lines = [f"Results      {summary.results_file}"]
    if summary.run_folder is not None:
        lines += [
            f"Transcripts  {summary.run_folder / 'tasks'}",
            f"Log          {summary.run_folder / 'run.log'}",
        ]
    if summary.branches:
        pattern = f"agentbatch/{clip(summary.run_id, 60)}/*"
        lines.append(f"Branches     {summary.branches:,}: git branch --list '{pattern}'")
    if summary.resume_command:
        lines.append(f"Resume with  {summary.resume_command}")
    elif summary.retry_command:
        lines.append(f"Retry with   {summary.retry_command}")
    return lines
