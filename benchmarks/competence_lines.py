"""The lines of results of benchmarks.competence, in files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError

Line = dict[str, Any]
"""One task, done by one contestant, once."""

COMPARABLE = ("sha256", "temperature", "context")
"""Keys that must be equal in all lines of one table."""


def read_lines(paths: Iterable[Path]) -> list[Line]:
    """The results in some files. Raises UserError when a file is invalid, or the results are not comparable."""
    lines: list[Line] = []
    for path in paths:
        try:
            lines += [
                json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text.strip()
            ]
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read as lines of JSON: {error}.") from None
    if not lines:
        raise UserError("There are no results in these files.")
    for name in COMPARABLE:
        values = {str(line.get(name)) for line in lines}
        if len(values) > 1:
            raise UserError(
                f"These results differ in {name} ({', '.join(sorted(values))}): report them separately."
            )
    for task, digests in _by(lines, "name", "digest").items():
        if len(digests) > 1:
            raise UserError(f"The task {task} was changed between these results: report them separately.")
    return lines


def complete_lines(path: Path) -> str:
    """The file without a last line that a broken-off measurement tore."""
    text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1]


def _by(lines: Iterable[Line], key: str, value: str) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for line in lines:
        groups.setdefault(line[key], set()).add(line[value])
    return groups
