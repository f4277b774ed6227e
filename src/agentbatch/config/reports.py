"""Reports that are asked for by name: their kinds, and what `[KIND=]PATH` means. Pure."""

import re
from pathlib import PurePath
from typing import Literal, NamedTuple, get_args

ReportKind = Literal["html", "junit", "md", "csv", "json", "atif", "predictions"]

REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

STDOUT = "-"
"""The place of a report that is printed."""

_BY_ENDING: dict[str, ReportKind] = {
    ".html": "html",
    ".htm": "html",
    ".xml": "junit",
    ".md": "md",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "predictions",
}


class ReportRequest(NamedTuple):
    """A report that somebody asked for."""

    kind: ReportKind
    place: str

    @property
    def folder(self) -> bool:
        """It is written as the files of a folder."""
        page = self.place == STDOUT or self.place.lower().endswith((".html", ".htm"))
        return self.kind == "atif" or (self.kind == "html" and not page)


def parse_report(text: str) -> ReportRequest:
    """Of `report.html`, whose ending says what it is, or `html=FOLDER`. Raises ValueError."""
    for kind in REPORT_KINDS:
        if text.startswith(f"{kind}=") and len(text) > len(kind) + 1:
            return ReportRequest(kind, text[len(kind) + 1 :])
    by_ending = _BY_ENDING.get(PurePath(text).suffix.lower())
    if by_ending is None:
        raise ValueError(
            f"{text!r:.80} is no report: name a file that ends in {', '.join(_BY_ENDING)}, or say what it is, "
            f"like html=FOLDER ({', '.join(REPORT_KINDS)})"
        )
    return ReportRequest(by_ending, text)


def read_share(text: str) -> float:
    """Percent: of `90%` or `90`, 90.0. Raises ValueError."""
    found = re.fullmatch(r"(100|\d{1,2}(?:\.\d{1,6})?)%?", text.strip())
    if found is None:
        raise ValueError("must be a part of all tasks like 90%")
    return float(found[1])
