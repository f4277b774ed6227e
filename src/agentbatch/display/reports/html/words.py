"""Foreign text as a page shows it: nothing in it acts, and none of it is longer than can be read. Pure."""

from agentbatch.text import clip, harmless_block

LINE = 400
"""Cells of a text on one line."""
BLOCK = 20_000
"""Characters of a text of many lines."""


def line(text: str, cells: int = LINE) -> str:
    return clip(text, cells)


def block(text: str, most: int = BLOCK) -> str:
    return harmless_block(cut(text, most))


def cut(text: str, most: int) -> str:
    """Its beginning and its end, where it is longer than `most`."""
    if len(text) <= most:
        return text
    gone = f"… {len(text) - most:,} characters are left out here …"
    return f"{text[: most * 2 // 3]}\n{gone}\n{text[-(most // 3) :]}"
