import csv
import io
import json
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.cli.tasks import results
from agentbatch.errors import UserError
from tests.runs.stored_runs import begin, end, finished, interrupted, work
from tests.support.results_files import OLD
from tests.support.subcommand import run_command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_old(path: Path) -> Path:
    path.write_text(json.dumps(OLD), encoding="utf-8")
    return path


async def test_the_list_has_runs_and_results_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await interrupted(tmp_path, datetime(2026, 1, 1))
    broken = await finished(tmp_path, datetime(2026, 2, 1))
    broken.database.write_bytes(b"nothing")
    write_old(tmp_path / "batch_results.json")
    (tmp_path / "search_results.json").write_text('{"hits": []}', encoding="utf-8")
    (tmp_path / "test_results.json").write_text("{", encoding="utf-8")
    assert run_command(results) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines() if line] == [
        ["run", "condition"],
        [first.run_id, "interrupted"],
        [f"{broken.run_id}:", "run.db"],
        ["results", "file"],
        ["batch_results.json", "finished"],
        ["test_results.json:", "not"],
    ]
    assert "  1/3    –" in out  # the price is unknown, not $0


def test_an_empty_folder_says_how_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(results) == 0
    out = capsys.readouterr().out
    assert "There are no runs" in out
    assert "`agentbatch` starts a run" in out


async def test_the_summary_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = await interrupted(tmp_path)
    assert run_command(results, run.run_id[:8], "--plain") == 0
    out = capsys.readouterr().out
    assert f"Summary of run {run.run_id}" in out
    assert f"Log          {run.log}" in out
    assert out.rstrip().endswith(f"Resume with  agentbatch resume {run.run_id}")
    assert "What these tokens would cost elsewhere" in out


async def test_a_run_under_way_has_its_time_and_no_command_that_it_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = begin(tmp_path)
    work(store, "t0")
    end(store, "t0", status="error", reason="blocked")
    store.flush()
    assert run_command(results, store.folder.run_id, "--plain") == 0
    out = capsys.readouterr().out
    await store.close()
    assert "2 not finished" in out
    assert "agentbatch resume" not in out


def test_the_summary_of_an_old_file_claims_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_old(tmp_path / "old.json")
    assert run_command(results, str(path)) == 0
    out = capsys.readouterr().out
    assert "Summary of run old.json" in out
    assert "  3 tasks: 1 completed, 1 failed, 1 timed out" in out
    assert "  total         1,200         0       300         0      6         –" in out
    assert "  1/–    0:20" in out
    assert "1 x error: HTTP 500 (task 2)" in out
    for claim in ("  coder", "Log", "Transcripts", "Resume", "Retry", "$0.00 "):
        assert claim not in out


async def test_a_file_of_a_run_that_lies_here_still_tells_its_log_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await interrupted(tmp_path)
    run_command(results, run.run_id, "--export", "json", "-o", "mine.json")
    capsys.readouterr()
    assert run_command(results, "mine.json") == 0
    out = capsys.readouterr().out
    assert f"Log          {run.log}" in out
    assert f"agentbatch resume {run.run_id}" in out


async def test_exports_go_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = await interrupted(tmp_path)
    assert run_command(results, "--export", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["id"], row["status"]) for row in rows] == [
        ("t0", "completed"),
        ("t1", "error"),
        ("t2", "cancelled"),
        ("t3", "cancelled"),
    ]
    assert run_command(results, run.run_id, "--export", "json") == 0
    assert json.loads(capsys.readouterr().out)["run"]["id"] == run.run_id
    assert run_command(results, run.run_id, "--export", "md") == 0
    assert capsys.readouterr().out.startswith(f"# {run.run_id}\n")


async def test_an_export_overwrites_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await interrupted(tmp_path)
    there = tmp_path / "report.md"
    there.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="exists already"):
        run_command(results, "--export", "md", "-o", "report.md")
    assert there.read_text(encoding="utf-8") == "mine"
    assert run_command(results, "--export", "md", "-o", "report.md", "--force") == 0
    assert there.read_text(encoding="utf-8").startswith("# 2026")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Written: report.md\n")


async def test_two_runs_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = await interrupted(tmp_path, datetime(2026, 1, 1))
    second = await finished(tmp_path, datetime(2026, 1, 2), tasks=4)
    assert run_command(results, "--compare", first.run_id, second.run_id) == 0
    out = capsys.readouterr().out
    assert ["completed", "1/4", "4/4", "3", "more"] in [line.split() for line in out.splitlines()]
    assert "Better, completed now (3): t1, t2, t3" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--compare", "a", "b", "--export", "md"), "--compare takes two runs or files"),
        (("-o", "x.md"), "add --export"),
        (("--export", "md", "--force"), "--force goes with -o"),
        (("none.json",), "There is no results file"),
        (("some/where",), "There is no file or run folder"),
        (("20260101",), "There are no runs in this folder"),
    ],
)
def test_mistakes_are_told_in_a_sentence(words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UserError) as caught:
        run_command(results, *words)
    assert problem in str(caught.value)
