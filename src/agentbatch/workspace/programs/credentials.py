"""Logins of the user's that a program is shown: single files of the user's HOME, the very ones, since a login that is
refreshed is worth nothing where the old one stays. Never a folder: what else an agent keeps there, its settings, hooks
and servers, the user's own next run of it obeys."""

from collections.abc import Sequence
from pathlib import Path

from agentbatch.errors import UserError


def credential_files(home: Path, names: Sequence[str]) -> dict[str, Path]:
    """By their names relative to HOME, where each really is. Raises UserError for what is no file in it."""
    found = {}
    for name in names:
        place = home / name
        if place.is_dir():
            raise UserError(
                f"The credentials ~/{name} are a folder. Name the file in it that holds the login: what else is in "
                "it, your own next run of the program would obey."
            )
        if not place.is_file() or ".." in place.parts or Path(name).is_absolute():
            raise UserError(f"There are no credentials in ~/{name}: log in with the program itself first.")
        found[name] = place.resolve()
    return found
