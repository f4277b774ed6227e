"""The commands of `agentbatch`, and where each is. The module of a command is imported when it is asked for."""

import argparse
import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

from agentbatch.cli.parser import CommandParser
from agentbatch.runs.garbage import gc_paused


class Command(NamedTuple):
    module: str
    """Its place below agentbatch.cli; `add_parser(subparsers)` there adds the command."""
    summary: str = ""
    """Empty for a second name, which help does not list."""


GROUPS: Mapping[str, Mapping[str, Command]] = {
    "coding tasks": {
        "init": Command("setup.init", "put task.json and .env into a folder"),
        "tasks": Command("tasks.import_tasks", "make a task file of a benchmark's tasks"),
        "resume": Command("tasks.resume", "resume an interrupted run"),
        "compare": Command("tasks.compare", "compare models on the same tasks"),
        "report": Command("tasks.report", "write a run as a page, for CI, for programs"),
        "results": Command("tasks.results", "browse, export and compare results"),
        "show": Command("tasks.show", "show one task of a run, or its diff"),
        "cost": Command("tasks.cost", "compare what tokens cost on many models"),
    },
    "runs": {
        "runs": Command("runs.runs", "list the runs of this folder (also: ls)"),
        "ls": Command("runs.runs"),
        "status": Command("runs.status", "show how a run is doing"),
        "logs": Command("runs.logs", "print the log of a run"),
        "watch": Command("runs.attach", "follow a run"),
        "attach": Command("runs.attach", "open a run in the terminal app"),
        "dashboard": Command("setup.dashboard", "show a run in the browser"),
        "stop": Command("runs.control", "stop a run; it can be resumed"),
        "pause": Command("runs.control", "pause a run, or one task"),
        "unpause": Command("runs.control", "continue what was paused"),
        "resume-paused": Command("runs.control"),
        "cancel": Command("runs.control", "end one task"),
        "retry": Command("runs.control", "run a task again"),
        "say": Command("runs.say", "say something to a task's coder"),
        "shell": Command("tasks.shell", "open a shell in a task's place"),
        "set": Command("runs.control", "change how many tasks run at a time"),
        "prune": Command("runs.prune", "remove old runs"),
    },
    "plain requests": {
        "requests": Command("requests.command", "send a file of plain requests to a model"),
        "cache": Command("requests.cache", "list or clear answers kept by requests run --cache"),
        "bench": Command("requests.bench", "measure how fast requests go"),
    },
    "setup": {
        "coders": Command("setup.coders", "list the coders that tasks can name"),
        "mcp": Command("setup.mcp", "list MCP servers and their tools"),
        "doctor": Command("setup.doctor", "check keys, endpoints, models, sandbox and disk"),
        "completions": Command("setup.completions", "print completions for bash, zsh or fish"),
        "models": Command("setup.models", "list and download models for --local"),
    },
}

COMMANDS: Mapping[str, Command] = {name: one for group in GROUPS.values() for name, one in group.items()}


def parse_command(
    name: str, words: Sequence[str], namespace: argparse.Namespace | None = None
) -> argparse.Namespace:
    """Read the words behind the command `name`. Raises UserError, below the usage line of the command."""
    root = CommandParser(prog="agentbatch")
    commands = root.add_subparsers()
    _load(COMMANDS[name].module).add_parser(commands)
    parser, rest = _innermost(commands.choices[name], words)
    parse = parser.parse_known_intermixed_args if parser.intermixed else parser.parse_known_args
    found, unknown = parse(rest, namespace)
    if unknown:
        parser.refuse(unknown)
    return found


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Of all commands, by name: each module is imported, which takes its time."""
    commands = CommandParser(prog="agentbatch").add_subparsers()
    for module in dict.fromkeys(command.module for command in COMMANDS.values()):
        _load(module).add_parser(commands)
    return dict(commands.choices)


def _load(name: str) -> ModuleType:
    """Import the command's module."""
    with gc_paused():
        return importlib.import_module(f"agentbatch.cli.{name}")


def _innermost(parser: CommandParser, words: Sequence[str]) -> tuple[CommandParser, Sequence[str]]:
    """The parser of `requests run` for `requests run ...`, and the words that are left for it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            return _innermost(action.choices[words[0]], words[1:])
    return parser, words
