"""What goes wrong, said on stderr."""

import shutil
import sys

from agentbatch.text import fold, harmless


def complain(text: str) -> None:
    """`agentbatch: ...`; on a terminal folded between words, elsewhere as it is."""
    lines = f"agentbatch: {text}".splitlines()
    if sys.stderr.isatty():
        width = max(20, shutil.get_terminal_size().columns - 1)
        lines = [part for line in lines for part in fold(_safe(line), width, 2)]
    sys.stderr.write("\n".join(map(_safe, lines)) + "\n")


def _safe(line: str) -> str:
    """As `harmless`, with the spaces at its beginning."""
    return line[: len(line) - len(line.lstrip(" "))] + harmless(line)
