"""What a coder's command did, as far as its text says: it executed something, or only looked. Pure."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.workspace.workspace import CommandRecord

MAX_READ = 4000
"""Characters of a command that are looked at."""
CRASH = "Traceback (most recent call last):"
"""In an output: something crashed, whatever the exit code of the whole line."""

_HERE_DOCUMENT = regex(r"<<-?[ \t]*(['\"]?)(\w+)\1[^\n]*\n")
_BEFORE = r"(?:^|[;&|(\n`!]|\b(?:time|if|while|until|then|do|else|env|exec|timeout[ \t]+\S+)[ \t])"
_STARTS = rf"{_BEFORE}[ \t]*(?:\w{{1,50}}=\S{{0,200}}[ \t]+)*"
_PROGRAMS = (
    r"(?:python[\d.]*|pypy3?|pytest|tox|nox|uv|poetry|pipenv|coverage|bash|sh|dash|zsh|source|\.|node|deno|bun|npm|npx|"
    r"yarn|pnpm|tsx|ts-node|jest|vitest|mocha|make|just|go|cargo|java|ruby|perl|php|flask|uvicorn|gunicorn|sqlite3)"
)
_EXECUTES = regex(
    rf"{_STARTS}(?:{_PROGRAMS}(?![\w.-])(?![ \t]+(?:--version|-V|-VV|--help|-h)\b)|\.{{0,2}}/\S)"
)
_EDITS = regex(
    r"\b(?:tee|mv|cp|patch|dd|install)\b|\b(?:sed|perl|awk)\b[^|;&\n]*[ \t]-i|"
    r"\bgit[ \t]+(?:apply|checkout|restore|am)\b"
)
_PLAIN = r"[ \t]*(?:cd|chmod|ls|cat|wc|head|tail|pwd|git[ \t]+(?:status|diff|log|add))\b[^;&|<>$`\n]*"
_HARMLESS = regex(rf"{_PLAIN}(?:&&{_PLAIN})*")
_QUIET = regex(r"^[ \t]*cd[ \t]+[^;&|<>\s]+[ \t]*&&|\d?>&\d|[\d&]?>[ \t]*/dev/null")
_HIDES = regex(r"\|\|[ \t]*(?:true|:|echo|printf|exit[ \t]+0)(?![\w.-])")
_LOOKS = regex(
    r"(?:cd|ls|cat|head|tail|wc|grep|egrep|rg|find|echo|printf|pwd|tree|stat|file|diff|cmp|which|type|command|test|\[|"
    r"true|:|exit[ \t]+0|sort|uniq|cut|git)(?![\w.-])"
)


def executes(command: str) -> bool:
    """It starts a program that is not there only to look at files or to move them."""
    return _EXECUTES.search(_bare(command)) is not None


def ran_well(record: CommandRecord) -> bool:
    """It executed something, and nothing in it crashed, as somebody saw it: what is only told proves nothing."""
    if record.told:
        return False
    good = record.exit_code == 0 and CRASH not in record.tail
    if not good or not executes(record.command):
        return False
    return not hides_failure(record.command) or _says_zero(record)


def hides_failure(command: str) -> bool:
    """It ends well whatever became of the program in it: `|| true`, `; echo done`."""
    text = _bare(command).strip("(){}; \t\n")
    last = re.split(r"[;\n]", text)[-1].strip("(){ \t")
    looks = not _EXECUTES.search(last) and _LOOKS.match(last) is not None
    return looks or _HIDES.search(text) is not None


def _says_zero(record: CommandRecord) -> bool:
    """`; echo $?` behind the program, and it was 0."""
    last = re.split(r"[;\n]", _bare(record.command).strip("(){}; \t\n"))[-1]
    line = record.tail.rstrip().rpartition("\n")[2]
    return (
        "$?" in last and not _HIDES.search(record.command) and re.search(r"(?:^|\D)0\W*$", line) is not None
    )


def changed_until(commands: Sequence[CommandRecord], tried_from: int, changed: Mapping[str, float]) -> int:
    """Index of the first command after the last change of any file; `changed`: when, by path (0: that is not known).
    `tried_from`: the first after the last change that a tool made; later ones may have been made by a command, as far
    as its text or the file's time says so."""
    times = {PurePath(path).name: when for path, when in changed.items()}
    latest, harmless = max(times.values(), default=0.0), True
    for place in range(len(commands) - 1, tried_from - 1, -1):
        record = commands[place]
        text = _bare(record.command)
        if not executes(text) and any(_writes(text, name) for name in times):
            return place + 1
        # What only sets a mode changes the file's time as well.
        if (latest > record.ended and not harmless) or _changes_itself(record, times):
            return place + 1
        harmless = _HARMLESS.fullmatch(text) is not None
    return tried_from


def _changes_itself(record: CommandRecord, times: Mapping[str, float]) -> bool:
    """It is one program that is not any more what was started. Of several commands one may well have written it."""
    text = _QUIET.sub("", record.command[:MAX_READ]).strip()
    if re.search(r"[;&|<>\n]", text) or not executes(text):
        return False
    begun = max(0.0, record.ended - record.seconds)
    return any(name in text and begun < when <= record.ended for name, when in times.items())


def _writes(command: str, name: str) -> bool:
    if name not in command:
        return False
    into = re.search(rf">[ \t]*[\"']?[^\s;|&\"']{{0,200}}{re.escape(name)}", command)
    return into is not None or _EDITS.search(command) is not None


def only_looks(command: str) -> bool:
    """Its exit code says what was found, not what went wrong."""
    parts = [part.strip() for part in re.split(r"\|\||&&|[;|\n]", _bare(command))]
    return all(_LOOKS.match(part) for part in parts if part) and not executes(command)


def failed_last(
    commands: Sequence[CommandRecord],
    tried_from: int,
    checks: Sequence[CheckResult],
    runs: Sequence[CommandRecord],
) -> int | None:
    """The index of the last command after the last change, if it failed: one that did more than look, and that nothing
    of ours has passed since."""
    places = range(len(commands) - 1, tried_from - 1, -1)
    last = next((place for place in places if not only_looks(commands[place].command)), None)
    if last is None or commands[last].exit_code == 0 or commands[last].untold:
        return None
    again = {_flat(result.command) for result in checks if result.passed and result.ran}
    again |= {_flat(run.command) for run in runs if run.exit_code == 0}
    verify = [result for result in checks if result.kind == "verify"]
    if (verify and all(result.passed for result in verify)) or _flat(commands[last].command) in again:
        return None
    return last


def _flat(command: str) -> str:
    return " ".join(command.split())


def _bare(command: str) -> str:
    """The command without the documents that it feeds to others."""
    text, kept, place = command[:MAX_READ], [], 0
    while found := _HERE_DOCUMENT.search(text, place):
        kept.append(text[place : found.end()])
        end = re.compile(rf"^\t*{re.escape(found[2])}[ \t]*$", re.MULTILINE).search(text, found.end())
        place = end.end() if end else len(text)
    return "".join([*kept, text[place:]])
