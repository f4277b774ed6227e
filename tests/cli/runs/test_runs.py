import json
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.cli.runs import runs
from tests.runs.stored_runs import begin, finished, interrupted
from tests.support.subcommand import run_command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_a_line_a_run_the_newest_first_and_the_unreadable_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await interrupted(tmp_path, datetime(2026, 1, 1))
    broken = await finished(tmp_path, datetime(2026, 2, 1))
    broken.database.write_bytes(b"nothing")
    store = begin(tmp_path, when=datetime(2026, 3, 1))
    assert run_command(runs) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["run", "condition"],
        [store.folder.run_id, "running"],
        [first.run_id, "interrupted"],
        [f"{broken.run_id}:", str(broken.database)],
    ]
    assert "1/4 $0.7500 m-coder, m-judge" in lines[2]
    assert max(map(len, lines[:3])) <= 80
    assert run_command(runs, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    await store.close()
    assert [(run["run"], run["condition"]) for run in document["runs"]] == [
        (store.folder.run_id, "running"),
        (first.run_id, "interrupted"),
    ]
    assert [bad["run"] for bad in document["unreadable"]] == [broken.run_id]


def test_no_runs_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(runs) == 0
    assert "There are no runs in this folder" in capsys.readouterr().out
    assert run_command(runs, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"runs": [], "unreadable": []}
