"""`agentbatch cache` as a user types it."""

import json
import re
from pathlib import Path

import pytest

from agentbatch.cli.main import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    for name in ("CODER_API_KEY", "OPENAI_API_KEY", "CODER_ENDPOINT", "CODER_MODEL"):
        monkeypatch.delenv(name, raising=False)


def _fill() -> None:
    Path("in.jsonl").write_text(
        '{"id": "a", "prompt": "What is 1 + 2?"}\n{"id": "b", "prompt": "What is 3 + 4?"}\n'
    )
    assert main(["requests", "run", "in.jsonl", "-o", "out.jsonl", "--cache", "--quiet"]) == 0


def test_nothing_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out.startswith("No answers are kept in ")
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "0 answers forgotten.\n"


def test_what_a_batch_kept_is_listed_and_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    _fill()
    capsys.readouterr()
    assert main(["cache", "list", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["answers"] == 2
    assert main(["cache", "list"]) == 0
    table = capsys.readouterr().out.splitlines()[:2]
    assert table[0].split() == ["model", "answers", "tokens", "cost", "oldest"]
    assert all(len(line) <= 80 for line in table)
    assert main(["cache", "clear", "--older-than", "1h"]) == 0
    assert capsys.readouterr().out == "0 answers forgotten.\n"
    assert main(["cache", "clear", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"forgotten": 2}
    assert main(["cache", "list"]) == 0
    assert "No answers are kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--older-than", "7d"], "--older-than goes with `cache clear`"),
        (["clear", "--older-than", "soon"], "must be an age such as 30m, 12h, 7d or 2w, not 'soon'"),
    ],
)
def test_slips_of_the_hand(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["cache", *words])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    assert told in re.sub(r"\s+", " ", capsys.readouterr().err)
