"""The live screen of a run as rows of styled text. Pure: state, time and size in, rows out."""

import heapq
from collections import Counter
from collections.abc import Sequence

from agentbatch.display.signs import SIGNS, STYLES
from agentbatch.runs.check_words import DOING
from agentbatch.runs.events import Status
from agentbatch.runs.kind import REHEARSAL
from agentbatch.runs.listing import shown_status
from agentbatch.runs.log_lines import asleep_text, cause_text
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import Activity, TaskState
from agentbatch.text import clip, clip_words, counted, duration, fold, money, pad, width

Span = tuple[str, str]
"""Text and its rich style."""

Row = list[Span]

UNDER_WAY: tuple[Status, ...] = ("coding", "evaluating", "paused")

MIN_NAME = 12
"""Cells that a task's id keeps however long the live step is."""


WAITS = {
    "rate limit (429)": "rate limit",
    "in-flight limit": "a free connection",
    "budget": "room in the budget",
    "quota": "its quota",
}
"""Why a call waits, as words after `waiting for`; a cause that is not here is its own word."""


def wait_words(cause: str) -> str:
    """What a task waits for."""
    return clip(WAITS.get(cause, cause), 30) or "its turn"


def screen(state: RunState, now: float, columns: int, lines: int) -> list[Row]:
    """The header, the task table and the totals, at most `lines` rows of at most `columns` cells.

    On a low terminal the table goes first, then the header; the totals stay.
    """
    header = _header(state, now, columns) if lines >= 8 else []
    if lines >= 16:
        header.insert(0, _rule(columns))
    totals = _totals(state, now, columns)
    room = lines - len(header) - len(totals) - 1
    table = _table(list(state.tasks.values()), now, columns, room) if room >= 2 else []
    return [*header, *table, *totals][-lines:] if lines > 0 else []


def _rule(columns: int) -> Row:
    return [("─" * columns, "dim")]


def _header(state: RunState, now: float, columns: int) -> list[Row]:
    info = state.info
    if info is None:
        return []
    mode = f"parallel {info.max_concurrent}" if info.mode == "parallel" else info.mode
    first = f"run {info.run_id} · {mode} · sandbox {info.sandbox}"
    where = f" · cluster {info.cluster}" if info.cluster else ""
    rows: list[Row] = [
        [("agentbatch ", "bold"), (clip(first, columns - 11), "")],
        [(clip(f"coder {info.worker} · evaluator {info.evaluator_model}{where}", columns), "dim")],
    ]
    if info.rehearsal:
        rows.append([(f" {clip_words(REHEARSAL, columns - 2)} ", "bold black on yellow")])
    if state.asleep is not None:
        rows.append([(clip(asleep_text(state.asleep, now), columns), "bold yellow")])
    notices = list(dict.fromkeys(state.notices))
    if notices:
        more = f" (+{len(notices) - 1} more)" if len(notices) > 1 else ""
        first, *rest = fold(f"! {clip(notices[-1], 2 * columns)}", columns, 2)
        if rest or width(first + more) > columns:
            last = " ".join(part.strip() for part in rest)
            rest = [f"  {clip(last, columns - 2 - len(more))}{more}" if last else f" {more}"]
        else:
            first += more
        rows += [[(part, "yellow")] for part in (first, *rest)]
    return rows


def _totals(state: RunState, now: float, columns: int) -> list[Row]:
    shown = Counter(shown_status(task, alive=True) for task in state.tasks.values())
    interrupted = shown["interrupted"]
    failed = sum(shown[status] for status in ("error", "timeout", "cancelled", "skipped"))
    counts = [
        (shown["completed"], "done", "green"),
        (failed, "failed", "red"),
        *([(interrupted, "interrupted", "yellow")] if interrupted else []),
        (sum(shown[status] for status in UNDER_WAY), "running", "cyan"),
        (shown["queued"], "queued", ""),
    ]
    spans: Row = []
    for number, word, style in counts:
        spans += [(" · " if spans else "", ""), (f"{number:,} {word}", style if number else "dim")]
    usage = state.usage
    elapsed = duration(state.seconds(now))
    used = f"{usage.shown(usage.total)} tokens · {money(state.cost)} · {elapsed}"
    left = sum(width(text) for text, _ in spans)
    if left + width(used) + 3 > columns:
        used = f"{usage.shown(usage.total, narrow=True)} · {money(state.cost)} · {elapsed}"
    gap = max(1, columns - left - width(used))
    return [_rule(columns), _cut([*spans, (" " * gap, ""), (used, "bold")], columns)]


