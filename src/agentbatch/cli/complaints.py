"""What goes wrong, said on stderr."""

import shutil
import sys

from agentbatch.display.writer import without_commands
from agentbatch.text import fold, harmless_line


def complain(text: str) -> None:
    """`agentbatch: ...`; on a terminal folded between words, elsewhere as it is."""
    lines = [harmless_line(line) for line in f"agentbatch: {text}".splitlines()]
    if sys.stderr.isatty():
        width = max(20, shutil.get_terminal_size().columns - 1)
        lines = [part for line in lines for part in fold(line, width, 2)]
    sys.stderr.write(without_commands("\n".join(lines)) + "\n")
