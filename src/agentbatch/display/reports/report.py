"""Reports of a run, each of its kind to its place: what `agentbatch report` and `--report` write."""

import sys
from collections.abc import Iterator
from pathlib import Path

from agentbatch.config.reports import STDOUT, ReportRequest
from agentbatch.display.reports.exports.atif import atif_files
from agentbatch.display.reports.exports.export import export, write_export, write_folder
from agentbatch.display.reports.exports.predictions import predictions_lines, predictions_object
from agentbatch.display.reports.html.page import html_file, html_folder
from agentbatch.display.reports.material import NOTHING_CHOSEN, Material
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError


def write_report(
    wanted: ReportRequest, material: Material, *, overwrite: bool = False, follow: bool = True
) -> bool:
    """Whether it came to its place: False where nobody reads standard output any more. `follow` as `write_atomic`.
    Raises UserError."""
    if material.state.info is None:
        raise UserError("The run has not begun: there is nothing to write.")
    if wanted.folder:
        if wanted.place == STDOUT:
            raise UserError("ATIF is a file a task: name a folder, not -.")
        files = html_folder(material) if wanted.kind == "html" else atif_files(material)
        write_folder(Path(wanted.place), files, overwrite=overwrite, follow=follow)
        return True
    text = _text(wanted, material)
    if wanted.place != STDOUT:
        write_export(Path(wanted.place), text, overwrite=overwrite, follow=follow)
        return True
    out = Writer(sys.stdout)
    for part in [text] if isinstance(text, str) else text:
        out.write(part)
    out.flush()
    return not out.broken


def _text(wanted: ReportRequest, m: Material) -> str | Iterator[str]:
    match wanted.kind:
        case "html":
            return html_file(m)
        case "predictions" if m.state.info is not None and m.state.info.compared:
            raise UserError(NOTHING_CHOSEN)
        case "predictions":
            return predictions_object(m) if wanted.place.endswith(".json") else predictions_lines(m)
        case "md" | "csv" | "json" | "junit":
            return export(wanted.kind, m.state, m.now, m.title, m.comparison)
        case "atif":
            raise ValueError("is a folder")
