"""A comparison of models as lines of the screen. Pure."""

from agentbatch.display.reports.bakeoff_text import remarks, table
from agentbatch.tasks.bakeoff.bakeoff import BakeOff
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line, text_lines
from agentbatch.tui.lines.usage_rows import plain, plain_ellipsis


def bake_off_lines(found: BakeOff, columns: int, glyphs: Glyphs) -> list[Line]:
    """The table, and below it what its figures carry."""
    head, *rows = table(found, columns)
    lines = [Line(head, "dim"), *(Line(row) for row in rows), Line("")]
    lines += [line for text in remarks(found) for line in text_lines(text)]
    return [line._replace(text=plain_ellipsis(plain(line.text, glyphs), glyphs)) for line in lines]
