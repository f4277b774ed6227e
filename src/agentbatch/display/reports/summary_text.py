"""The closing summary as text. Pure: the rich display colours it."""

from collections.abc import Sequence

from agentbatch.config import BUILTIN
from agentbatch.display.reports.bakeoff_text import render_bake_off
from agentbatch.display.reports.causes import cause_lines, group_causes
from agentbatch.display.reports.cost_table import clip_right, render_comparison
from agentbatch.display.reports.prompt_cache import cache_advice, cache_words
from agentbatch.display.reports.summary import Summary
from agentbatch.display.reports.tiering_words import escalation_words
from agentbatch.display.reports.usage_words import usage_remarks
from agentbatch.display.signs import SHOWN_SIGNS
from agentbatch.runs.events import Role
from agentbatch.runs.kind import REHEARSAL, ending
from agentbatch.runs.listing import shown_status
from agentbatch.runs.log_lines import cause_text
from agentbatch.runs.state.acceptance import tasks_accepted
from agentbatch.runs.state.bills import Bill, has_roles, total_cost, total_usage
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.text import UNKNOWN, clip, counted, duration, fold, list_names, money, pad
from agentbatch.usage import Usage

WHOLE_LIST = 50
"""Runs of more tasks list only those that did not complete."""

_FIGURES = (9, 9, 9, 9, 6, 9)
"""Cells of input, cached, output, reasoning, calls and cost."""
_FIGURES_WIDTH = sum(_FIGURES) + len(_FIGURES) - 1

CODER_WIDTH = 20
"""Cells of a task's coders at most."""


def render_text(summary: Summary, width: int) -> list[str]:
    """The whole summary, no line wider than `width` (but at least 40). Section titles stand at the margin."""
    width = max(40, width)
    state, tasks = summary.state, summary.tasks
    whole = [
        _headline(summary, width),
        _token_table(state, width, judged=summary.judged),
        _bake_off(state, width),
        _task_list(tasks, width, alive=not summary.can_resume),
        _titled("Causes of errors", cause_lines(group_causes(tasks), width)),
        _tampering(tasks, width),
        _titled(
            "Warnings",
            [
                part
                for text in dict.fromkeys(state.notices)
                for part in fold(f"  - {clip(text, 1_000)}", width, 4)
            ],
        ),
        _titled(
            "Escalation",
            [part for text in escalation_words(tasks) for part in fold(f"  {text}", width, 4)],
        ),
        _titled(
            "What these tokens would cost elsewhere",
            ["  " + line for line in render_comparison(summary.comparison, width - 2, state.cost)]
            if state.usage.total
            else [],
        ),
        _places(summary),
    ]
    sections = [whole[0], whole[-1]] if summary.nothing_ran else whole
    return [line for section in sections if section for line in [*section, ""]][:-1]


def _titled(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *lines] if lines else []


def _headline(summary: Summary, width: int) -> list[str]:
    state, ended = summary.state, summary.ended
    kinds = [
        (ended["completed"], "completed"),
        (ended["error"], "failed"),
        (ended["timeout"], "timed out"),
        (ended["cancelled"], "cancelled"),
        (ended["skipped"], "skipped"),
        (summary.unfinished, "not finished"),
    ]
    counts = ", ".join(f"{number:,} {word}" for number, word in kinds if number or word == "completed")
    lines = [f"Summary of run {clip(summary.run_id, width - 15)}"]
    if state.info is not None and state.info.rehearsal:
        lines.append(f"  {REHEARSAL}")
    if not summary.judged:
        lines.append("  no evaluator: each task's verify decided")
    if summary.error:
        lines += fold(f"  the run was stopped: {clip(summary.error, 1_000)}", width, 4)
    elif state.finished is not None and ending(state) == "interrupted":
        lines.append("  the run was interrupted")
    lines += fold(f"  {counted(state.total, 'task')}: {counts}", width, 4)
    if accepted := tasks_accepted(task.accepted_by for task in summary.tasks if task.status == "completed"):
        lines += fold(f"  accepted: {accepted}", width, 4)
    if state.info is not None and state.info.compared:
        what = _compared(state).lower()
        lines.append(f"  {what} compared, nothing brought back; total time {duration(summary.seconds)}")
    else:
        lines.append(f"  success rate {summary.success_rate:.0%}, total time {duration(summary.seconds)}")
    return lines


