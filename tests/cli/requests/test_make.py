"""`agentbatch requests make` as a user types it."""

import json
from pathlib import Path

import pytest

from agentbatch.cli.main import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.md").write_text("Write a {{ kind }}.\n")


def test_lines_are_written_and_never_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["requests", "make", "q.md", "-o", "in.jsonl", "--set", "kind=noun,verb"]
    assert main(words) == 0
    assert capsys.readouterr().err == "in.jsonl: 2 requests\n"
    before = Path("in.jsonl").read_text()
    assert [json.loads(line)["id"] for line in before.splitlines()] == ["noun", "verb"]
    assert main([*words, "--count", "2"]) == 2
    assert "in.jsonl exists already" in capsys.readouterr().err
    assert Path("in.jsonl").read_text() == before
    assert main([*words, "--count", "2", "--force"]) == 0
    assert len(Path("in.jsonl").read_text().splitlines()) == 4


def test_nothing_is_left_of_what_could_not_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.jsonl").write_text("old\n")
    words = ["requests", "make", "q.md", "-o", "in.jsonl", "--set", "kind=a,b", "--id", "x", "--force"]
    assert main(words) == 2
    assert "request 1 has the id 'x' already" in capsys.readouterr().err
    assert Path("in.jsonl").read_text() == "old\n"
    assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl", "q.md"]


def test_standard_output_and_flags_over_the_templates_settings(capsys: pytest.CaptureFixture[str]) -> None:
    Path("q.md").write_text("+++\nmodel = 'a'\ntemperature = 1\n+++\nSay {{ word }}")
    Path("words.jsonl").write_text('{"word": "hi"}\n')
    assert main(["requests", "make", "q.md", "-o", "-", "--rows", "words.jsonl", "--model", "b"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "id": "1",
        "prompt": "Say hi",
        "model": "b",
        "temperature": 1.0,
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "kind=a"], "Say where the requests go"),
        (
            ["-o", "x", "--set", "kind=a", "--count", "0"],
            "--count: must be a whole number from 1 on, not '0'.",
        ),
        (
            ["-o", "x", "--set", "kind=a", "--temperature", "hot"],
            "--temperature: must be a number, not 'hot'.",
        ),
        (["-o", "x", "--set", "kind=a", "--set", "kind=b"], "--set kind: there are values for kind already."),
        (["-o", "x", "--rows", "none.csv"], "none.csv cannot be read: No such file"),
    ],
)
def test_wrong_words_are_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["requests", "make", "q.md", *words]) == 2
    assert told in capsys.readouterr().err
    assert not Path("x").exists()
