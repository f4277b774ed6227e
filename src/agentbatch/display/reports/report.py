"""Reports of a run, each of its kind to its place: what `agentbatch report` and `--report` write."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.display.reports.exports.export import ExportKind, export, write_export
from agentbatch.display.reports.html.page import html_page
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.records import Records

ReportKind = ExportKind | Literal["html"]

STDOUT = "-"
"""The place of a report that is printed."""


class Wanted(NamedTuple):
    """A report that somebody asked for."""

    kind: ReportKind
    place: str


@dataclass(frozen=True)
class Material:
    """What reports are made of."""

    state: RunState
    """Whole (no outline)."""
    now: float
    """Epoch second of its end, or of its latest event."""
    title: str = ""
    """Names a run that has no id, like a file's name."""
    comparison: Sequence[ComparisonRow] = ()
    records: Records = field(default_factory=lambda: Records(None))


def write_report(wanted: Wanted, material: Material, *, overwrite: bool = False) -> bool:
    """Whether it came to its place: False where nobody reads standard output any more. Raises UserError."""
    m = material
    text: str | Iterator[str]
    if wanted.kind == "html":
        if m.state.info is None:
            raise UserError("The run has not begun: there is nothing to write.")
        text = html_page(m.state, m.now, m.title, m.comparison, m.records)
    else:
        text = export(wanted.kind, m.state, m.now, m.title, m.comparison)
    if wanted.place != STDOUT:
        write_export(Path(wanted.place), text, overwrite=overwrite)
        return True
    out = Writer(sys.stdout)
    for part in [text] if isinstance(text, str) else text:
        out.write(part)
    out.flush()
    return not out.broken