def _token_table(state: RunState, width: int, *, judged: bool) -> list[str]:
    judged = judged or total_usage(state.bills, "evaluator").calls > 0  # in an earlier session
    roles: tuple[Role, ...] = ("coder", "evaluator") if judged else ("coder",)
    if not has_roles(state.bills):
        roles = ()
    usage = state.usage
    coders = _by_coder(state.bills)
    room = max(width - _FIGURES_WIDTH - 2, 10)
    label = min(room, max([10, *(len(name) + 2 for name in coders)]))
    lines = [pad("Tokens", label + 2) + _figures(("input", "cached", "output", "reasoning", "calls", "cost"))]
    for role in roles:
        of_role = total_usage(state.bills, role), total_cost(state.bills, role)
        lines.append(_usage_line(role, *of_role, label))
        for name, bills in coders.items() if role == "coder" else ():
            lines.append("  " + _usage_line(name, total_usage(bills), total_cost(bills), label - 2))
    lines.append(_usage_line("total", usage, state.cost, label))
    for role in roles:
        asked = _asked(role, state.bills)
        lines += fold(asked, width, 4) if asked else []
    if usage.average is not None:
        mark, known = "≈" if usage.estimated else "", usage.calls - usage.untold
        lines.append(f"  average {mark}{usage.average:,.0f} tokens a call over {counted(known, 'call')}")
    if words := cache_words(usage):
        lines += fold(f"  {words}", width, 4)
    advice = cache_advice(total_usage(state.bills, "coder"))
    if advice and not (state.info is not None and state.info.rehearsal):
        lines += fold(f"  {advice}", width, 4)
    for text in usage_remarks(usage):
        lines += fold(f"  {text}", width, 4)
    return [clip_right(line, width) for line in lines]


def _figures(cells: Sequence[str]) -> str:
    return " ".join(pad(cell, wide, right=True) for cell, wide in zip(cells, _FIGURES, strict=True))


def _asked(role: Role, bills: Sequence[Bill]) -> str:
    """Which models; and by whom, where that is one coder of others and stands in no line of its own. Empty: none."""
    own = [bill for bill in bills if bill.role == role]
    if role == "coder" and not _by_coder(bills) and any(bill.coder for bill in own):
        return f"  coder: {', '.join(dict.fromkeys(clip(bill.spender, 100) for bill in own))}"
    models = dict.fromkeys(clip(bill.model, 60) for bill in own if bill.model != bill.coder)
    return f"  {role} model: {', '.join(models)}" if models else ""


def _by_coder(bills: Sequence[Bill]) -> dict[str, tuple[Bill, ...]]:
    """What each has spent; empty where there is one, and it is named above."""
    spent = [bill for bill in bills if bill.role == "coder"]
    names = dict.fromkeys(bill.coder or BUILTIN for bill in spent)
    if len(names) < 2:
        return {}
    return {name: tuple(bill for bill in spent if (bill.coder or BUILTIN) == name) for name in names}


def _usage_line(name: str, usage: Usage, cost: float | None, label: int) -> str:
    """`label`: cells of the name."""
    counts = (usage.input, usage.cached, usage.output, usage.reasoning)
    whole = [usage.shown(count) for count in counts]
    cells = [
        text if len(text) <= room else usage.shown(count, narrow=True)
        for text, count, room in zip(whole, counts, _FIGURES, strict=False)
    ]
    return "  " + pad(name, label) + _figures([*cells, f"{usage.calls:,}", money(cost)])


def _bake_off(state: RunState, width: int) -> list[str]:
    found = bake_off(state)
    return _titled(
        _compared(state), ["  " + line for line in render_bake_off(found, width - 2)] if found else []
    )


