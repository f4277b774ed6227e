"""Filling names in braces into a text. Pure.

Prompts are full of braces that mean something else: `{name}` is filled in where it is a name of the entry's `foreach`,
and `{{name}}` there stands for `{name}`. `${name}`, which is the shell's, and all other braces stay as they are.
"""

import re
import shlex
from collections.abc import Callable, Mapping

from agentbatch.patterns import regex
from agentbatch.workspace.files.globs import literal

MIN_TYPO = 3
"""Shortest name that is checked for typos: `{i}` is not a misspelt `{n}`."""

_BRACES = regex(r"\{\{([A-Za-z_]\w*)\}\}|(?<!\$)\{([A-Za-z_]\w*)\}")

_QUOTING_OF_ITS_OWN = regex(r"`|<<|\\\n|\$['\"({]")
"""Command substitution, here-documents and the like: inside them our quotes may not be what they are outside."""


class BadPlaceholder(ValueError):
    """Something in braces that cannot be filled in. Its text is a sentence for a person."""


def fill(
    text: str, values: Mapping[str, str], *, free: bool, write: Callable[[str, int], str] | None = None
) -> str:
    """`text` with the names filled in. `write` makes text of a value that goes to an offset.

    `free`: a text that may hold code, where only a name that is one letter off is an error; elsewhere every unknown one
    is. Raises BadPlaceholder.
    """

    def put(found: re.Match[str]) -> str:
        doubled, single = found[1], found[2]
        name = doubled or single
        near = name if name in values else _misspelt(name, values)
        if doubled:
            return f"{{{doubled}}}" if near else found[0]
        if name in values:
            return write(values[name], found.start()) if write else values[name]
        if near or not free:
            known = ", ".join(f"{{{each}}}" for each in values)
            hint = f"did you mean {{{near}}}?" if near else f"there is {known}."
            keep = f" To keep it as it is, write {{{{{name}}}}}." if free else ""
            raise BadPlaceholder(f"{{{name}}} is not a name of the foreach; {hint}{keep}")
        return found[0]

    return _BRACES.sub(put, text)


def fill_command(command: str, values: Mapping[str, str]) -> str:
    """A shell command with each value as one word, whatever characters it has. Raises BadPlaceholder where a value with
    special characters would stand inside quotes, or where they mean something else than usual."""

    def quoted(value: str, place: int) -> str:
        word = shlex.quote(value)
        if word != value and (_QUOTING_OF_ITS_OWN.search(command) or _in_quotes(command, place)):
            raise BadPlaceholder(
                f"{value!r} has characters that the shell reads, and stands inside quotes, $(...), ${{...}}, `...` or "
                "a here-document: use its name outside of them, where it is quoted for you."
            )
        return word

    return fill(command, values, free=True, write=quoted)


def fill_pattern(pattern: str, values: Mapping[str, str]) -> str:
    """A glob pattern in which each value stands for itself. Raises BadPlaceholder."""
    return fill(pattern, values, free=False, write=lambda value, _: literal(value))


def fill_id(text: str, values: Mapping[str, str]) -> str:
    """An id; what cannot stand in one becomes a dash. Raises BadPlaceholder."""
    return fill(text, values, free=False, write=lambda value, _: re.sub(r"[^\w.\-]+", "-", value))


def _in_quotes(command: str, place: int) -> bool:
    """Whether `place` is inside quotes or a comment, or follows a backslash."""
    inside, at = "", 0
    while at < place:
        character = command[at]
        if inside in ("'", "#"):
            inside = "" if character == ("'" if inside == "'" else "\n") else inside
        elif character == "\\":
            at += 1
        elif inside == '"':
            inside = "" if character == '"' else inside
        elif character in "'\"":
            inside = character
        elif character == "#" and (at == 0 or command[at - 1] in " \t\n;&|()<>"):
            inside = "#"
        at += 1
    return inside != "" or at > place


def _misspelt(name: str, known: Mapping[str, str]) -> str:
    """The known name that differs from `name` by one letter, or by two that are swapped."""
    return next((each for each in known if min(len(each), len(name)) >= MIN_TYPO and _nearly(each, name)), "")


def _nearly(a: str, b: str) -> bool:
    if len(a) > len(b):
        a, b = b, a
    if len(a) < len(b):
        return any(b[:at] + b[at + 1 :] == a for at in range(len(b)))
    differing = [at for at in range(len(a)) if a[at] != b[at]]
    if len(differing) == 2:
        first, second = differing
        return second == first + 1 and (a[first], a[second]) == (b[second], b[first])
    return len(differing) == 1
