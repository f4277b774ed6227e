"""Commands whose output a task's text states: "`python3 prog.py 5` prints `8`". Pure."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from agentbatch.tasks.evaluator.checks.facts.stated.context import context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand

MAX_LINES = 20

_PRINTS = re.compile(
    r"`(?P<command>[^`\n]{3,300})`\s*(?P<should>(?:should|must|shall|has to)\s+|应该?|必须)?(?:will\s+|then\s+)?"
    r"(?:prints?|outputs?|displays?|shows?|[会将會將]?(?:输出|打印|显示|輸出|列印|印出|顯示)|の出力は|(?P<run>を実行すると|は))"
    r"(?:\s+(?:exactly|just|the (?:line|text|number|word|result|string)))?(?:[ \t]*[:：])?(?:\s*(?:"
    r"`(?P<code>[^`\n]{1,300})`|\"(?P<quoted>[^\"\n]{1,300})\"|“(?P<curly>[^”\n]{1,300})”|「(?P<kagi>[^」\n]{1,300})」"
    r"|```\w*\n(?P<block>(?:(?!```)[^\n]{0,300}\n){1,20})\s*```)"
    r"|[ \t]*(?P<number>-?\d{1,30}(?:\.\d{1,30})?)(?=[.,;)。，；]?(?:\s*$|\s*\n|\s+and\b))"
    r"|[ \t]*\n(?:[ \t]*\n)?(?P<indented>(?:(?:[ ]{4}|\t)[ \t]*\S[^\n]{0,300}(?:\n|$)){1,20}))"
)
_SHOWN = ("code", "quoted", "curly", "kagi", "block", "number", "indented")
_AFTER = re.compile(r"\s*(?:or|if|when|unless|for|followed|plus|per|in|somewhere)\b|\s*或")
_SHOWN_BY_RUN = re.compile(r"\s*[とをが](?:表示|出力|印字)(?!(?:し|され)(?:な|ません|ては))")
"""What `は` and `を実行すると` are said of may be a file that is made, too."""
_EXITS = re.compile(
    r"(?:\s*,)?(?:\s*(?:and|then)){0,2}(?:\s+it)?\s+(?:exits?|ends?)\s+(?:with\s+)?(?:(?:exit\s+)?(?:code|status)\s+)?"
    r"`?(\d{1,3})\b"
)
_LEFT_OUT = re.compile(r"\.\.\.|…|<[A-Za-z]|\{|\b[A-Z]\b")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_0-9]*|.*(?:\.\.\.|…|[\[\]<>{}*?$`\\;&]).*", re.DOTALL)
_INTERPRETERS = {"python": "python3", "python3": "python3", "node": "node", "bash": "bash", "sh": "sh"}
_FED = re.compile(r"((?:echo|printf)\s[^|]*)\|(.*)", re.DOTALL)


@dataclass(frozen=True)
class Parts:
    """What a command line consists of."""

    fed: str
    """What writes its input, with the bar after it; empty: it has none."""
    words: tuple[str, ...]
    program: str
    """The file of the work that it runs."""
    arguments: tuple[str, ...]


def stated_commands(text: str) -> Iterator[StatedCommand]:
    for found in _PRINTS.finditer(text):
        shown = next(found[name] for name in _SHOWN if found[name])
        lines = tuple(line.rstrip() for line in shown.rstrip().split("\n"))
        if found["run"] and not _SHOWN_BY_RUN.match(text, found.end()):
            continue
        if _LEFT_OUT.search(shown) or _AFTER.match(text, found.end()) or parts(found["command"]) is None:
            continue
        if context(text, found.start(), found.end()).states(demanded=bool(found["should"])):
            exits = _EXITS.match(text, found.end())
            code = int(exits[1]) if exits else None
            yield StatedCommand(found["command"].strip(), lines[:MAX_LINES], code)


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


def command_line(command: str) -> str:
    """As it is run."""
    found = parts(command)
    return found.fed + shlex.join(found.words) if found else command