def _compared(state: RunState) -> str:
    """What a comparison compares, as a heading."""
    return "Coders" if state.info is not None and state.info.settings.get("coders") else "Models"


def _task_list(tasks: Sequence[TaskState], width: int, *, alive: bool) -> list[str]:
    whole = len(tasks) <= WHOLE_LIST
    shown = [task for task in tasks if whole or (task.at_its_end and task.status != "completed")]
    coder = _coder_width(tasks)
    lines = [line for task in shown for line in _task_lines(task, width, coder, alive=alive)]
    if not whole:
        completed = sum(task.status == "completed" for task in tasks)
        unfinished = sum(not task.at_its_end for task in tasks)
        if completed:
            lines.append(f"  … and {completed:,} completed")
        if unfinished:
            lines.append(f"  … and {unfinished:,} not finished")
    return _titled("Tasks", lines)


def _coder_width(tasks: Sequence[TaskState]) -> int:
    """Cells of the column that says who worked on each; 0: all are of the same."""
    names = {_coders(task) for task in tasks}
    return min(CODER_WIDTH, max(map(len, names))) if len(names) > 1 else 0


def _coders(task: TaskState) -> str:
    return ", ".join(task.coders) or BUILTIN


def _task_lines(task: TaskState, width: int, coder_width: int, *, alive: bool) -> list[str]:
    """`coder_width`: see `_coder_width`. `alive`: an engine works on its run."""
    figures = " ".join(
        (
            pad(f"{task.iteration}/{task.max_iterations or UNKNOWN}", 7, right=True),
            pad(duration(task.duration(task.started_at or 0.0)), 7, right=True),
            pad(task.usage.shown(task.usage.total, narrow=True), 7, right=True),
            pad(money(task.cost), 8, right=True),
        )
    )
    coder = f" {pad(_coders(task), coder_width)}" if coder_width else ""
    name_width = max(8, width - len(figures) - len(coder) - 21)
    name = f"{pad(task.id, name_width)}{coder}"
    status = shown_status(task, alive=alive)
    line = f"  {SHOWN_SIGNS[status]} {task.index + 1:>3} {name} {pad(status, 11)}{figures}"
    detail = cause_text(task) if task.at_its_end else ""
    return [clip_right(line, width), *([f"        {clip(detail, width - 8)}"] if detail else [])]


def _tampering(tasks: Sequence[TaskState], width: int) -> list[str]:
    lines = []
    for task in tasks:
        if task.tampering:
            lines += fold(f"  - task {task.index + 1}: {list_names(task.tampering, cells=60)}", width, 4)
    return _titled("Changed tests and protected files", lines)


def _review(summary: Summary) -> str:
    """How to see what a task did: the first that is not completed, else the first; empty: none has begun."""
    begun = [task for task in summary.tasks if task.iteration]
    if summary.run_folder is None or not begun:
        return ""
    first = next((task for task in begun if task.status != "completed"), begun[0])
    return f"agentbatch show {first.index + 1} --run {clip(summary.run_id, 60)}  (--diff: changes)"


def _places(summary: Summary) -> list[str]:
    """Paths and commands are never cut: somebody will copy them."""
    lines = [f"Results      {summary.results_file}"]
    if summary.run_folder is not None:
        lines += [
            f"Transcripts  {summary.run_folder / 'tasks'}",
            f"Log          {summary.run_folder / 'run.log'}",
        ]
    if review := _review(summary):
        lines.append(f"Review       {review}")
    branches = sum(bool(task.branch) for task in summary.state.tasks.values())
    if branches:
        pattern = f"agentbatch/{clip(summary.run_id, 60)}/*"
        lines.append(f"Branches     {branches:,}: git branch --list '{pattern}'")
    if resume := summary.resume_command:
        lines.append(f"Resume with  {resume}")
    elif retry := summary.retry_command:
        lines.append(f"Retry with   {retry}")
        lines += [f"Only some    {command}" for command in [summary.reason_command] if command]
    return lines
