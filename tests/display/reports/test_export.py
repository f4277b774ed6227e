import csv
import io
import json
from pathlib import Path
from typing import get_args

import pytest

from agentbatch.display.reports.exports.csv import text_cell
from agentbatch.display.reports.exports.export import ExportKind, export, export_name, write_export
from agentbatch.display.reports.exports.markdown import plain
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.to_state import state_of
from tests.runs.finished_run import a_finished_run
from tests.support.results_files import OLD, shown
from tests.support.run_events import NOON

ROWS = [ComparisonRow("nobody-knows", None, None, None), ComparisonRow("gpt-9", 0.02, 0.04, 0.06)]


def test_the_whole_report() -> None:
    assert export("md", a_finished_run(), NOON + 100, comparison=ROWS).splitlines() == [
        "# 20270115-120000-ab12",
        "",
        "- tasks: 4: 1 completed, 1 error, 1 timeout, 1 skipped",
        "- success rate: 25%",
        "- time: 1:40",
        "- tokens: ≈39,300 (≈37,400 in, ≈1,900 out)",
        "- cost: –",
        "- coder: m-coder",
        "- evaluator: m-judge",
        "- mode: parallel, 3 at a time",
        "- as of 2027-01-15 12:01",
        "",
        "## Causes of errors",
        "",
        "- 1 x model_error: HTTP 500 (request 8f3a11): try again (task 2)",
        "- 1 x max_iterations: one test fails (task 3)",
        "- 1 x dependency_failed: what it depends on is not completed (task 4)",
        "",
        "## Tasks",
        "",
        "| # | task | status | why | iterations | time | tokens | cost |",
        "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: |",
        "| 1 | parser | completed | accepted | 2/5 | 0:20 | 13,580 | $0.0350 |",
        "| 2 | csv | error | HTTP 500 (request 8f3a11): try again | 1/5 | 0:30 | ≈13,120 | – |",
        "| 3 | primes | timeout | one test fails | 1/5 | 1:00 | 12,600 | $0.0300 |",
        "| 4 | docs | skipped | what it depends on is not completed | 0/5 | 0:00 | 0 | $0.00 |",
        "",
        "## Verdicts",
        "",
        "### 1. parser",
        "",
        "- iteration 1: not accepted",
        "  - one requirement is not met",
        "  - missing: times are not parsed",
        "- iteration 2: accepted",
        "",
        "### 3. primes",
        "",
        "- iteration 1: not accepted, by verify",
        "  - pytest -q: exit 1",
        "- changed tests or protected files: tests/test_primes.py",
        "",
        "## Cost",
        "",
        "| role | model | input | cached | output | reasoning | calls | cost |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| coder | m-coder | 36,000 | 27,000 | 1,800 | 300 | 3 | $0.0900 |",
        "| evaluator | m-judge | 900 | 0 | 80 | 0 | 1 | $0.0050 |",
        "| coder | m-big | ≈500 | 0 | ≈20 | 0 | 1 | – |",
        "| **total** |  | ≈37,400 | ≈27,000 | ≈1,900 | ≈300 | 5 | **–** |",
        "",
        "72% of the input came from the prompt cache.",
        "",
        "≈ some figures are estimates: calls were cut short, the endpoint reported none, or an agent told them.",
        "",
        "## What these tokens would cost elsewhere",
        "",
        "| model | input | output | total |",
        "| --- | ---: | ---: | ---: |",
        "| gpt-9 | $0.0200 | $0.0400 | $0.0600 |",
        "| nobody-knows | – | – | – |",
    ]


def test_a_report_tells_of_checks_and_of_quotes_with_their_place() -> None:
    state = a_finished_run()
    quote = {"ref": "C2", "quote": "8 | 9", "where": "command, exit 0: python3 prog.py"}
    requirements = [{"text": "it prints", "met": True, "evidence": [quote]}]
    checks = [
        e.CheckLine(kind="sound", command="the form of the changed files", passed=True),
        e.CheckLine(
            kind="own",
            command="./check",
            passed=False,
            requirement="it adds",
            note="Found wrong.",
            said="3 | 4",
        ),
    ]
    at = {"task_id": "parser", "iteration": 3, "decision": "done", "checks": checks}
    by_judge = e.VerdictReached(accepted=True, verdict={"requirements": requirements}, **at)
    state.apply(by_judge)
    state.apply(e.VerdictReached(accepted=False, verdict=None, decided_by="checks", **at))
    report = export("md", state, NOON + 100)
    assert (
        """- iteration 3: accepted by a command's output
  - checks: form passed; evaluator's check failed
  - failed evaluator's check: it adds (Found wrong.)
    - it printed: 3 \\| 4
  - met: it prints: "8 \\| 9" \\[C2\\] command, exit 0: python3 prog.py
- iteration 3: not accepted, by a check
  - checks: form passed; evaluator's check failed
  - failed evaluator's check: it adds (Found wrong.)
    - it printed: 3 \\| 4

"""
        in report
    )
    (row,) = [row for row in export("csv", state, NOON + 100).splitlines() if row.startswith("1,parser,")]
    assert ",checks,form passed; evaluator's check failed," in row


