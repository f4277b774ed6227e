"""What an env file says anew, which tasks may have written: where a key of the environment goes, that there is no
sandbox, and what reaches out of the folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from agentbatch.config import Settings
from agentbatch.config.reports import parse_report
from agentbatch.errors import UserError
from agentbatch.files import resolved
from agentbatch.model.http.proxy import is_loopback
from agentbatch.redaction import shown_url
from agentbatch.runs.events import RunStarted
from agentbatch.runs.listing import list_runs
from agentbatch.runs.store.database import load_info, reading
from agentbatch.text import clip
from agentbatch.workspace.inspection import is_kept_by_git

FLAGS: Mapping[str, str] = {
    "output": "--output FILE",
    "report": "--report PATH",
    "local": "--local FILE",
    "ca_bundle": "--ca-bundle FILE",
    "apply": "--apply",
    "notify": "--notify URL",
    "coder_login": "--coder-login NAMES",
    "cluster": "--cluster ADDRESS",
    "image": "--image IMAGE",
}
"""Settings that reach out of the folder, with their flags."""

MAX_RUNS = 20
"""Runs that are looked at, the newest first."""


def refuse_named_anew(base: Path, named: Mapping[str, tuple[str, str]]) -> None:
    """`named`: as `Settings.named_by_file`. In the latest runs of this folder the key of a role always went to other
    addresses, or commands always ran in a sandbox: whoever changed the file has to be known. Where there was no run
    yet, a file that git keeps has come with a repository, whoever wrote that. Raises UserError."""
    infos = [_info(folder.database) for folder in list_runs(base)[:MAX_RUNS]] if named else []
    if named and not infos and is_kept_by_git(base / ".env"):
        _refuse_what_came(base, named)
    for field, (variable, url) in named.items():
        if field == "sandbox":
            _refuse_without_sandbox(variable, infos)
            continue
        if field in FLAGS:
            _refuse_reaching_out(base, field, variable, url, infos)
            continue
        before = [address for info in infos if (address := _address(info, field))]
        if before and shown_url(url) not in before:
            raise UserError(
                f"{variable} is {clip(shown_url(url), 200)}; until now it was {clip(before[0], 200)} in this folder. "
                "Its key comes from the environment, and a task may have changed the file. Look at it: "
                "--trust-changes sends the key there, and so does a key in the same file."
            )


def check_trusted(base: Path, settings: Settings) -> None:
    """The same of all that `settings` have of it, unless the user has said that it may be so. Raises UserError."""
    if not settings.trust_changes:
        refuse_named_anew(base, settings.named_by_file)


def refuse_for_requests(base: Path, named: Mapping[str, tuple[str, str]]) -> None:
    """As far as plain requests use it. Raises UserError."""
    used = ("coder_endpoint", "ca_bundle")
    refuse_named_anew(base, {field: to for field, to in named.items() if field in used})


def _refuse_what_came(base: Path, named: Mapping[str, tuple[str, str]]) -> None:
    for field, (variable, value) in named.items():
        if not _outside(base, field, value) or _is_here(field, value):
            continue
        what, remedy = "names addresses", FLAGS.get(field, "--sandbox none")
        if field != "notify":
            what = f"is {clip(value if field in FLAGS else shown_url(value), 200)}"
        if field not in FLAGS and field != "sandbox":
            what += ", and its key comes from the environment"
            remedy = "--trust-changes, or the same variable in the environment,"
        raise UserError(
            f"{variable} {what}. git keeps the file, so that it came with the repository, whoever wrote that, and "
            f"nothing has run in this folder yet. Look at it: {remedy} says it for sure."
        )


def _is_here(field: str, value: str) -> bool:
    """An endpoint on this machine is the user's own: a repository alone has nothing there that could hear a key."""
    return field not in FLAGS and field != "sandbox" and is_loopback(value)


def _outside(base: Path, field: str, value: str) -> bool:
    """What is written in the folder is nothing to ask about: a task that can write the env file can write that, too."""
    places = [value] if field == "output" else []
    if field == "report":
        places = [parse_report(one).place for one in value.split(",")]
    return not places or any(not resolved(base / one).is_relative_to(base.resolve()) for one in places)


def _refuse_without_sandbox(variable: str, infos: Sequence[RunStarted | None]) -> None:
    before = {info.sandbox for info in infos if info is not None and info.kind == "tasks"}
    if before and not any("none" in name.split() for name in before):
        raise UserError(
            f"{variable} is none; until now commands ran in {before.pop()} in this folder, and a task may have changed "
            "the file. Look at it: --sandbox none runs them without."
        )


def _refuse_reaching_out(
    base: Path, field: str, variable: str, value: str, infos: Sequence[RunStarted | None]
) -> None:
    if not _outside(base, field, value):
        return
    infos = [info for info in infos if info is not None and info.kind == "tasks"]
    if field == "notify":  # its digest; runs of earlier versions do not say it
        infos = [info for info in infos if info is not None and field in info.settings]
    before = [info.settings.get(field) for info in infos if info is not None]
    before = [",".join(map(str, one)) if isinstance(one, list) else one for one in before]
    if before and value not in map(str, before):
        until_now = clip(str(before[0]), 200) if before[0] else "not set"
        what = f"is {clip(value, 200)}; until now it was {until_now}"
        if field == "notify":
            what = f"names other addresses than until now{'' if before[0] else ', when there were none,'}"
        raise UserError(
            f"{variable} {what} in this folder, and a task may have changed the file. Look at it: "
            f"{FLAGS[field]} on the command line says it for sure."
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
