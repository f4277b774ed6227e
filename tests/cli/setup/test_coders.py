"""`agentbatch coders`, and a small task through one of them."""

import json
import sys
from pathlib import Path

import pytest

from agentbatch.cli.main import main
from agentbatch.cli.setup.coders import CoderStatus, column_widths, head, lines
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from tests.support.acp import AGENT

MINE = """
[mine]
protocol = "acp"
command = {command}
version = {version}
gateway = false
"""
FIZZBUZZ = "def fizzbuzz(n): return ['FizzBuzz']"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a coder of the user's."""
    script = tmp_path / "script.json"
    script.write_text(
        json.dumps({"turns": [[{"run": f'echo "{FIZZBUZZ}" > fizzbuzz.py'}, {"say": "Done."}]]})
    )
    command = json.dumps([sys.executable, "-I", "-S", str(AGENT), str(script)])
    version = json.dumps([sys.executable, "-I", "-S", "-c", "print('mine 4.2')"])
    project = tmp_path / "project"
    (project / "agents").mkdir(parents=True)
    (project / "agents" / "coders.toml").write_text(MINE.format(command=command, version=version))
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "CODER_API_KEY", "EVALUATION_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return project


def test_what_is_known_of_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coders", "mine", "--json", "--sandbox", "none"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["installed"], found["version"], found["speaks"], found["own"]) == (True, "4.2", True, True)
    assert found["problem"] is None
    assert not (folder / ".agentbatch").exists()


def test_one_that_there_is_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coders", "codexx"]) == 2
    assert "coders: there is no coder 'codexx'; did you mean 'codex'?" in capsys.readouterr().err


def test_the_list() -> None:
    codex = CoderEntry(name="codex", protocol="command", command=("codex",), install="npm install -g codex")
    mine = CoderEntry(name="mine", protocol="acp", command=("m",), own=True)
    widths = column_widths([codex, mine])
    there, problem = lines(CoderStatus(mine, "/bin/m", "1.0", False, "It\x1b[31m ended."), widths)
    assert [head(widths), *lines(CoderStatus(codex, None), widths), there] == [
        "coder protocol version    speaks from       program",
        "codex command                    agentbatch not installed: npm install -g codex",
        "mine  acp      1.0        no     yours      /bin/m",
    ]
    assert lines(CoderStatus(codex, None), widths, 60) == [
        "codex command                    agentbatch",
        "  not installed: npm install -g codex",
    ]
    assert problem.startswith("  It")
    assert "\x1b" not in problem


@pytest.mark.slow
def test_a_small_task_through_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--coder", "mine", "--sandbox", "none"])
    out = capsys.readouterr().out
    assert "coder mine" in out
    assert "a small task completed: 1 iteration" in " ".join(out.split())
    assert not (folder / ".agentbatch").exists()
