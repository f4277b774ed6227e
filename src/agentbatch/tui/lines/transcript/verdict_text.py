"""A task's evaluations as lines of the screen, the newest first. Pure."""

from collections.abc import Sequence

from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.log_lines import reason_text
from agentbatch.runs.state.acceptance import accepted_words
from agentbatch.runs.state.task_state import TaskState, VerdictRecord, VerifyRecord
from agentbatch.runs.verdict_words import why_not
from agentbatch.text import clip, harmless
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line, row, shortened, text_lines
from agentbatch.tui.lines.transcript.placeholder import NO_TASK, verdict_event
from agentbatch.tui.lines.transcript.verdict_lines import verdict_lines

WHOLE = 20
"""Evaluations that are shown with all that was said, the newest ones; of earlier ones the outcome and why."""

MAX_BLOCKS = 200
"""Blocks on the screen at the same time; a task may have a thousand iterations."""

VERIFY_LINES = 30
"""Lines shown of a check's output, from both ends."""

LONG_LINES = 60
"""Lines shown of a prompt, or of an evaluation that is no verdict."""


def verdict_blocks(task: TaskState | None, glyphs: Glyphs) -> list[list[Line]]:
    """What the pane shows, block by block: how it stands, the newest evaluation, the last verify, earlier evaluations.

    `task` is a whole one, with its verdicts.
    """
    if task is None:
        return [[Line(NO_TASK, "dim")]]
    blocks = [_standing(task, glyphs)]
    newest_first = task.verdicts[::-1]
    if newest_first:
        blocks.append(_evaluation(newest_first[0], task, glyphs))
    elif task.last_evaluation:
        blocks.append(_unstructured(task.last_evaluation, glyphs))
    if task.last_verify is not None:
        blocks.append(_verify(task.last_verify, glyphs))
    left = MAX_BLOCKS - len(blocks) - 1
    for place, record in enumerate(newest_first[1 : left + 1], start=1):
        whole = _evaluation(record, task, glyphs)
        blocks.append(whole if place < WHOLE else _brief(record, whole[0]))
    out = len(newest_first) - 1 - left
    if out > 0:
        blocks.append(
            [Line(f"{glyphs['ellipsis']} {out:,} earlier evaluations are in the transcript.", "italic dim")]
        )
    return blocks


def _standing(task: TaskState, glyphs: Glyphs) -> list[Line]:
    """One line of how every iteration went, and one of what comes."""
    lines = []
    if task.verdicts:
        lines.append(_way(task.verdicts, glyphs))
    if task.finished:
        if not task.verdicts and not task.last_evaluation:
            lines.append(Line("It has ended, and nothing was evaluated.", "dim"))
        if task.reason not in (None, "accepted"):
            lines.append(Line(f"{task.status}: {harmless(reason_text(task.reason or ''))}", "dim"))
        lines += text_lines(task.error[:4_000], "$text-error")[:10]
    elif not task.begun:
        lines.append(Line("This task has not begun.", "dim"))
    elif not task.iteration:
        lines.append(Line(f"The work has not begun: its checks are prepared{glyphs['ellipsis']}", "dim"))
    elif task.iteration > len(task.verdicts):
        word = "is being evaluated" if task.status == "evaluating" else "is under way"
        lines.append(Line(f"Iteration {task.iteration} {word}{glyphs['ellipsis']}", "dim"))
    return lines or [Line("Its evaluations are below.", "dim")]


def _way(verdicts: Sequence[VerdictRecord], glyphs: Glyphs) -> Line:
    """`1 ✗ 0.40  2 ✗ 0.70  3 ✓ 1.00`: the latest ones."""
    shown = verdicts[-8:]
    parts: list[tuple[str, str]] = [(f"{glyphs['ellipsis']} ", "dim")] if len(verdicts) > len(shown) else []
    for record in shown:
        status = _status(record)
        score = _score(record)
        words = f" {score:.2f}" if score is not None else ""
        parts.append((f"{record.iteration} ", "dim"))
        parts.append((f"{glyphs[status]}{words}   ", COLOURS[status]))
    return row(parts, "accepted" if verdicts[-1].accepted else "not accepted")


def _evaluation(record: VerdictRecord, task: TaskState, glyphs: Glyphs) -> list[Line]:
    head, *body = verdict_lines(verdict_event(task.id, record), True, glyphs)
    status = _status(record)
    most = f" of {task.max_iterations}" if task.max_iterations else ""
    outcome = (
        accepted_words(record.verdict, record.checks) if record.accepted else "not accepted"
    ).capitalize()
    title = row(
        [
            (f"Iteration {record.iteration}{most}  ", "bold"),
            (f"{glyphs[status]} {outcome}", f"bold {COLOURS[status]}"),
        ],
        head.end or "",
    )
    return [title, *body, *_follow_up(record.follow_up, glyphs)]


def _follow_up(prompt: str, glyphs: Glyphs) -> list[Line]:
    if not prompt.strip():
        return []
    words = f"{glyphs['ellipsis']} {{}} lines more: in the transcript"
    return [Line("next prompt:", "bold", 2), *shortened(text_lines(prompt, "dim", 4), LONG_LINES, words)]


def _brief(record: VerdictRecord, title: Line) -> list[Line]:
    why = why_not(record.verdict, record.checks, record.refusals)
    return [title, Line(f"because: {clip(why, 400)}", "dim", 2)] if why else [title]


def _verify(record: VerifyRecord, glyphs: Glyphs) -> list[Line]:
    status: ShownStatus = "completed" if record.exit_code == 0 else "error"
    outcome = f"exit {record.exit_code}"
    if record.exit_code is None:
        status, outcome = "timeout", "out of time"
    words = f"{glyphs['ellipsis']} {{}} lines more {glyphs['ellipsis']}"
    head = row(
        [
            ("Last verify  ", "bold"),
            (f"{glyphs[status]} {outcome}  ", f"bold {COLOURS[status]}"),
            (harmless(record.command[:2_000]), ""),
        ],
        "",
    )
    said = text_lines(record.tail, "", 4) or [Line("(no output)", "dim", 4)]
    return [head, *shortened(said, VERIFY_LINES, words)]


def _unstructured(text: str, glyphs: Glyphs) -> list[Line]:
    """A results file of the original runner has no verdicts, only what the evaluator said last."""
    words = f"{glyphs['ellipsis']} {{}} lines more {glyphs['ellipsis']}"
    return [Line("Last evaluation", "bold"), *shortened(text_lines(text, "", 2), LONG_LINES, words)]


def _status(record: VerdictRecord) -> ShownStatus:
    return "completed" if record.accepted else "error"


def _score(record: VerdictRecord) -> float | None:
    score = (record.verdict or {}).get("score")
    return float(score) if isinstance(score, int | float) else None