def test_a_report_of_an_old_file_claims_nothing_that_the_file_does_not_tell() -> None:
    report = export("md", state_of(OLD), NOON + 60, "batch_results.json")
    assert report.startswith("# batch_results.json\n")
    assert "$" not in report
    assert "coder" not in report
    assert "| 3 | c-" in report
    assert " 3/– | 1:00 | 500 | – |" in report
    assert "| – | – | 1,200 | 0 | 300 | 0 | 6 | – |" in report
    assert "- it is there" in report  # the last evaluation stands in for verdicts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("![x](http://evil/pixel.png)", r"\!\[x\](http://evil/pixel.png)"),
        ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert(1)\>"),
        ("**bold** `code` ~~gone~~ _it_", r"\*\*bold\*\* \`code\` \~\~gone\~\~ \_it\_"),
        ("src/some_file_name.py", "src/some_file_name.py"),
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("12. no list", r"12\. no list"),
        ("one\n\n## two", r"one \#\# two"),
        ("\x1b[31mred\x1b[0m\u202e", "red"),
        ("&lt;", r"\&lt;"),
        ("\\", "\\\\"),
    ],
)
def test_foreign_text_is_no_markdown(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_a_row_a_task() -> None:
    rows = list(csv.DictReader(io.StringIO(export("csv", a_finished_run(), NOON + 100))))
    assert [row["id"] for row in rows] == ["parser", "csv", "primes", "docs"]
    first, second, third, last = rows
    assert (first["task"], first["status"], first["iterations"], first["max_iterations"]) == (
        "1",
        "completed",
        "2",
        "5",
    )
    assert (first["seconds"], first["cost_usd"], first["input_tokens"]) == ("20.000", "0.035000", "12900")
    assert (second["cost_usd"], second["estimated"]) == ("", "yes")  # unknown is empty, never 0
    assert second["error"] == "HTTP 500 (request 8f3a11): try again"
    assert (third["missing"], third["tampering"]) == ("pytest -q: exit 1", "tests/test_primes.py")
    assert (last["cost_usd"], last["reason"]) == ("0.000000", "dependency_failed")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n@", " =", "＝", "\x00=", "\u200b=", "|"])
def test_no_cell_is_a_formula(start: str) -> None:
    run = a_finished_run()
    hostile = f'{start}HYPERLINK("http://evil","x")'
    run.put(run.tasks["csv"].model_copy(update={"error": hostile, "dir": hostile, "branch": hostile}))
    (row,) = [
        row
        for row in csv.DictReader(io.StringIO(export("csv", run, NOON)))
        if row["id"] == "csv"
    ]  # fmt: skip
    for name in ("error", "dir", "branch"):
        assert row[name].startswith("'")
        assert row[name].endswith('HYPERLINK("http://evil","x")')


def test_text_that_is_no_formula_stays_as_it_is() -> None:
    assert text_cell('a "quoted", = b') == 'a "quoted", = b'
    assert text_cell("two\nlines") == "two lines"
    assert len(text_cell("x" * 100_000)) == 2_000


def test_json_is_the_results_document() -> None:
    run = a_finished_run()
    assert shown(state_of(json.loads(export("json", run, NOON + 100)))) == shown(run)


@pytest.mark.parametrize("kind", get_args(ExportKind))
def test_a_run_that_has_not_begun_is_no_export(kind: str) -> None:
    with pytest.raises(UserError, match="has not begun"):
        export(kind, RunState(), 0.0)  # type: ignore[arg-type]


def test_a_file_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.md"
    write_export(path, "one")
    with pytest.raises(UserError, match="exists already"):
        write_export(path, "two")
    assert path.read_text(encoding="utf-8") == "one"
    write_export(path, "two", overwrite=True)
    assert path.read_text(encoding="utf-8") == "two"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    for path, problem in (
        (tmp_path, "is a folder"),
        (Path("/dev/null"), "is a device or a pipe"),
        (tmp_path / "file" / "x", "cannot be written"),
        (tmp_path / "gone", "exists already"),
        (Path("a\0b"), "cannot be written"),
    ):
        with pytest.raises(UserError, match=problem):
            write_export(path, "x")


def test_the_offered_name_is_one_for_a_file() -> None:
    assert export_name("20270115-120000-ab12", "md") == "20270115-120000-ab12-export.md"
    assert export_name("batch_results.json", "csv") == "batch_results-export.csv"
    assert export_name("../../etc/x\x1b", "json") == "etc-x--export.json"
    assert export_name("...", "md") == "run-export.md"
    assert export_name("r1", "atif") == "r1-trajectories"
