"""A key of the environment, and an endpoint that an env file names: tasks may have written that file."""

from collections.abc import Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import shown_url
from agentbatch.runs.events import RunStarted
from agentbatch.runs.listing import list_runs
from agentbatch.runs.store.database import load_info, reading
from agentbatch.text import clip

MOST = 20
"""Runs that are looked at, the newest first."""


def refuse_named_anew(base: Path, named: Mapping[str, tuple[str, str]]) -> None:
    """`named`: as `Settings.named_by_file`. In the latest runs of this folder the key of a role always went to other
    addresses: whoever changed the file has to be known. Raises UserError."""
    infos = [_info(folder.database) for folder in list_runs(base)[:MOST]] if named else []
    for field, (variable, url) in named.items():
        before = [address for info in infos if (address := _address(info, field))]
        if before and shown_url(url) not in before:
            raise UserError(
                f"{variable} is {clip(shown_url(url), 200)}; until now it was {clip(before[0], 200)} in this folder. "
                "Its key comes from the environment, and a task may have changed the file. Look at it: "
                "--trust-changes sends the key there, and so does a key in the same file."
            )


def _info(database: Path) -> RunStarted | None:
    try:
        with reading(database) as connection:
            return load_info(connection)
    except UserError:
        return None


def _address(info: RunStarted | None, field: str) -> str:
    """Where the role's key went; empty: nowhere."""
    if info is None or info.rehearsal or info.settings.get("local"):
        return ""
    return info.coder_endpoint if field == "coder_endpoint" else info.evaluator_endpoint
