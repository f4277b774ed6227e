"""What llama.cpp's log says of a failure."""

import re
from pathlib import Path

TAIL = 64 * 1024
"""Bytes of the log's end that are looked at."""

MAX_WORDS = 240

_STAMPED = re.compile(r"^[\d.]+ (?P<level>[EWID]) +(?:\S+ +)?(?P<where>[\w.()]+): (?P<text>.*)$")
_TELLING = re.compile(r"error loading model: |GGML_ASSERT|what\(\): |failed to allocate|Error: ")


def last_words(log: Path) -> str:
    """The line that says why it failed, without stamps; empty when none does."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return telling_line(lines)


def telling_line(lines: list[str]) -> str:
    """The last line with a cause in it, else the last error."""
    shown = [line for line in lines if _TELLING.search(line)]
    if not shown:
        shown = [line for line in lines if (found := _STAMPED.match(line)) and found["level"] == "E"]
    if not shown:
        return ""
    found = _STAMPED.match(shown[-1])
    text = (found["text"] if found else shown[-1]).removeprefix("error loading model: ")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"
