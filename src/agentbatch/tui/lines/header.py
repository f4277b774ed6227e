"""The head of the run screen: which run, how it stands, what it has used. Pure."""

from collections import Counter
from dataclasses import dataclass

from textual.content import Content

from agentbatch.display.screen import wait_words
from agentbatch.runs.events import RunStarted
from agentbatch.runs.kind import REHEARSAL, kind_of
from agentbatch.runs.listing import RunCondition, ShownStatus, shown_status
from agentbatch.runs.log_lines import asleep_text
from agentbatch.runs.state.run_state import RunState
from agentbatch.text import clip, clip_words, counted, duration, money, width
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.task_cells import ASCII_SIGNS

_COUNTS: tuple[tuple[str, tuple[ShownStatus, ...], ShownStatus], ...] = (
    ("done", ("completed",), "completed"),
    ("failed", ("error", "timeout", "cancelled", "skipped"), "error"),
    ("interrupted", ("interrupted",), "interrupted"),
    ("running", ("coding", "evaluating", "paused"), "coding"),
    ("queued", ("queued",), "queued"),
)
"""A word, the statuses that it counts, and the one whose sign and colour it has."""


ROOMY = 110
"""Columns from which the second line has room for everything."""


@dataclass(frozen=True)
class RunStanding:
    """How a run stands at a moment: what takes a walk over its tasks."""

    counts: dict[ShownStatus, int]
    waiting: int
    """Tasks that a limit holds back before a call."""
    wait: float
    """Seconds until the first of them may continue, about."""
    left: float | None
    """Seconds that the run will take, estimated."""
    cause: str = ""
    """What most of those that are held back wait for."""
    asleep: str = ""
    """Until when the run sleeps, and why; empty: it does not."""


def standing(state: RunState, condition: RunCondition, now: float) -> RunStanding:
    """`now`: epoch seconds."""
    alive = condition == "running"
    counts: dict[ShownStatus, int] = {}
    ends, causes = [], []
    for task in state.tasks.values():
        status = shown_status(task, alive=alive)
        counts[status] = counts.get(status, 0) + 1
        if alive and not task.finished and task.activity.kind == "waiting":
            ends.append(task.activity.until)
            causes.append(task.activity.detail)
    wait = max(0.0, min(ends) - now) if ends else 0.0
    resting = state.paused or state.asleep is not None
    left = kind_of(state.info).seconds_left(state, now) if alive and not resting else None
    asleep = asleep_text(state.asleep, now) if alive and state.asleep is not None else ""
    cause = wait_words(Counter(causes).most_common(1)[0][0]) if causes else ""
    return RunStanding(counts, len(ends), wait, left, cause, asleep)


def header_lines(
    state: RunState,
    title: str,
    condition: RunCondition,
    seen: RunStanding,
    seconds: float,
    columns: int,
    glyphs: Glyphs,
    *,
    control: bool = True,
) -> list[Content]:
    """Two lines, and one for what should be known of the run. `seconds`: wall clock of the run so far."""
    lines = [
        _first(state, title, condition, columns, control),
        _second(state, condition, seen, seconds, columns, glyphs),
        *_notice(state, seen, columns),
    ]  # fmt: skip
    return (
        [Content(line.plain.translate(ASCII_SIGNS), list(line.spans)) for line in lines]
        if glyphs.ascii
        else lines
    )


_TONES = {"running": "$text-primary", "finished": "$text-success"}


def _first(state: RunState, title: str, condition: RunCondition, columns: int, control: bool) -> Content:
    info = state.info
    word: str = condition
    if condition == "running":
        word = "paused" if state.paused else "asleep" if state.asleep is not None else word
    if word == "finished" and state.count("completed") < state.total:
        tone = "$text-warning"  # green is for all of them
    else:
        tone = _TONES.get(word, "$text-warning")
    words = [clip(title, 40), *([_mode(state, info), _models(info)] if info else [])]
    lead, end = "agentbatch ", "" if control else " · read-only"
    room = max(0, columns - len(lead) - len(word) - 3 - len(end))
    return Content.assemble(
        (lead, "bold"),
        (word, f"bold {tone}"),
        " · ",
        clip(" · ".join(filter(None, words)), room),
        (end, "$foreground-muted"),
    )


def _mode(state: RunState, info: RunStarted) -> str:
    return f"{state.max_concurrent} at a time" if info.mode == "parallel" else info.mode


def _models(info: RunStarted) -> str:
    if not info.judged or info.evaluator_model == info.coder_model:
        return info.worker
    return f"{info.worker}, {info.evaluator_model}"


def _second(
    state: RunState, condition: RunCondition, seen: RunStanding, seconds: float, columns: int, glyphs: Glyphs
) -> Content:
    parts: list[Content] = []
    for word, statuses, sign in _COUNTS:
        number = sum(seen.counts.get(status, 0) for status in statuses)
        if number or word == "done":
            parts.append(
                Content.styled(
                    f"{glyphs[sign]} {number:,} {word}", COLOURS[sign] if number else "$foreground-muted"
                )
            )
    left = Content("  ").join(parts)
    usage = state.usage
    used = [
        f"{usage.shown(usage.total, narrow=True)} tokens",
        money(state.cost),
        duration(seconds),
    ]
    if seen.left is not None:
        used.append(f"~{duration(seen.left)} left")
    if seen.waiting:
        used.insert(1, f"{seen.waiting} wait for {seen.cause}{_for(seen)}")
    while len(used) > 1 and width(left.plain) + width(" · ".join(used)) + 2 > columns:
        del used[0]
    right = " · ".join(used)
    gap = max(1, columns - width(left.plain) - width(right))
    return Content.assemble(left, " " * gap, (right, "bold"))


def _for(seen: RunStanding) -> str:
    return f" {duration(seen.wait)}" if seen.wait else ""


def _notice(state: RunState, seen: RunStanding, columns: int) -> list[Content]:
    lines = []
    if seen.asleep:
        return [Content.styled(clip(seen.asleep, columns), "bold $text-warning")]
    if seen.waiting and columns < ROOMY:
        words = f"{counted(seen.waiting, 'task')} held back, waiting for {seen.cause}{_for(seen)}"
        return [Content.styled(clip(words, columns), "$text-warning")]
    if state.info is not None and state.info.rehearsal:
        lines.append(Content.styled(clip_words(REHEARSAL, columns), "$text-warning"))
    error = state.finished.error if state.finished is not None else ""
    notices = list(dict.fromkeys(state.notices))
    if error:
        lines = [Content.styled(clip(f"stopped: {error}", columns), "$text-error")]
    elif notices:
        more = f" (+{len(notices) - 1} more)" if len(notices) > 1 else ""
        lead = "rehearsal, no AI · " if lines else ""
        lines = [
            Content.styled(
                lead + clip_words(f"! {notices[-1]}", columns - len(more) - len(lead)) + more, "$text-warning"
            )
        ]
    return lines
