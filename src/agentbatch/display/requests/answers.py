"""The answers of a batch of plain requests as a table: CSV for spreadsheets, Markdown for people. Pure."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agentbatch.display.reports.exports.csv import text_cell
from agentbatch.display.reports.exports.markdown import plain
from agentbatch.text import harmless_line

COLUMNS = ("id", "ok", "answer", "error", "input_tokens", "output_tokens")


class Answer(NamedTuple):
    """A line of OUT.jsonl, read."""

    id: str
    ok: bool
    text: str
    error: str
    input: int | None
    output: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Answer":
        """`row`: one that succeeded with its `answer` and `ok` beside it."""
        body = _member(_member(row, "response"), "body")
        usage, error = _member(body, "usage"), row.get("error")
        why = _member(row, "error").get("message") if isinstance(error, dict) else error
        return cls(
            str(row.get("custom_id", "")),
            row.get("ok") is True,
            str(row.get("answer", "")),
            "" if row.get("ok") is True else str(why or _member(body, "error").get("message") or "failed"),
            _count(usage, "prompt_tokens", "input_tokens"),
            _count(usage, "completion_tokens", "output_tokens"),
        )


def answers_csv(answers: Iterable[Answer]) -> Iterator[str]:
    """With the line ends that an answer has: spreadsheets show them in one cell."""
    yield _line(COLUMNS)
    for one in answers:
        yield _line(
            (
                text_cell(one.id),
                "yes" if one.ok else "no",
                _cell(one.text),
                text_cell(one.error),
                "" if one.input is None else str(one.input),
                "" if one.output is None else str(one.output),
            )
        )


def answers_markdown(answers: Iterable[Answer]) -> Iterator[str]:
    yield "| id | answer |\n| --- | --- |\n"
    for one in answers:
        shown = "<br>".join(plain(line) for line in one.text.splitlines() if line.strip())
        yield f"| {plain(one.id, 80)} | {shown if one.ok else f'**failed:** {plain(one.error)}'} |\n"


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _cell(text: str) -> str:
    """As `text_cell`, whole and with its lines."""
    lines = "\n".join(map(harmless_line, text.splitlines()))
    return f"'{lines}" if lines and text_cell(lines[:1] + "x").startswith("'") else lines


def _member(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    return next((usage[name] for name in names if type(usage.get(name)) is int), None)
