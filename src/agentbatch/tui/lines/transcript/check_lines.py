"""The checks of an evaluation as lines of the screen: how many of which kind, and those that failed. Pure."""

from collections.abc import Sequence

from agentbatch.runs import events as e
from agentbatch.runs.check_words import IN_LIST, check_name, check_prefix, end_word, tallies, worth_a_line
from agentbatch.runs.listing import ShownStatus
from agentbatch.text import clip
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line

MAX_CHECKS = 20
"""Failed ones that are shown."""


def check_lines(checks: Sequence[e.CheckLine], glyphs: Glyphs) -> list[Line]:
    """`checks: form ✓ · examples ✓ · 3 evaluator's checks: 2 ✓ 1 ✗`, and a line for each that failed or of
    which something became."""
    if not checks:
        return []
    signs = (glyphs["completed"], glyphs["error"], glyphs["cancelled"])
    text, spans = "checks: ", [(0, 7, "bold")]
    for place, tally in enumerate(tallies(checks)):
        part = tally.words(*signs, " ")
        text += f" {glyphs['queued']} " if place else ""
        status: ShownStatus = "error" if tally.failed else "cancelled" if tally.void else "completed"
        style = "" if tally.kind == "look" else COLOURS[status]
        spans.append((len(text), len(text) + len(part), style))
        text += part
    return [Line(text, "", 2, tuple(spans)), *_told(worth_a_line(checks), glyphs)]


def _told(checks: Sequence[e.CheckLine], glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    for check in checks[:MAX_CHECKS]:
        status: ShownStatus = "completed" if check.passed else "error" if check.counts else "cancelled"
        word = end_word(check)
        words = f"{glyphs[status]} {word}: " if word else f"{glyphs['queued']} "
        name = check_name(check.kind, check.command, check.requirement, IN_LIST)
        text = f"{words}{check_prefix(check.kind)}: {name}"
        lines.append(Line(text, "", 4, ((0, len(words), COLOURS[status] if word else "dim"),)))
        if check.said:
            lines.append(Line(clip(check.said, 400), "", 6))
        if check.note:
            lines.append(Line(clip(check.note, 400), "dim", 6))
    left = len(checks) - MAX_CHECKS
    return [*lines, Line(f"{glyphs['ellipsis']} {left} more", "dim", 4)] if left > 0 else lines