def choose_rows(tasks: Sequence[TaskState], room: int) -> tuple[list[TaskState], str]:
    """The tasks to show in `room` rows, and the words for those that have no place.

    All in their order when they fit; else those under way, then the latest finished ones.
    """
    if len(tasks) <= room:
        return list(tasks), ""
    room -= 1
    running = [task for task in tasks if task.status in UNDER_WAY]
    finished = [task for task in tasks if task.finished_at is not None]
    shown = running[:room]
    shown += heapq.nlargest(room - len(shown), finished, key=lambda task: task.finished_at or 0.0)
    hidden = [
        (len(running) - sum(task.status in UNDER_WAY for task in shown), "running"),
        (sum(task.status == "queued" for task in tasks), "queued"),
        (len(finished) - sum(task.finished for task in shown), "finished"),
    ]
    return shown, "… " + ", ".join(f"{number:,} more {word}" for number, word in hidden if number)


def _table(tasks: Sequence[TaskState], now: float, columns: int, room: int) -> list[Row]:
    shown, more = choose_rows(tasks, room)
    heads = ("", "task", "iter", "tokens", "cost", "time", "")
    cells = [_cells(task, now) for task in shown]
    widths = [max(width(line[place]) for line in [heads, *cells]) for place in range(7)]
    # Of what the figures leave, live steps come first, then ids; errors of finished tasks take the rest.
    left = columns - sum(widths[2:6]) - widths[0] - 6
    live = [line[6] for task, line in zip(shown, cells, strict=True) if not task.finished]
    steps = max(map(width, live), default=0)
    widths[1] = max(4, min(widths[1], max(MIN_NAME, left - steps)))
    widths[6] = max(0, left - widths[1])
    rows = [_cut([(_join(heads, widths), "dim")], columns)]
    for task, line in zip(shown, cells, strict=True):
        sign = pad(line[0], widths[0])
        rest = _join(("", *line[1:]), [0, *widths[1:]])
        rows.append(
            _cut([(sign, STYLES[task.status]), (rest, "dim" if task.status == "queued" else "")], columns)
        )
    return [*rows, [(clip(more, columns), "dim")]] if more else rows


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Cells side by side; the figures stand at the right of theirs."""
    return " ".join(
        pad(cell, wide, right=2 <= place <= 5)
        for place, (cell, wide) in enumerate(zip(cells, widths, strict=True))
    )


def _cells(task: TaskState, now: float) -> tuple[str, str, str, str, str, str, str]:
    started = task.started_at is not None
    usage, status = task.usage, shown_status(task, alive=True)
    return (
        f"{'‖' if status == 'interrupted' else SIGNS[status]} {status}",
        task.named,
        f"{task.iteration}/{task.max_iterations}" if started else "",
        usage.shown(usage.total, narrow=True) if started else "",
        money(task.cost) if started else "",
        duration(task.duration(now)) if started else "",
        clip(cause_text(task), 120)
        if task.finished
        else live_step(task.activity, now) or clip(task.place, 60),
    )


def live_step(activity: Activity, now: float) -> str:
    """What a task is doing: `generating 212 tokens, 0:41 (2 retries)`, `bash 1:10`, `waiting for rate limit 0:45`."""
    passed, left = duration(now - activity.since), duration(activity.until - now)
    retries = f" ({counted(activity.retries, 'retry', 'retries')})" if activity.retries else ""
    match activity.kind:
        case "generating" | "judging" | "preparing":
            words = f"{counted(activity.tokens, 'token')}, " if activity.tokens else ""
            doing = "writing checks" if activity.kind == "preparing" else activity.kind
            return f"{doing} {words}{passed}{retries}"
        case "waiting":
            return f"waiting for {wait_words(activity.detail)}{f' {left}' if activity.until > now else ''}"
        case "retrying":
            return f"retrying in {left}{retries}"
        case "tool":
            return f"{clip(activity.tool, 20)} {passed}"
        case "verify":
            return f"{DOING[activity.check or 'verify']} {passed}"
        case "idle":
            return ""


def _cut(row: Row, columns: int) -> Row:
    """The row without what does not fit."""
    kept: Row = []
    for text, style in row:
        room = columns - sum(width(part) for part, _ in kept)
        while width(text) > room:
            text = text[:-1]
        kept.append((text, style))
    return kept
