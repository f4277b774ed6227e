"""What the commands that show tasks make of a batch of plain requests."""

import json
from pathlib import Path

import pytest

from agentbatch.dashboard.page_files import installed
from tests.runs.requests_run import requests_run
from tests.support import commands
from tests.support.request_batches import ended, endpoint, environ_of, said, the_run, under_way, write_input
from tests.support.waiting import until


@pytest.mark.parametrize(
    "words",
    [
        "results {run}",
        pytest.param("results --plain {run}", marks=pytest.mark.slow),
        pytest.param("results --export md", marks=pytest.mark.slow),
        pytest.param("results --export csv {run}", marks=pytest.mark.slow),
        "results --export json {run} -o report.json",
        "results --compare {run} {run}",
        pytest.param(
            "dashboard --port 0 {run}",
            marks=pytest.mark.skipif(not installed(), reason="needs the extra `dashboard`"),
        ),
    ],
)
async def test_one_sentence_names_what_shows_it(tmp_path: Path, words: str) -> None:
    run = await requests_run(tmp_path)
    code, out, err = await said(tmp_path, *words.format(run=run.run_id).split())
    assert (code, out) == (2, "")
    assert f"The run {run.run_id} is a batch of plain requests" in err
    for command in ("status", "logs -f"):
        assert f"`agentbatch {command} {run.run_id}`" in err
    assert not (tmp_path / "report.json").exists()


async def test_it_stands_in_the_lists(tmp_path: Path) -> None:
    run = await requests_run(tmp_path)
    for words in (("results",), ("results", "--plain"), ("runs",)):
        code, out, _ = await said(tmp_path, *words)
        assert (code, run.run_id in out, "3/5" in out, "plain requests" in out) == (0, True, True, True)
    (listed,) = json.loads((await said(tmp_path, "runs", "--json"))[1])["runs"]
    assert (listed["tasks"], listed["requests"]) == ({"total": 0, "completed": 0}, {"total": 5, "ok": 3})


async def test_attach_needs_a_terminal_and_names_what_does_without(tmp_path: Path) -> None:
    run = await requests_run(tmp_path)
    code, _, err = await said(tmp_path, "attach")
    assert (code, f"agentbatch watch --plain {run.run_id}" in err) == (2, True)


@pytest.mark.slow
async def test_watch_follows_it_in_lines(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with (
        endpoint(latency=3.0) as server,
        under_way(tmp_path, server, "in.jsonl", "-o", "out.jsonl", sent=5) as process,
    ):
        watching = commands.start("watch", cwd=tmp_path, env=environ_of(tmp_path, None))
        await until(lambda: "plain requests: " in watching.said() or watching.returncode is not None)
        server.latency = 0.01
        await ended(process)
        code, out, _ = await ended(watching)
    assert code == 0
    assert f"Run {the_run(tmp_path)}: running" in out
    assert out.count("200 plain requests: ") == 2  # before and after
    assert "✓ 200 ok" in out


async def test_a_run_is_pruned_with_its_journal(tmp_path: Path) -> None:
    over = await requests_run(tmp_path, ok=5, failed=0)
    left = await requests_run(tmp_path, ok=3, failed=1)
    code, _, err = await said(tmp_path, "prune", "--keep", "0", "--yes")
    assert code == 0, err
    assert (over.path.exists(), left.path.exists()) == (False, True)  # it could go on
    assert (await said(tmp_path, "prune", "--keep", "0", "--all", "--yes"))[0] == 0
    assert not left.path.exists()
