"""Answers of a batch as a table."""

import csv
import io
from typing import Any

from agentbatch.display.requests.answers import Answer, answers_csv, answers_markdown


def row(name: str, answer: str = "", **more: Any) -> dict[str, Any]:
    body = {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    response = {"status_code": 200, "body": body}
    return {"custom_id": name, "response": response, "error": None, "answer": answer, "ok": True, **more}


ROWS = [
    row("a", "one\n  two, | three"),
    row("=cmd()", '=HYPERLINK("http://x")'),
    row("b\x1b[2J", "\x1b]0;t\x07red"),
    row("c", ok=False, response=None, error={"code": "timeout", "message": "It took too long."}),
    row("d", ok=False, response={"status_code": 400, "body": {"error": {"message": "no | such model"}}}),
    row("e", ok=False, response="?", error="odd"),
]


def test_csv_keeps_lines_and_computes_nothing() -> None:
    text = "".join(answers_csv(map(Answer.of, ROWS)))
    head, *lines = csv.reader(io.StringIO(text))
    assert head == ["id", "ok", "answer", "error", "input_tokens", "output_tokens"]
    assert lines == [
        ["a", "yes", "one\n  two, | three", "", "3", "2"],
        ["'=cmd()", "yes", '\'=HYPERLINK("http://x")', "", "3", "2"],
        ["b", "yes", "red", "", "3", "2"],
        ["c", "no", "", "It took too long.", "", ""],
        ["d", "no", "", "no | such model", "", ""],
        ["e", "no", "", "odd", "", ""],
    ]


def test_markdown_is_a_table_whatever_is_in_it() -> None:
    lines = "".join(answers_markdown(map(Answer.of, ROWS))).splitlines()
    assert lines[:3] == ["| id | answer |", "| --- | --- |", "| a | one<br>two, \\| three |"]
    assert lines[5] == "| c | **failed:** It took too long. |"
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
