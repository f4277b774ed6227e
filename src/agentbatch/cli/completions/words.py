"""What can stand in a command line, as the parsers say: for the scripts that complete it in shells."""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from agentbatch.cli.commands import COMMANDS, parsers
from agentbatch.cli.tasks.run import run_parser

PLACES: Mapping[str, str] = {
    **dict.fromkeys(("FILE", "PATH", "[KIND=]PATH", "RESULTS", "SOURCE"), "file"),
    **dict.fromkeys(("FOLDER", "DIR"), "folder"),
    "RUN": "run",
    "TASK": "task",
}
"""By what help calls a value, what is offered for it."""


class Value(NamedTuple):
    """What can be given: words, and things that the shell finds."""

    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    """Of PLACES; `run`: ids in .agentbatch/runs; `task`: of the newest run."""


class Flag(NamedTuple):
    names: tuple[str, ...]
    about: str
    value: Value | None
    """None: it takes none."""
    may_stand_alone: bool = False


class Level(NamedTuple):
    """A command, or `agentbatch` itself, whose words are ()."""

    words: tuple[str, ...]
    about: str
    flags: tuple[Flag, ...]
    operands: Value
    """What may follow beside flags; the commands below it among them."""


def levels() -> list[Level]:
    """All, each behind the one that it belongs to."""
    shown = {name: one.summary for name, one in COMMANDS.items() if one.summary}
    top = _level(run_parser(with_paths=True), (), "")
    top = top._replace(operands=Value((*shown, "help"), ("file",)))
    helping = Level(("help",), "show the options of a command", (), Value(tuple(shown)))
    found = [top, helping]
    for name, parser in parsers().items():
        if name in shown:
            found += below(parser, (name,), shown[name])
    return found


def below(parser: argparse.ArgumentParser, words: tuple[str, ...], about: str) -> Iterator[Level]:
    """That of a parser, and those of its commands."""
    yield _level(parser, words, about)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield from below(inner, (*words, name), told.get(name, ""))


def _level(parser: argparse.ArgumentParser, words: tuple[str, ...], about: str) -> Level:
    flags, operands = [], Value()
    for action in parser._actions:
        if action.option_strings and action.help is not argparse.SUPPRESS:
            value = None if action.nargs == 0 else _value(action)
            flags.append(Flag(tuple(action.option_strings), _first(action.help), value, action.nargs == "?"))
        elif not action.option_strings and action.help is not argparse.SUPPRESS:
            more = _value(action)
            operands = Value((*operands.words, *more.words), (*operands.kinds, *more.kinds))
    return Level(words, about, tuple(flags), Value(operands.words, tuple(dict.fromkeys(operands.kinds))))


def _value(action: argparse.Action) -> Value:
    if action.choices is not None:
        return Value(tuple(map(str, action.choices)))
    named = action.metavar if isinstance(action.metavar, str) else action.dest
    parts = named.split("|")
    words = tuple(part for part in parts if re.fullmatch(r"[a-z][a-z-]*", part)) if len(parts) > 1 else ()
    kinds = tuple(dict.fromkeys(PLACES[part.upper()] for part in parts if part.upper() in PLACES))
    if "." in named:  # IN.jsonl
        kinds = ("file",)
    return Value(words, kinds or (("file",) if action.type is Path else ()))


def _first(help_text: str | None) -> str:
    """What a flag is for, without its default and its variable."""
    return re.sub(r"\s*[\[(].*|;.*|: .*", "", (help_text or "").replace("%%", "%"), flags=re.DOTALL)
