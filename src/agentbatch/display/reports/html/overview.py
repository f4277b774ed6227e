"""What a page says of the run as a whole, and of each task in one row. Pure but for the time zone."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agentbatch.display.reports.cost_table import cost_ratio
from agentbatch.display.reports.html.bakeoff_view import ComparisonTable, compared
from agentbatch.display.reports.html.charts import (
    Bars,
    Lines,
    bar_widths,
    ended_lines,
    iteration_bars,
    share_bars,
)
from agentbatch.display.reports.material import Material
from agentbatch.display.reports.prompt_cache import cache_words
from agentbatch.display.reports.tiering_words import escalation_words
from agentbatch.display.reports.usage_words import usage_remarks
from agentbatch.display.signs import SIGNS
from agentbatch.runs.events import Status
from agentbatch.runs.kind import REHEARSAL
from agentbatch.runs.log_lines import cause_text, reason_text
from agentbatch.runs.state.acceptance import WORDS, tasks_accepted
from agentbatch.runs.state.bills import UNKNOWN_MODEL, Bill
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.text import UNKNOWN, clip, duration, money
from agentbatch.usage import Usage

ENDED: tuple[Status, ...] = ("completed", "error", "timeout", "cancelled", "skipped")


class Figure(NamedTuple):
    name: str
    value: str
    note: str = ""


class Overview(NamedTuple):
    title: str
    moment: str
    """When it was so; empty: not known."""
    notes: list[str]
    """What is to be known before anything else is read."""
    figures: list[Figure]
    shares: list[tuple[str, int]]
    """Tasks by status, without those of which there are none."""
    share_bars: Bars | None
    iterations: Bars
    ended: Lines | None
    bakeoff: ComparisonTable | None
    origin: list[Figure]
    bills: list[tuple[str, ...]]
    """Role, model, input, cached, output, reasoning, calls, cost."""
    total: tuple[str, ...]
    comparison: list[tuple[str, str, str, str, str, float]]
    """Model, input, output, total, how many times what `against` says, a bar in percent; the cheapest first."""
    against: str
    remarks: list[str]
    """Below the bill."""
    warnings: list[str]


class Row(NamedTuple):
    number: int
    link: str
    name: str
    status: str
    sign: str
    why: str
    coders: str
    """Empty: `builtin` alone."""
    iterations: str
    seconds: float
    tokens: int
    tokens_shown: str
    cost: float | None


def overview(material: Material) -> Overview:
    state, now = material.state, material.now
    info, usage = state.info, state.usage
    total, completed = state.total, state.count("completed")
    accepted = tasks_accepted(task.accepted_by for task in state.tasks.values() if task.status == "completed")
    shares: list[tuple[str, int]] = [(status, number) for status in ENDED if (number := state.count(status))]
    if (rest := total - sum(number for _, number in shares)) > 0:
        shares.append(("not finished", rest))
    tasks = list(state.tasks.values())
    return Overview(
        title=clip((info.run_id if info else "") or material.title or "A run", 200),
        moment=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)) if now > 0 else "",
        notes=list(_notes(state)),
        figures=[
            Figure("completed", f"{completed:,} of {total:,}", accepted and f"accepted: {accepted}"),
            *(
                []
                if info and info.compared
                else [Figure("success rate", f"{completed / total if total else 0:.0%}")]
            ),
            Figure("time", duration(state.seconds(now))),
            Figure("tokens", usage.shown(usage.total, narrow=True), _in_and_out(usage)),
            Figure("cost", money(state.cost)),
        ],
        shares=shares,
        share_bars=share_bars(shares) if shares else None,
        iterations=iteration_bars(tasks),
        ended=ended_lines(state, now),
        bakeoff=compared(state),
        origin=list(_origin(state)),
        bills=[bill_row(bill) for bill in state.bills],
        total=("total", "", *_counts(usage), money(state.cost)),
        comparison=list(_comparison(material.comparison, state.cost)) if usage.total else [],
        against="this run" if state.cost else "the cheapest",
        remarks=list(_remarks(state)),
        warnings=[clip(text, 1_000) for text in dict.fromkeys(state.notices)],
    )


def _notes(state: RunState) -> Iterator[str]:
    if state.info is not None and state.info.rehearsal:
        yield REHEARSAL
    if state.finished is None:
        yield "The run has not ended."
    elif state.finished.error:
        yield f"The run was stopped: {clip(state.finished.error, 1_000)}"
    elif state.finished.interrupted:
        yield "The run was interrupted."


def _origin(state: RunState) -> Iterator[Figure]:
    info = state.info
    if info is None:
        return
    if info.coder_model != UNKNOWN_MODEL:
        yield Figure("coder", clip(info.worker, 120), clip(info.coder_endpoint, 120))
    if not info.judged:
        yield Figure("evaluator", "none", "each task's verify decided")
    elif info.evaluator_model != UNKNOWN_MODEL:
        yield Figure("evaluator", clip(info.evaluator_model, 120), clip(info.evaluator_endpoint, 120))
    at_a_time = f"{info.max_concurrent} at a time" if info.mode == "parallel" else ""
    yield Figure("mode", info.mode or UNKNOWN, at_a_time)
    if info.task_file:
        yield Figure("task file", clip(info.task_file, 200))
    yield Figure("sandbox", clip(info.sandbox, 40))
    if info.version:
        yield Figure("agentbatch", clip(info.version, 40))


def _in_and_out(usage: Usage) -> str:
    return f"{usage.shown(usage.input, narrow=True)} in, {usage.shown(usage.output, narrow=True)} out"


def _comparison(
    rows: Sequence[ComparisonRow], actual: float | None
) -> Iterator[tuple[str, str, str, str, str, float]]:
    ordered = sorted(rows, key=lambda row: float("inf") if row.cost is None else row.cost)
    base = actual or min((row.cost for row in ordered if row.cost), default=0.0)
    for row, percent in zip(ordered, bar_widths([row.cost for row in ordered]), strict=True):
        costs = (money(row.cost_input), money(row.cost_output), money(row.cost))
        yield clip(row.model, 80), *costs, cost_ratio(row.cost, base), percent


def bill_row(bill: Bill) -> tuple[str, ...]:
    known = bill.model != UNKNOWN_MODEL
    names = (bill.role, clip(bill.spender, 80)) if known else (UNKNOWN, UNKNOWN)
    return (*names, *_counts(bill.usage), money(bill.cost))


def _counts(usage: Usage) -> tuple[str, ...]:
    counts = (usage.input, usage.cached, usage.output, usage.reasoning)
    return (*map(usage.shown, counts), f"{usage.calls:,}")


def _remarks(state: RunState) -> Iterator[str]:
    usage = state.usage
    for text in escalation_words(state.tasks.values()):
        yield f"Escalation: {text}."
    if words := cache_words(usage):
        yield f"{words}."
    for text in usage_remarks(usage):
        yield f"{text}."


def row(task: TaskState, link: str, now: float) -> Row:
    return Row(
        number=task.index + 1,
        link=link,
        name=clip(task.id, 200),
        status=task.status,
        sign=SIGNS[task.status],
        why=clip(why(task), 300),
        coders=clip(task.other_coders, 120),
        iterations=f"{task.iteration}/{task.max_iterations or UNKNOWN}",
        seconds=task.duration(now),
        tokens=task.usage.total,
        tokens_shown=task.usage.shown(task.usage.total),
        cost=task.cost,
    )


def why(task: TaskState) -> str:
    """How it ended, in words."""
    if task.reason == "accepted" and task.accepted_by is not None:
        return f"accepted {WORDS[task.accepted_by]}"
    return cause_text(task) or (reason_text(task.reason) if task.reason else "")
