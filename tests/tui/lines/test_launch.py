"""What the launch screen says of a batch."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.api import PreparedRun
from agentbatch.config import Settings, load_settings
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.text import width
from agentbatch.tui.lines.launch import (
    Earlier,
    Least,
    TaskRow,
    column_widths,
    earlier_line,
    notices,
    plan_line,
    problem_lines,
    row_cells,
    task_rows,
    wrong_field,
)
from agentbatch.tui.reading.launch_check import Place, check

KEY = {"OPENAI_API_KEY": "sk-0123456789abcdef"}


def prepared_of(
    folder: Path, *tasks: dict[str, Any], environ: dict[str, str] = KEY, **flags: Any
) -> PreparedRun:
    (folder / "task.json").write_text(json.dumps({"tasks": [{"first_prompt": "Do it.", **t} for t in tasks]}))
    settings = load_settings({"sandbox": "none", **flags}, environ, folder=folder)
    return prepare(settings, folder=folder, environ=environ)


def test_a_row_tells_what_is_to_be_known_of_a_task(tmp_path: Path) -> None:
    prepared = prepared_of(
        tmp_path,
        {"id": "a", "dir": "here"},
        {"id": "b", "dir": "here/below", "depends_on": ["a"]},
        {"id": "c", "dir": "new", "depends_on": ["a", "b"], "first_prompt": "\n\x1b[31m[bold]Two[/]\nlines"},
        {"id": "d", "dir": "other", "isolation": "copy"},
    )
    assert task_rows(prepared.plan, {"c"}) == [
        TaskRow(1, "a", "here", "shared dir", "Do it."),
        TaskRow(2, "b", "here/below", "shared dir, after a", "Do it."),
        TaskRow(3, "c", "new", "new dir, after a +1", "[bold]Two[/]"),
        TaskRow(4, "d", "other", "in a copy", "Do it."),
    ]


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_rows_fill_their_line_and_no_more(columns: int) -> None:
    rows = [
        TaskRow(1, "a", ".", "", "short"),
        TaskRow(12_000, "n" * 60, "目录" * 30, "new dir, shared dir, after x +3", "写" * 200),
    ]
    widths = column_widths(rows, columns)
    for row in rows:
        head, notes, prompt = row_cells(row, widths, columns)
        assert width(head + notes + prompt) == columns
        assert width(prompt) >= columns // 6
    assert column_widths([], 80).name == 0


def test_the_plan_in_a_line(tmp_path: Path) -> None:
    prepared = prepared_of(
        tmp_path, {"id": "a", "dir": "a"}, {"id": "b", "dir": "b"}, limit="1", mode="serial"
    )
    end = "sandbox none · into batch_results.json"
    assert plan_line(prepared, None) == f"1 task (1 left out) · estimating · {end}"
    assert plan_line(prepared, Least(12_345, 0.0123)).startswith(
        "1 task (1 left out) · at least ≈12.3k tokens, $0.0123 · sandbox"
    )
    assert "tokens, – (no price is known) · " in plan_line(prepared, Least(5, None))
    rehearsed = replace(prepared, settings=load_settings({}, {}, folder=tmp_path))
    assert "1 left out) · costs nothing · " in plan_line(rehearsed, Least(5, None))
    other = replace(prepared, coders=("builtin", "codex"))
    assert plan_line(other, None).startswith("1 task (1 left out) · by builtin, codex · ")


def test_notices_begin_with_the_rehearsal(tmp_path: Path) -> None:
    shared = ({"id": "a", "dir": "x"}, {"id": "b", "dir": "x"})
    told = notices(prepared_of(tmp_path, *shared, environ={}))
    assert told[0].startswith("No key is set, and without one only the sample tasks run")
    assert told[1].startswith("2 tasks share the directory x ")
    assert not any("No key" in text for text in notices(prepared_of(tmp_path, *shared)))
    assert ".env: line 2 is not NAME=value." in notices(
        prepared_of(tmp_path, *shared), [".env: line 2 is not NAME=value."]
    )


def test_what_an_env_file_surely_means_is_on_the_screen(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AGENTBATCH_RMP=30\nnonsense\n")
    (tmp_path / "task.json").write_text('{"tasks": [{"first_prompt": "p", "dir": "a"}]}')
    place = Place(
        Settings(coder_api_key="k", evaluation_api_key="k"), tmp_path, {"OPENAI_KEY": "k", "HOME": "/"}
    )
    notes = check(place, {}).notes
    assert [note.partition(str(tmp_path))[2] or note for note in notes] == [
        "/.env: line 2 is not NAME=value.",
        "/.env: AGENTBATCH_RMP is not read; did you mean AGENTBATCH_RPM?",
        "OPENAI_KEY is set, and is not read; did you mean OPENAI_API_KEY?",
    ]


@pytest.mark.parametrize(
    ("earlier", "line"),
    [
        (Earlier("r1", "interrupted", 2, 5, True), "Run r1 was interrupted: 2 of 5 tasks can go on."),
        (Earlier("r1", "finished", 1, 5, True), "Run r1 finished: 1 of 5 tasks can go on."),
        (Earlier("r1", "died", 1, 1, True), "Run r1 died: 1 of 1 task can go on."),
        (Earlier("r1", "finished", 0, 5, False), ""),
        (
            Earlier("r1", "running", 3, 5, False),
            "Run r1 of this task file is under way: `agentbatch attach r1 --control`.",
        ),
    ],
)
def test_the_run_before(earlier: Earlier, line: str) -> None:
    assert earlier_line(earlier) == line


@pytest.mark.parametrize(
    ("problem", "found"),
    [
        ("--parallel: must be a whole number.", ("parallel", "at a time: must be a whole number.")),
        ("--coder-endpoint: not a URL.", ("coder_endpoint", "coder at: not a URL.")),
        ("--evaluator-model: odd.", ("evaluation_model", "evaluator: odd.")),
        ("/x/task.json: line 1", ("", "/x/task.json: line 1")),
        ("--limit: odd", ("", "--limit: odd")),
    ],
)
def test_a_problem_of_a_field_has_its_label(problem: str, found: tuple[str, str]) -> None:
    assert wrong_field(problem) == found


def test_problems_are_harmless_and_not_endless() -> None:
    assert problem_lines("one\n\n\x1b]0;title\x07two\x1b[2J") == ["one", "two"]
    long = problem_lines("\n".join(f"line {n}" for n in range(100)))
    assert (len(long), long[0], long[1], long[-1]) == (8, "line 0", "–", "line 99")
