"""Glob patterns of paths below a task's directory: `*` and `?` within a name, `**` across folders."""

import re
from collections.abc import Callable, Iterable

from agentbatch.errors import UserError


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a relative path, `/`-separated, is meant by one of `patterns`. A folder means all below it.

    Raises UserError for a pattern that means nothing, such as `[z-a]`.
    """
    expressions = [_compiled(pattern) for pattern in patterns]
    return lambda path: any(expression.fullmatch(path) for expression in expressions)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_translated(pattern), re.DOTALL)
    except re.error as error:
        raise UserError(f"The pattern {pattern!r} is not valid: {error}.") from None


def _translated(pattern: str) -> str:
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    if not names:
        return ".*"
    expression = ""
    for position, name in enumerate(names):
        last = position == len(names) - 1
        if name == "**":
            expression += ".*" if last else "(?:[^/]+/)*"
        else:
            expression += _name(name) + ("" if last else "/")
    return expression + "(?:/.*)?"


def _name(name: str) -> str:
    """One name; a `[` without its `]` stands for itself, as in a shell."""
    expression, at = "", 0
    while at < len(name):
        character = name[at]
        close = name.find("]", at + 2) if character == "[" else -1
        if character == "*":
            expression += "[^/]*"
        elif character == "?":
            expression += "[^/]"
        elif close > 0:
            inside = re.sub(r"([\\\[\]&~|^])", r"\\\1", name[at + 1 : close].removeprefix("!"))
            expression += f"[{'^' if name[at + 1] == '!' else ''}{inside}]"
            at = close
        else:
            expression += re.escape(character)
        at += 1
    return expression
