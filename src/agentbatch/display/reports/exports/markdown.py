"""A run as a Markdown report: what came of it, task by task, what was missing, and what it cost."""

import time
from collections.abc import Iterator, Sequence

from agentbatch.config import BUILTIN
from agentbatch.display.reports.bakeoff_text import cells, remarks
from agentbatch.display.reports.causes import group_causes
from agentbatch.display.reports.prompt_cache import cache_words
from agentbatch.display.reports.tiering_words import escalation_words
from agentbatch.display.reports.usage_words import usage_remarks
from agentbatch.patterns import regex
from agentbatch.runs.check_words import check_text, counted_checks, end_word, said_by, worth_a_line
from agentbatch.runs.events import RunStarted
from agentbatch.runs.kind import REHEARSAL
from agentbatch.runs.log_lines import cause_text, reason_text
from agentbatch.runs.state.acceptance import WORDS, accepted_words, tasks_accepted
from agentbatch.runs.state.bills import UNKNOWN_MODEL, Bill
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState, VerdictRecord
from agentbatch.runs.verdict_words import missing, required
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.text import UNKNOWN, clip, duration, money
from agentbatch.usage import Usage

MAX_CELLS = 400
"""Of a foreign text."""

_SPECIAL = regex(r"([\\`*{}\[\]<>#|!~&@^$]|(?<![^\W_])_|_(?![^\W_]))")
"""An underscore inside a word is no markup."""

_OPENING = regex(r"^([-+=]|\d+[.)])")


def plain(text: str, cells: int = MAX_CELLS) -> str:
    """Foreign text as one line that Markdown shows as it is: no link, no image, no tag."""
    line = _SPECIAL.sub(r"\\\1", clip(text, cells))
    return _OPENING.sub(lambda found: found[1][:-1] + "\\" + found[1][-1], line)


