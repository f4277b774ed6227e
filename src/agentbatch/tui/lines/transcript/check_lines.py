"""The checks of an evaluation as lines of the screen: how many of which kind, and those that failed. Pure."""

from collections.abc import Sequence

from agentbatch.runs import events as e
from agentbatch.runs.check_words import KIND_WORDS, check_name, tallies, worth_a_line
from agentbatch.runs.listing import ShownStatus
from agentbatch.text import clip
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line

MAX_CHECKS = 20
"""Failed ones that are shown."""


def check_lines(checks: Sequence[e.CheckLine], glyphs: Glyphs) -> list[Line]:
    """`checks: 3 sound ✓ · 2 examples ✓ · 1 own ✗`, and a line for each that failed or of which something became."""
    if not checks:
        return []
    passed, failed = glyphs["completed"], glyphs["error"]
    text, spans = "checks: ", [(0, 7, "bold")]
    for place, tally in enumerate(tallies(checks)):
        part = tally.words(passed, failed, " ")
        text += f" {glyphs['queued']} " if place else ""
        spans.append((len(text), len(text) + len(part), COLOURS["error" if tally.failed else "completed"]))
        text += part
    return [Line(text, "", 2, tuple(spans)), *_told(worth_a_line(checks), glyphs)]


def _told(checks: Sequence[e.CheckLine], glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    for check in checks[:MAX_CHECKS]:
        status: ShownStatus = "completed" if check.passed else "error"
        words = f"{glyphs[status]} {KIND_WORDS[check.kind]}: "
        name = check_name(check.kind, check.command, check.requirement)
        lines.append(Line(f"{words}{name}", "", 4, ((0, len(words), COLOURS[status]),)))
        if check.note:
            lines.append(Line(clip(check.note, 400), "dim", 6))
    left = len(checks) - MAX_CHECKS
    return [*lines, Line(f"{glyphs['ellipsis']} {left} more", "dim", 4)] if left > 0 else lines
