"""Compiled Python beside a source, which runs in its place: the command that removes it. Pure."""

from shlex import quote

from agentbatch.workspace.files.diff.left_out_diff import changed_bytecode, has_bytecode
from agentbatch.workspace.workspace import Snapshot

_REMOVE = """for at; do
rm -rf -- "$at" 2>/dev/null || { chmod u+rwx -- "${at%/*}"; [ -L "$at" ] || chmod -R u+rwx -- "$at"; rm -rf -- "$at"; }
done"""
_CLEAR = r"find . \( {skipped} \) -prune -o -name __pycache__ -prune -exec bash -c {remove} bash {{}} + "
_NOT_OURS = ("node_modules", ".git")
_INSTALLED = (".venv", "venv", ".tox", ".nox")
MAX_NAMES = 50_000
"""Characters of names in one command line."""


def clearing(before: Snapshot, after: Snapshot) -> str:
    """The command that removes compiled Python which a coder could have put beside a source, and which would run in its
    place; among installed packages only what is not as it was. Empty: there is none."""
    new = changed_bytecode(before, after)
    everywhere = len("".join(new)) > MAX_NAMES or any("\0" in name or not _is_text(name) for name in new)
    commands = []
    if has_bytecode(after) or everywhere:
        skipped = _NOT_OURS if everywhere else (*_NOT_OURS, *_INSTALLED)
        names = " -o ".join(f"-name {name}" for name in skipped)
        commands.append(_CLEAR.format(skipped=names, remove=quote(_REMOVE)))
    if new and not everywhere:
        commands.append(f"bash -c {quote(_REMOVE)} bash {' '.join(quote(f'./{name}') for name in new)}")
    return f"{{ {'; '.join(commands)}; }} 2>/dev/null; true" if commands else ""


def _is_text(name: str) -> bool:
    return name.isascii() or name.encode("utf-8", "replace").decode() == name


CLEARING = clearing(Snapshot({}), Snapshot({}, left_out_whole=False))
"""Removes all but that of installed packages."""