def export_markdown(state: RunState, now: float, title: str, comparison: Sequence[ComparisonRow]) -> str:
    """Pure but for the time zone. `title` names a run without an id."""
    tasks = sorted(state.tasks.values(), key=lambda task: task.index)
    sections = (
        _head(state, tasks, now, title),
        _bake_off(state),
        _causes(tasks),
        _task_table(tasks, now),
        _verdicts(tasks),
        _cost(state),
        _comparison(comparison if state.usage.total else ()),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _head(state: RunState, tasks: Sequence[TaskState], now: float, title: str) -> list[str]:
    info = state.info
    lines = [f"# {plain(info.run_id if info and info.run_id else title or 'A run')}", ""]
    if info is not None and info.rehearsal:
        lines += [f"**{REHEARSAL}**", ""]
    if state.finished is not None and state.finished.error:
        lines += [f"**The run was stopped:** {plain(state.finished.error)}", ""]
    elif state.finished is not None and state.finished.interrupted:
        lines += ["**The run was interrupted.**", ""]
    elif state.finished is None:
        lines += ["**The run has not ended.**", ""]
    completed, total = state.count("completed"), state.total
    usage = state.usage
    accepted = tasks_accepted(task.accepted_by for task in tasks if task.status == "completed")
    lines += [
        f"- tasks: {_counts(state, total)}",
        *([f"- accepted: {accepted}"] if accepted else []),
        *([] if info and info.compared else [f"- success rate: {completed / total if total else 0:.0%}"]),
        f"- time: {duration(state.seconds(now))}",
        f"- tokens: {_tokens(usage)} ({_count(usage.input, usage)} in, {_count(usage.output, usage)} out)",
        f"- cost: {money(state.cost)}",
    ]
    if info is not None:
        lines += [f"- {what}: {text}" for what, text in _origin(info)]
    if now > 0:
        lines.append(f"- as of {time.strftime('%Y-%m-%d %H:%M', time.localtime(now))}")
    return lines


def _origin(info: RunStarted) -> Iterator[tuple[str, str]]:
    if info.coder_model != UNKNOWN_MODEL:
        yield "coder", plain(info.worker)
    if not info.judged:
        yield "evaluator", "none: each task's verify decided"
    elif info.evaluator_model != UNKNOWN_MODEL:
        yield "evaluator", plain(info.evaluator_model)
    yield "mode", f"parallel, {info.max_concurrent} at a time" if info.mode == "parallel" else info.mode


def _counts(state: RunState, total: int) -> str:
    shown = ", ".join(f"{number:,} {status}" for status, number in state.counts.items() if number)
    return f"{total:,}: {shown}" if shown else f"{total:,}"


def _bake_off(state: RunState) -> list[str]:
    found = bake_off(state)
    if found is None:
        return []
    heads, *rows = cells(found)
    lines = [f"## {found.what.capitalize()}s", "", *_table(heads, heads[1:])]
    lines += [_row(plain(row[0], 80), *row[1:]) for row in rows]
    return [*lines, "", *(f"- {plain(text)}" for text in remarks(found))]


def _causes(tasks: Sequence[TaskState]) -> list[str]:
    """Before the tasks, of which there may be hundreds."""
    lines = [
        f"- {len(cause.numbers)} x {plain(cause.text)} ({'task' if len(cause.numbers) == 1 else 'tasks'} "
        f"{', '.join(map(str, cause.numbers))})"
        for cause in group_causes(tasks)
    ]
    return ["## Causes of errors", "", *lines] if lines else []


def _task_table(tasks: Sequence[TaskState], now: float) -> list[str]:
    if not tasks:
        return []
    coders = len({task.coders or (BUILTIN,) for task in tasks}) > 1
    heads = (
        "#",
        "task",
        *(("coder",) if coders else ()),
        "status",
        "why",
        "iterations",
        "time",
        "tokens",
        "cost",
    )
    lines = ["## Tasks", "", *_table(heads, ("#", "iterations", "time", "tokens", "cost"))]
    for task in tasks:
        why = cause_text(task) or _reason(task)
        lines.append(
            _row(
                f"{task.index + 1}",
                plain(task.id),
                *([plain(", ".join(task.coders) or BUILTIN, 80)] if coders else []),
                task.status,
                plain(why, 200),
                f"{task.iteration}/{task.max_iterations or UNKNOWN}",
                duration(task.duration(now)),
                _tokens(task.usage),
                money(task.cost),
            )
        )
    return lines


def _reason(task: TaskState) -> str:
    if task.reason == "accepted" and task.accepted_by is not None:
        return f"accepted {WORDS[task.accepted_by]}"
    return reason_text(task.reason) if task.reason else ""


def _verdicts(tasks: Sequence[TaskState]) -> list[str]:
    lines = ["## Verdicts"]
    for task in tasks:
        words = [line for record in task.verdicts for line in _verdict(record)]
        if not words and task.last_evaluation:
            words = [f"- {plain(task.last_evaluation)}"]
        if words:
            lines += ["", f"### {task.index + 1}. {plain(task.id)}", "", *words]
        if task.tampering:
            lines.append(
                f"- changed tests or protected files: {', '.join(plain(p, 120) for p in task.tampering)}"
            )
    return lines if len(lines) > 1 else []


def _verdict(record: VerdictRecord) -> Iterator[str]:
    by = {
        "judge": "",
        "verify": ", by verify",
        "checks": ", by a check",
        "gates": ", before the evaluator was asked",
    }[record.decided_by]
    outcome = accepted_words(record.verdict, record.checks) if record.accepted else "not accepted"
    yield f"- iteration {record.iteration}: {outcome}{by if outcome in ('accepted', 'not accepted') else ''}"
    if record.checks:
        yield f"  - checks: {counted_checks(record.checks)}"
    for check in worth_a_line(record.checks):
        yield f"  - {plain(f'{end_word(check)} {check_text(check)}')}"
        if check.said:
            yield f"    - it printed: {plain(check.said, 200)}"
    refusals = [text for text in record.refusals if not said_by(text, record.checks)]
    lacking = (
        [] if record.accepted else [*refusals, *(f"missing: {text}" for text in missing(record.verdict))]
    )
    for text in dict.fromkeys(lacking):
        yield f"  - {plain(text)}"
    yield from _requirements(record.verdict)


def _requirements(verdict: dict[str, object] | None) -> Iterator[str]:
    """With the quotes and where they stand; runs from before there were any have their own words, and no lines here."""
    found = required(verdict)
    if not any(proof.place for requirement in found for proof in requirement.proofs):
        return
    for requirement in found:
        shown = "; ".join(proof.text for proof in requirement.proofs)
        word = "met" if requirement.met else "not met"
        yield f"  - {plain(f'{word}: {requirement.text}' + (f': {shown}' if shown else ''))}"


def _cost(state: RunState) -> list[str]:
    heads = ("role", "model", "input", "cached", "output", "reasoning", "calls", "cost")
    lines = ["## Cost", "", *_table(heads, heads[2:])]
    for bill in state.bills:
        role, model = _spender(bill)
        lines.append(_row(role, model, *_figures(bill.usage), money(bill.cost)))
    lines.append(_row("**total**", "", *_figures(state.usage), f"**{money(state.cost)}**"))
    if words := cache_words(state.usage):
        lines += ["", f"{words}."]
    for text in escalation_words(state.tasks.values()):
        lines += ["", f"Escalation: {plain(text)}."]
    for text in usage_remarks(state.usage):
        lines += ["", f"{text}."]
    return lines


def _spender(bill: Bill) -> tuple[str, str]:
    """An old results file has neither role nor model."""
    return (UNKNOWN, UNKNOWN) if bill.model == UNKNOWN_MODEL else (bill.role, plain(bill.spender, 80))


def _comparison(rows: Sequence[ComparisonRow]) -> list[str]:
    if not rows:
        return []
    heads = ("model", "input", "output", "total")
    lines = ["## What these tokens would cost elsewhere", "", *_table(heads, heads[1:])]
    for row in sorted(rows, key=lambda row: float("inf") if row.cost is None else row.cost):
        lines.append(
            _row(plain(row.model, 80), money(row.cost_input), money(row.cost_output), money(row.cost))
        )
    return lines


def _figures(usage: Usage) -> list[str]:
    counts = (usage.input, usage.cached, usage.output, usage.reasoning)
    return [*(_count(count, usage) for count in counts), f"{usage.calls:,}"]


def _count(count: int, usage: Usage) -> str:
    return usage.shown(count)


def _tokens(usage: Usage) -> str:
    return _count(usage.total, usage)


def _table(heads: Sequence[str], numbers: Sequence[str]) -> list[str]:
    return [_row(*heads), "|" + "|".join(" ---: " if head in numbers else " --- " for head in heads) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
