"""Reports of a run, each of its kind to its place: what `agentbatch report` and `--report` write."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.display.reports.exports.atif import atif_files
from agentbatch.display.reports.exports.export import ExportKind, export, write_export, write_folder
from agentbatch.display.reports.exports.predictions import predictions_lines, predictions_object
from agentbatch.display.reports.html.page import html_file, html_folder
from agentbatch.display.reports.material import Material
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError

ReportKind = ExportKind | Literal["html", "atif", "predictions"]

STDOUT = "-"
"""The place of a report that is printed."""


class Wanted(NamedTuple):
    """A report that somebody asked for."""

    kind: ReportKind
    place: str

    @property
    def folder(self) -> bool:
        """It is written as the files of a folder."""
        page = self.place == STDOUT or self.place.lower().endswith((".html", ".htm"))
        return self.kind == "atif" or (self.kind == "html" and not page)


def write_report(wanted: Wanted, material: Material, *, overwrite: bool = False) -> bool:
    """Whether it came to its place: False where nobody reads standard output any more. Raises UserError."""
    if material.state.info is None:
        raise UserError("The run has not begun: there is nothing to write.")
    if wanted.folder:
        if wanted.place == STDOUT:
            raise UserError("ATIF is a file a task: name a folder, not -.")
        files = html_folder(material) if wanted.kind == "html" else atif_files(material)
        write_folder(Path(wanted.place), files, overwrite=overwrite)
        return True
    text = _text(wanted, material)
    if wanted.place != STDOUT:
        write_export(Path(wanted.place), text, overwrite=overwrite)
        return True
    out = Writer(sys.stdout)
    for part in [text] if isinstance(text, str) else text:
        out.write(part)
    out.flush()
    return not out.broken


def _text(wanted: Wanted, m: Material) -> str | Iterator[str]:
    match wanted.kind:
        case "html":
            return html_file(m)
        case "predictions":
            return predictions_object(m) if wanted.place.endswith(".json") else predictions_lines(m)
        case "md" | "csv" | "json" | "junit":
            return export(wanted.kind, m.state, m.now, m.title, m.comparison)
        case "atif":
            raise ValueError("is a folder")
