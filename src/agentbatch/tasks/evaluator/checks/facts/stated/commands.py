"""Command lines that a task's text names, as plain runs of a program of the work. Pure."""

import re
import shlex
from typing import NamedTuple

from agentbatch.patterns import regex

_FILLED_IN = (
    "FILES? FILENAME INFILE OUTFILE INPUT OUTPUT SOURCE SRC DEST TARGET PATH DIR DIRECTORY FOLDER NAME NAMES NUMBER NUM"
    " COUNT LIMIT TEXT STRING STR WORDS? VALUES? KEY URL DATE SIZE WIDTH HEIGHT START END MIN MAX SEED PORT HOST USER"
    " ID ARGS? ARGUMENTS? OPTIONS? COMMAND LINES? TITLE PATTERN EXPR EXPRESSION MESSAGE MSG YEAR MONTH DAY AMOUNT"
).replace(" ", "|")
_LETTERS = r"[NMKXYZ]\d?"
"""Alone they stand for something; others (`A`, `B`, `C`, `F`) are data and units."""
_PLACEHOLDER = regex(
    rf"(?:{_LETTERS}|(?:{_FILLED_IN})[_0-9]*|[A-Z]+_[A-Z_0-9]+)|.*(?:\.\.\.|…|[\[\]<>{{}}*?$`\\;&]).*",
    re.DOTALL,
)
_LEFT_OUT = regex(
    rf"\.\.\.|…|<[A-Za-z][\w -]*>|\{{[A-Za-z_][\w.]*\}}|(?<![\w°.+-])(?<!\d )(?:{_LETTERS}|{_FILLED_IN})(?![\w°])"
)
_CLOSING = regex(r"</[a-z]")
_TAG = regex(r"</?[A-Za-z][^<>]{0,200}>")
"""Of marked text, what stands in brackets is an element."""
_CAPITALS = regex(r"[A-Z][A-Z0-9]+")
_INTERPRETERS = {"python": "python3", "python3": "python3", "node": "node", "bash": "bash", "sh": "sh"}
_FED = regex(r"((?:echo|printf)\s[^|]*)\|(.*)", re.DOTALL)


class Parts(NamedTuple):
    """What a command line consists of."""

    fed: str
    """What writes its input, with the bar after it; empty: it has none."""
    words: tuple[str, ...]
    program: str
    """The file of the work that it runs."""
    arguments: tuple[str, ...]


def parts(command: str) -> Parts | None:
    """None: it is no plain run of a program of the work, as `python3 prog.py 5` is, or has parts to be filled in."""
    fed = _FED.fullmatch(command.strip())
    try:
        words = shlex.split(fed[2] if fed else command)
        feeding = shlex.split(fed[1]) if fed else []
    except ValueError:
        return None
    if any(mark in word for word in (*words, *feeding) for mark in "|<>&;$`"):
        return None
    interpreter = _INTERPRETERS.get(words[0]) if words else None
    rest = words[1:] if interpreter else words
    while interpreter and rest and rest[0] in ("-B", "-u", "-I"):
        rest = rest[1:]
    if not rest or rest[0].startswith("-") or (not interpreter and not rest[0].startswith("./")):
        return None
    program, arguments = rest[0].removeprefix("./"), tuple(rest[1:])
    if any(map(_PLACEHOLDER.fullmatch, (program, *arguments))) or program.startswith(("/", "..")):
        return None
    return Parts(
        f"{fed[1].strip()} | " if fed else "",
        (interpreter, *words[1:]) if interpreter else tuple(words),
        program,
        arguments,
    )


def leaves_out(command: str, shown: str, text: str) -> bool:
    """Something of what is shown, or of the command, is to be filled in. A word in capitals that the text has elsewhere
    as well, or that what is shown repeats, stands for something, whatever it is called."""
    if _LEFT_OUT.search(_TAG.sub(" ", shown) if _CLOSING.search(shown) else shown):
        return True
    found = parts(command)
    words = [word for word in found.arguments if _CAPITALS.fullmatch(word)] if found else []
    beside = text.replace(command, " ") if words else ""
    return any(re.search(rf"(?<![\w']){word}(?![\w'])", beside) for word in words)


def command_line(command: str) -> str:
    """As it is run."""
    found = parts(command)
    return found.fed + shlex.join(found.words) if found else command
