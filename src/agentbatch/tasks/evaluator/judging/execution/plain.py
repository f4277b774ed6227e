"""The one program that a command line starts, as a line that can be run again: without what an agent's shell puts
around it. Pure."""

import os
import shlex

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.tampering import is_test

MAX_READ = 2000
"""Characters of a command that is looked at; a longer one is no plain one."""

_WITHOUT = regex(r"(?<=\s)(?:2>&1|&>\s*/dev/null|[12]?>\s*/dev/null)(?=\s|$)|;\s*echo\b[^;&|<>`]*$")
_OPERATORS = frozenset(("|", "||", ";", "&&"))
_AFTERWARDS = frozenset(("tail", "head", "cat", "grep", "echo", "printf", "true", ":", "sort", "wc"))
"""Programs that only show what the one before them printed, or say how it ended."""
_VARIABLE = regex(r"(?:PYTHONPATH|PYTHONDONTWRITEBYTECODE|CI|NODE_ENV|NO_COLOR)=[\w./:-]*")
_GLOBS = regex(r"[*?{}~]")
_RUNNERS = regex(
    r"\b(?:pytest|py\.test|unittest|tox|nox|jest|vitest|mocha|nextest)\b|--test\b|"
    r"\b(?:npm|yarn|pnpm|bun|make|just|cargo|go|mvn|gradle)\b.*\s(?:run )?(?:tests?|check|t)\b"
)
_RUNS_NONE = regex(r"--(?:collect-only|co|fixtures|markers|setup-plan|version|help|list\w*)\b|\s-(?:h|V|l)\b")


def plain_line(command: str, directory: str) -> str:
    """The program and its arguments alone, in the task's directory or a folder in it; empty: it is more than one
    program, or what it does depends on more than its words."""
    text = _WITHOUT.sub(" ", command.strip())
    if len(text) > MAX_READ or any(sign in text for sign in "$`\n\0\\"):
        return ""
    words = _words(text)
    folder = ""
    if len(words) > 3 and words[0] == "cd" and words[2] == "&&":
        folder = _inside(words[1], directory)
        if not folder:
            return ""
        words = words[3:]
    first, rest = _parts(words)
    if not first or any(not part or part[0] not in _AFTERWARDS for part in rest):
        return ""
    program = [word for word in first if not _VARIABLE.fullmatch(word)]
    if not program or "=" in program[0] or any(set(word) <= set("<>&();|") for word in first):
        return ""
    if any(word[0] == "#" or _GLOBS.search(word) for word in first if word):
        return ""
    line = shlex.join(first)
    return line if folder in ("", ".") else f"cd {shlex.quote(folder)} && {line}"


def runs_tests(line: str) -> bool:
    """A plain line that runs tests, as its words say."""
    if _RUNS_NONE.search(line):
        return False
    words = line.partition(" && ")[2].split() or line.split()
    return _RUNNERS.search(line) is not None or any(map(is_test, words[:2]))


def _words(text: str) -> list[str]:
    reader = shlex.shlex(text, posix=True, punctuation_chars=True)
    reader.whitespace_split, reader.commenters = True, ""
    try:
        return list(reader)
    except ValueError:  # a quotation mark without its other
        return []


def _parts(words: list[str]) -> tuple[list[str], list[list[str]]]:
    """What the first program is started with, and those behind it."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _OPERATORS:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts[0], parts[1:]


def _inside(folder: str, directory: str) -> str:
    """Relative to the task's directory; empty: it is none in it."""
    relative = os.path.relpath(folder, directory) if os.path.isabs(folder) else os.path.normpath(folder)
    outside = relative == ".." or relative.startswith(("../", "~", "-"))
    return "" if outside or _GLOBS.search(relative) else relative
