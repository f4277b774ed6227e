"""A run as a text for others: Markdown to read, CSV for a spreadsheet, JSON for a program, JUnit for a CI system."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from agentbatch.config.reports import ReportKind
from agentbatch.display.reports.exports.csv import export_csv
from agentbatch.display.reports.exports.junit import export_junit
from agentbatch.display.reports.exports.markdown import export_markdown
from agentbatch.errors import UserError
from agentbatch.files import as_json, write_atomic
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.document import results_document
from agentbatch.text import clip

ExportKind = Literal["md", "csv", "json", "junit"]

ENDINGS: dict[ReportKind, str] = {
    "md": "-export.md",
    "csv": "-export.csv",
    "json": "-export.json",
    "junit": "-junit.xml",
    "html": ".html",
    "atif": "-trajectories",
    "predictions": "-predictions.jsonl",
}
"""Of the names that files, and one folder, have when nobody says."""


def export(
    kind: ExportKind, state: RunState, now: float, title: str = "", comparison: Sequence[ComparisonRow] = ()
) -> str:
    """The run as a text. Pure.

    `state` is whole (no outline). `now`: epoch second of its end, or of its latest event. `title` names a run that has
    no id, like a file's name. Raises UserError for a run that has not begun.
    """
    if state.info is None:
        raise UserError("The run has not begun: there is nothing to write.")
    if kind == "md":
        return export_markdown(state, now, title, comparison)
    if kind == "csv":
        return export_csv(state, now)
    if kind == "junit":
        return export_junit(state, now, title)
    return as_json(results_document(state, comparison, now)) + "\n"


def export_name(name: str, kind: ReportKind) -> str:
    """What it is called when nobody says: after the run or the results file."""
    stem = name.removesuffix(".json")
    safe = "".join(character if character.isalnum() or character in "-_." else "-" for character in stem)
    return f"{safe.lstrip('.-')[:100] or 'run'}{ENDINGS[kind]}"


def write_export(
    path: Path, text: str | Iterable[str], *, overwrite: bool = False, follow: bool = True
) -> None:
    """`follow` as `write_atomic`. Raises UserError when the file is there already and nobody said `overwrite`, or when
    it cannot be written."""
    shown = clip(str(path), 300)
    with _told(shown):
        if path.is_dir():
            raise UserError(f"{shown} is a folder; name a file.")
        if path.exists() and not path.is_file():
            raise UserError(f"{shown} is a device or a pipe; name a file.")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise UserError(f"{shown} exists already; nothing was written over it.")
        write_atomic(path, text, follow=follow)


def write_folder(
    folder: Path,
    files: Iterable[tuple[str, str | Iterable[str]]],
    *,
    overwrite: bool,
    follow: bool,
) -> None:
    """`files`: by their names in the folder, ours alone. Raises as `write_export`, also for a folder that holds
    anything."""
    shown = clip(str(folder), 300)
    with _told(shown):
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{shown} is a file; name a folder.")
        if not overwrite and folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{shown} holds something already; nothing was written into it.")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files:
            write_atomic(folder / name, text, follow=follow)


@contextmanager
def _told(shown: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        cause = (error.strerror if isinstance(error, OSError) else None) or error
        raise UserError(f"{shown} cannot be written: {cause}.") from None
