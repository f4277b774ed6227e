"""A block of a transcript as lines of the screen. Pure."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from agentbatch.model.reply import Message
from agentbatch.runs.check_words import check_end, check_name, check_prefix
from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.log_lines import reason_text
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import clip, first_line, harmless, tokens
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line, plain_lines, row, shortened, text_lines
from agentbatch.tui.lines.transcript.blocks import (
    Block,
    Call,
    Check,
    CoderMessage,
    Compacted,
    End,
    Head,
    Judged,
    Key,
    Note,
    NoteToCoder,
    Thought,
    TitledText,
)
from agentbatch.tui.lines.transcript.call_lines import call_lines, message_text
from agentbatch.tui.lines.transcript.transcript import compaction_text
from agentbatch.tui.lines.transcript.verdict_lines import verdict_lines

BRIEF = 10
"""Lines of a prompt, or of a long answer times four, before it is opened."""

MAX_LINES = 400
"""Lines that an opened block shows of a text; outputs have their file, and the whole transcript has its own."""

STREAMED_LINES = 8
"""Lines shown of a reply that streams in."""

_TONES = {"plain": "dim", "warning": "$text-warning", "error": "$text-error"}


class Scene(NamedTuple):
    """What showing blocks needs beside them."""

    glyphs: Glyphs
    messages: Mapping[Key, Message] = {}
    whole: str = ""
    """Where the whole conversation stands: a file's path."""


def lines_of(block: Block, opened: bool, scene: Scene) -> list[Line]:
    """The block's lines; the first is its head, which stays when it is closed."""
    match block:
        case Head():
            return _head(block, opened, scene)
        case CoderMessage():
            return _long(text_lines(_text(block.message, scene)), opened, 4 * BRIEF, scene)
        case Thought():
            text = _text(block.message, scene, "reasoning_content") or _text(
                block.message, scene, "reasoning"
            )
            return _folded("Reasoning", "", text, opened, scene)
        case NoteToCoder():
            text = _text(block.message, scene)
            if block.of_user:
                return _folded("The coder is told what the user said.", "", text, opened, scene)
            return _folded("agentbatch to the coder:", first_line(text), text, opened, scene)
        case Call():
            return call_lines(block, opened, scene.messages, scene.glyphs, _rest(scene))
        case Check():
            return _check(block, opened, scene)
        case Judged():
            return verdict_lines(block.event, opened, scene.glyphs)
        case Compacted():
            summary = _text(block.summary, scene) if block.after < block.before else ""
            return _folded(compaction_text(block), "", summary, opened, scene)
        case Note():
            return _note(block, scene)
        case TitledText():
            title = row([(harmless(block.title), "bold $text-primary")])
            return [title, *_long(text_lines(block.text, indent=2), opened, 4 * BRIEF, scene)]
        case End():
            return _end(block, scene)


def opens(block: Block, scene: Scene) -> bool:
    """Whether there is more, or less, to see of it."""
    match block:
        case Note() | End():
            return False
        case CoderMessage() | TitledText() | Head():
            return len(lines_of(block, True, scene)) > len(lines_of(block, False, scene))
        case Compacted():
            return block.after < block.before
    return True


def _rest(scene: Scene) -> str:
    where = f"; the whole: {harmless(scene.whole)}" if scene.whole else ""
    return f"{scene.glyphs['ellipsis']} {{}} lines more{where.replace('{', '{{').replace('}', '}}')}"


def _long(lines: list[Line], opened: bool, brief: int, scene: Scene) -> list[Line]:
    """A text that everybody reads, cut when it is long; opened, to the limit."""
    if opened or len(lines) <= brief + 2:
        return shortened(lines, MAX_LINES, _rest(scene))
    more = f"{scene.glyphs['ellipsis']} {len(lines) - brief:,} lines more: enter"
    shown = lines[:brief]
    while shown and not shown[-1].text:
        shown.pop()
    return [*shown, Line(more, "italic dim", lines[0].indent)]


def _folded(title: str, beside: str, text: str, opened: bool, scene: Scene) -> list[Line]:
    """A dimmed line that opens to a dimmed text."""
    sign = scene.glyphs["open" if opened else "closed"]
    head = row(
        [
            (f"{sign} {title}", "dim"),
            ("" if opened or not beside else f" {beside}", "dim italic"),
        ]
    )
    if not opened:
        return [head]
    return [head, *shortened(text_lines(text, "dim", 2), MAX_LINES, _rest(scene))]


