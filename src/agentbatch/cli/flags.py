"""The flags of a run, from the settings' own table, so that flag, variable and check cannot drift apart."""

import argparse
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic.fields import FieldInfo

from agentbatch.cli.complaints import complain
from agentbatch.cli.parser import unknown_option
from agentbatch.config import Option, Settings, load, options
from agentbatch.errors import UserError

GROUPS: Mapping[str, str] = {
    "run": "what runs",
    "resume": "resuming, and in the background",
    "budget": "budgets (a run that reaches one can be resumed with a higher one)",
    "models": "models (the rehearsal model plays both roles when no key is set)",
    "calls": "model calls",
    "shell": "shell",
    "output": "output",
}


def add_setting_flags(
    parser: argparse.ArgumentParser,
    groups: Collection[str],
    value_optional: Collection[str] = (),
    shown: Collection[str] | None = None,
) -> None:
    """Add the flags of the named groups. Values stay text here; the settings check them.

    A field of `value_optional` is empty when its flag stands alone. Help shows the fields of `shown`; None: all.
    """
    for group, title in GROUPS.items():
        if group not in groups:
            continue
        section = parser.add_argument_group(title)
        for field, option in options().items():
            if option.flag is not None and option.group == group:
                info, show = Settings.model_fields[field], shown is None or field in shown
                add_flag(section, field, info, option, alone=field in value_optional, show=show)
        if group == "models":
            section.add_argument(
                "--env-file",
                metavar="FILE",
                type=Path,
                default=argparse.SUPPRESS,
                help="read keys and other settings from FILE instead of ./.env",
            )
        if group == "output":
            section.add_argument(
                "--json",
                dest="display",
                action="store_const",
                const="json",
                default=argparse.SUPPRESS,
                help="the same as --display json: a launch and a done record on stdout",
            )


def add_trust_flag(parser: argparse.ArgumentParser) -> None:
    """That of a command which is no run, and uses what an env file says."""
    name = "trust_changes"
    add_flag(parser.add_argument_group("trust"), name, Settings.model_fields[name], options()[name])


REPEATABLE = frozenset({"alert", "header", "notify", "report"})
"""Settings whose flag may be given several times."""


def add_flag(
    section: argparse._ArgumentGroup,
    field: str,
    info: FieldInfo,
    option: Option,
    *,
    alone: bool = False,
    show: bool = True,
) -> None:
    """The flag of one setting. `alone`: its value may be left out; `show`: in the help."""
    names = (option.flag or "").split("/")
    text = f"{info.description}{_default(info.default)}" + (f" ({option.env[0]})" if option.env else "")
    text = text if show else argparse.SUPPRESS
    if info.annotation is bool:
        section.add_argument(*names, dest=field, action="store_true", default=argparse.SUPPRESS, help=text)
        return
    metavar = option.metavar
    for part in (info.annotation, *get_args(info.annotation)):
        if getattr(part, "__origin__", None) is Literal:
            metavar = "|".join(get_args(part))
    many: dict[str, Any] = {"nargs": "?", "const": option.alone} if alone or option.alone else {}
    if field in REPEATABLE:
        many["action"] = "append"
    section.add_argument(*names, dest=field, metavar=metavar, default=argparse.SUPPRESS, help=text, **many)


def _default(value: object) -> str:
    if value is None or value is False or isinstance(value, tuple):
        return ""
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f" [{shown}]"


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line named, by field."""
    return {field: value for field, value in vars(args).items() if field in Settings.model_fields}


NUMBER_OF_TASKS = ("--parallel", "--concurrency")
"""Both say how many tasks run at a time; `--parallel` may stand alone."""

OWN_FLAGS = (
    "-h", "--help", "--help-all", "--version", "--serial", *NUMBER_OF_TASKS, "--test", "--json", "--env-file"
)  # fmt: skip
"""Those of a run that are not in the settings' table."""


def add_run_flags(parser: argparse.ArgumentParser, shown: Collection[str] | None = None) -> None:
    """Add everything that a run takes. `shown` as in `add_setting_flags`."""
    modes = parser.add_argument_group("mode").add_mutually_exclusive_group()
    suppress = argparse.SUPPRESS
    modes.add_argument(
        "--serial", dest="mode", action="store_const", const="serial", default=suppress,
        help="one task after another, with 2 s between them",
    )  # fmt: skip
    modes.add_argument(
        "--parallel", dest="parallel", metavar="N", nargs="?", default=suppress,
        help="N tasks at a time [3]; also --concurrency N (AGENTBATCH_PARALLEL)",
    )  # fmt: skip
    modes.add_argument("--concurrency", dest="parallel", metavar="N", default=suppress, help=suppress)
    modes.add_argument(
        "--test", dest="mode", action="store_const", const="test", default=suppress,
        help="the first 3 tasks only",
    )  # fmt: skip
    add_setting_flags(parser, GROUPS, shown=shown)


def check_flags(words: Sequence[str], commands: Collection[str]) -> None:
    """Name an unknown flag before a command; else the word behind it would be taken for a command.

    Raises UserError with the nearest known flag.
    """
    known = {name for option in options().values() if option.flag for name in option.flag.split("/")}
    known |= set(OWN_FLAGS)
    for word in words:
        if word in commands or word == "--":
            return
        flag = word.partition("=")[0]
        long = flag if flag.startswith("--") else f"-{flag}"
        short = flag[:2] in known and long not in known  # `-oFILE`
        if re.match("--?[^-0-9.]", flag) and not (short or flag in known):
            raise UserError(unknown_option(flag, known, "agentbatch --help-all"))


def first_word(words: Sequence[str]) -> int | None:
    """The place of the first word that is neither a flag nor the value of one: a command, or a path."""
    takes_value = {
        name
        for field, option in options().items()
        if option.flag and Settings.model_fields[field].annotation is not bool
        for name in option.flag.split("/")
    } | {"--env-file"}
    may_stand_alone = {*NUMBER_OF_TASKS, *(option.flag for option in options().values() if option.alone)}
    places = iter(range(len(words)))
    before = ""
    for place in places:
        word = words[place]
        before, latest = word, before
        if latest in may_stand_alone and not word.startswith("-"):
            continue  # its value, right or wrong
        if word in takes_value - may_stand_alone:
            next(places, None)
        elif word == "--":
            return next(places, None)
        elif not word.startswith("-") or word == "-":
            return place
    return None


def given_flags(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line named; `env_file` and the mode that a flag implies among them."""
    flags: dict[str, Any] = given_settings(args)
    if "parallel" in flags:
        flags["mode"] = "parallel"
        if flags["parallel"] is None:
            del flags["parallel"]
    env_file: Path | None = getattr(args, "env_file", None)
    return {**flags, **({"env_file": str(env_file)} if env_file is not None else {})}


def read_settings(flags: Mapping[str, Any]) -> tuple[Settings, Path | None]:
    """Settings from flags, environment and env file; and the env file that was named, if any."""
    env_file = Path(flags["env_file"]) if "env_file" in flags else None
    named = {name: value for name, value in flags.items() if name != "env_file"}
    loaded = load(named, os.environ, env_file)
    for note in loaded.notes:
        complain(note)
    return loaded.settings, env_file
