"""The flags of `agentbatch requests run`, from the table of its settings, and what an earlier run recorded of them."""

import argparse
from pathlib import Path
from typing import Any

from agentbatch.cli.flags import add_flag
from agentbatch.config.requests_settings import GROUPS, requests_options
from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Values stay text here; the settings check them."""
    table = requests_options()
    parser.add_argument("input", metavar="IN.jsonl", help=table["input"][0].description)
    for group, title in GROUPS.items():
        section = parser.add_argument_group(title)
        for field, (info, option) in table.items():
            if option.group != group or option.flag is None:
                continue
            if field == "display":
                section.add_argument(
                    "--json", dest=field, action="store_const", const="json", default=argparse.SUPPRESS,
                    help="a launch and a done record on stdout",
                )  # fmt: skip
            else:
                add_flag(section, field, info, option)
        if group == "output":
            section.add_argument(
                "--env-file", dest="env_file", metavar="FILE", type=Path, default=argparse.SUPPRESS,
                help="read keys and other settings from FILE instead of ./.env",
            )  # fmt: skip


def given_flags(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line named, by field; `env_file` among them."""
    names = {*requests_options(), "env_file"}
    return {field: value for field, value in vars(args).items() if field in names}


def recorded_flags(info: RunStarted) -> dict[str, Any]:
    """The flags that a run was started with. Older runs recorded the words of their command line instead. Raises
    UserError when there is neither."""
    if "input" in info.flags:
        return dict(info.flags)
    words = info.flags.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError(f"The run {info.run_id} does not record the command that it was started with.")
    parser = argparse.ArgumentParser(prog="agentbatch requests run", allow_abbrev=False)
    add_run_flags(parser)
    return given_flags(parser.parse_args(words[2:]))  # after `requests run`
