"""What an env file says anew, which tasks may have written: where a key of the environment goes, and that there is no
sandbox."""

from collections.abc import Mapping, Sequence
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
    addresses, or commands always ran in a sandbox: whoever changed the file has to be known. Raises UserError."""
    infos = [_info(folder.database) for folder in list_runs(base)[:MOST]] if named else []
    for field, (variable, url) in named.items():
        if field == "sandbox":
            _refuse_without_sandbox(variable, infos)
            continue
        before = [address for info in infos if (address := _address(info, field))]
        if before and shown_url(url) not in before:
            raise UserError(
                f"{variable} is {clip(shown_url(url), 200)}; until now it was {clip(before[0], 200)} in this folder. "
                "Its key comes from the environment, and a task may have changed the file. Look at it: "
                "--trust-changes sends the key there, and so does a key in the same file."
            )


def _refuse_without_sandbox(variable: str, infos: Sequence[RunStarted | None]) -> None:
    before = {info.sandbox for info in infos if info is not None and info.kind == "tasks"}
    if before and "none" not in before:
        raise UserError(
            f"{variable} is none; until now commands ran in {before.pop()} in this folder, and a task may have changed "
            "the file. Look at it: --sandbox none runs them without."
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
