"""Command-line flags from the settings' own table, so that flag, variable and check cannot drift apart."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from agentbatch.config import Option, Settings, options

GROUPS: Mapping[str, str] = {
    "run": "what runs",
    "resume": "going on, and in the background",
    "budget": "budgets (a run that reaches one can go on with a higher one)",
    "models": "models (the rehearsal model plays both roles when no key is set)",
    "calls": "model calls",
    "shell": "shell",
    "output": "output",
}


def add_setting_flags(
    parser: argparse.ArgumentParser, groups: Collection[str], value_optional: Collection[str] = ()
) -> None:
    """Add the flags of the named groups. Values stay text here; the settings check them. A field of `value_optional` is
    empty when its flag stands alone."""
    for group, title in GROUPS.items():
        if group not in groups:
            continue
        section = parser.add_argument_group(title)
        for field, option in options().items():
            if option.flag is not None and option.group == group:
                _add_flag(section, field, option, alone=field in value_optional)
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


def _add_flag(section: argparse._ArgumentGroup, field: str, option: Option, *, alone: bool) -> None:
    info = Settings.model_fields[field]
    names = (option.flag or "").split("/")
    text = f"{info.description}{_default(info.default)} ({option.env[0]})"
    if info.annotation is bool:
        section.add_argument(*names, dest=field, action="store_true", default=argparse.SUPPRESS, help=text)
        return
    metavar = option.metavar
    for part in (info.annotation, *get_args(info.annotation)):
        if getattr(part, "__origin__", None) is Literal:
            metavar = "|".join(get_args(part))
    many: dict[str, Any] = {"nargs": "?", "const": ""} if alone else {}
    section.add_argument(*names, dest=field, metavar=metavar, default=argparse.SUPPRESS, help=text, **many)


def _default(value: object) -> str:
    if value is None or value is False or isinstance(value, tuple):
        return ""
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f" [{shown}]"


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line named, by field."""
    return {field: value for field, value in vars(args).items() if field in Settings.model_fields}
