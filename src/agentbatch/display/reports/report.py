"""Reports of a run, each of its kind to its place: what `agentbatch report` and `--report` write."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.display.reports.exports.export import ExportKind, export, write_export, write_folder
from agentbatch.display.reports.html.page import html_file, html_folder
from agentbatch.display.reports.material import Material
from agentbatch.display.writer import Writer

ReportKind = ExportKind | Literal["html"]

STDOUT = "-"
"""The place of a report that is printed."""


class Wanted(NamedTuple):
    """A report that somebody asked for."""

    kind: ReportKind
    place: str

    @property
    def folder(self) -> bool:
        """It is written as the files of a folder."""
        return (
            self.kind == "html"
            and self.place != STDOUT
            and not self.place.lower().endswith((".html", ".htm"))
        )


def write_report(wanted: Wanted, material: Material, *, overwrite: bool = False) -> bool:
    """Whether it came to its place: False where nobody reads standard output any more. Raises UserError."""
    if wanted.folder:
        write_folder(Path(wanted.place), html_folder(material), overwrite=overwrite)
        return True
    text = _text(wanted.kind, material)
    if wanted.place != STDOUT:
        write_export(Path(wanted.place), text, overwrite=overwrite)
        return True
    out = Writer(sys.stdout)
    for part in [text] if isinstance(text, str) else text:
        out.write(part)
    out.flush()
    return not out.broken


def _text(kind: ReportKind, m: Material) -> str | Iterator[str]:
    if kind == "html":
        return html_file(m)
    return export(kind, m.state, m.now, m.title, m.comparison)
