"""What running the checks does to the work: files that they change, and which of these forbid acceptance. Pure.

What passed has to be what is kept. A formatter changes a program once and then never again; a test that writes to the
program after it has passed does so each time. What the checks make themselves, reports, coverage, build outputs, may be
another each time: that is no work.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.tampering import named_in
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.workspace import FileEntry, Snapshot

MAX_OUTPUTS = 1_000
"""Files that are remembered as made by checks."""

_PROGRAM = regex(
    r".*\.(py|pyi|pyx|[cm]?[jt]sx?|vue|svelte|sh|bash|zsh|go|rs|c|cc|cpp|cxx|h|hpp|java|kt|kts|scala|rb|php|pl|lua|"
    r"swift|cs|fs|hs|ml|ex|exs|erl|clj|jl|r|dart|nim|zig|asm|sql)",
    re.IGNORECASE,
)


def is_program(path: str, entry: FileEntry) -> bool:
    """By its name, or by the first line of its text."""
    return _PROGRAM.fullmatch(path) is not None or (entry.text or "").startswith("#!")


@dataclass(frozen=True)
class Outputs:
    """Files that checks have made, as they left them."""

    files: Mapping[str, str] = field(default_factory=dict)
    """The hash of the content by path."""

    def hold(self, path: str, snapshot: Snapshot) -> bool:
        """It is in `snapshot` as a check has left it: nobody else has written to it."""
        entry = snapshot.files.get(path)
        return entry is not None and self.files.get(path) == _short(entry)

    def with_paths(self, paths: Iterable[str], after: Snapshot) -> "Outputs":
        """These too; those that are gone are not remembered."""
        files = {path: digest for path, digest in self.files.items() if path in after.files}
        files |= {path: _short(after.files[path]) for path in paths if path in after.files}
        return Outputs(dict(list(files.items())[-MAX_OUTPUTS:]))


def _short(entry: FileEntry) -> str:
    return entry.sha256[:16]


class Effect(NamedTuple):
    """What one round of the checks did to the directory."""

    altered: tuple[str, ...]
    """Files that it changed or deleted, but for those that checks have made before."""
    outputs: Outputs
    """What checks have made, with this round."""


def effect(before: Snapshot, seen: Snapshot, after: Snapshot, outputs: Outputs) -> Effect:
    """`before`: the directory when the task began; `seen`, `after`: before and after the round; `outputs`: what checks
    had made until then."""
    done = changes(seen, after)
    ours = {path for path in (*done.modified, *done.deleted) if outputs.hold(path, seen)}
    altered = tuple(path for path in (*done.modified, *done.deleted) if path not in ours)
    work = touched(before, seen)
    made = [*done.added, *(path for path in done.modified if path in ours)]
    # Data that nobody but a check has changed is what it makes; a program is not, whoever wrote it.
    made += [path for path in altered if path not in work and not _program_in(path, seen)]
    return Effect(altered, outputs.with_paths(made, after))


def touched(before: Snapshot, seen: Snapshot) -> tuple[str, ...]:
    """Files of the work."""
    work = changes(before, seen)
    return (*work.added, *work.modified)


def unsteady(again: Iterable[str], seen: Snapshot) -> list[str]:
    """Of the files that the second round has changed as the first did, those that forbid acceptance: programs. Data
    that it made anew is what the checks make."""
    return [path for path in again if _program_in(path, seen)]


def removed(before: Snapshot, seen: Snapshot, after: Snapshot, task: str) -> list[str]:
    """Files of the work that the checks took away, where they are programs or the task names them."""
    return [
        path
        for path in touched(before, seen)
        if path not in after.files and (_program_in(path, seen) or named_in(task, path))
    ]


def _program_in(path: str, snapshot: Snapshot) -> bool:
    entry = snapshot.files.get(path)
    return entry is not None and is_program(path, entry)