def _head(block: Head, opened: bool, scene: Scene) -> list[Line]:
    most = f" of {block.most}" if block.most else ""
    by = f", {clip(block.coder, 40)}" if block.coder else ""
    title = f"Iteration {block.iteration}{most}{by}"
    beside = "" if block.iteration == 1 else "  follow-up prompt"
    clock = time.strftime("%H:%M:%S", time.localtime(block.ts)) if block.ts else ""
    head = row([(title, "bold $text-primary"), (beside, "$text-primary")], clock)
    return [head, *_long(text_lines(block.prompt, indent=2), opened, BRIEF, scene)]


def _outcome(block: Check) -> tuple[ShownStatus, str]:
    """A status that has the right sign, and the words."""
    if block.stage == "running":
        return "evaluating", "running"
    if block.stage != "done":
        return "cancelled", block.stage
    words = check_end(block.kind, block.exit_code, block.seconds)
    if block.exit_code is None:
        return "timeout", words
    return ("completed" if block.exit_code == 0 else "error"), words


def _check(block: Check, opened: bool, scene: Scene) -> list[Line]:
    glyphs = scene.glyphs
    status, outcome = _outcome(block)
    colour = COLOURS[status]
    parts = [(f"{glyphs['open' if opened else 'closed']} ", "dim"), (f"{glyphs[status]} ", colour)]
    named = check_name(block.kind, block.command, block.requirement)
    head = row([*parts, (f"{check_prefix(block.kind)} ", "bold"), (named, "")], outcome, colour)
    if not opened:
        return [head]
    whole = plain_lines(block.command)
    said_already = len("".join(whole)) <= 50 and block.kind != "own"
    command = (
        []
        if said_already
        else shortened(text_lines(f"ran: {block.command}", "dim", 4), MAX_LINES, _rest(scene))
    )
    said = text_lines(block.tail, "", 4) or [Line("(no output)", "dim", 4)]
    return [head, *shortened(said, MAX_LINES, _rest(scene)), *command]


def _note(block: Note, scene: Scene) -> list[Line]:
    sign = {"plain": scene.glyphs["queued"], "warning": "!", "error": scene.glyphs["error"]}[block.tone]
    lines = plain_lines(block.text) or [""]
    first = Line(f"{sign} {lines[0]}", _TONES[block.tone])
    return [first, *(Line(line, _TONES[block.tone], 2) for line in lines[1:21])]


def _end(block: End, scene: Scene) -> list[Line]:
    colour = COLOURS[block.status]
    reason = harmless(reason_text(block.reason))
    why = f": {reason}" if reason and reason != block.status else ""
    head = Line(f"{scene.glyphs[block.status]} The task has ended: {block.status}{why}", f"bold {colour}")
    branch = [Line(f"Its work is on the branch {clip(block.branch, 200)}.", "", 2)] if block.branch else []
    return [head, *text_lines(block.error, "$text-error", 2)[:40], *branch]


def _text(key: Key, scene: Scene, part: str = "content") -> str:
    return message_text(scene.messages.get(key), part)


def live_lines(task: TaskState, glyphs: Glyphs) -> list[Line]:
    """What a task does now, as far as the transcript does not show it already."""
    if task.finished:
        return []
    held = [Line(f"{glyphs['paused']} Paused: held before its next model call.", "$text-warning")]
    activity = task.activity
    match activity.kind:
        case "generating" | "judging" | "preparing":
            return _streamed(task, glyphs)
        case "waiting":
            cause = clip(activity.detail, 200)
            return [Line(f"{glyphs['paused']} Waiting before the next model call: {cause}", "$text-warning")]
        case "retrying":
            words = f"Attempt {activity.retries} failed, another follows: {clip(activity.detail, 200)}"
            return [Line(f"{glyphs['coding']} {words}", "$text-warning")]
    return held if task.paused else []


_WRITES: Mapping[str, str] = {
    "generating": "The coder is writing",
    "judging": "The evaluator is judging",
    "preparing": "The evaluator is writing checks",
}


def _streamed(task: TaskState, glyphs: Glyphs) -> list[Line]:
    activity = task.activity
    status: ShownStatus = "coding" if activity.kind == "generating" else "evaluating"
    who = _WRITES[activity.kind]
    count = f"{tokens(activity.tokens, estimated=not glyphs.ascii)} tokens" if activity.tokens else ""
    head = row([(f"{glyphs[status]} {who}{glyphs['ellipsis']}", COLOURS[status])], count)
    return [head, *text_lines(activity.text, "dim", 2)[-STREAMED_LINES:]]
