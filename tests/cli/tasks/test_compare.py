"""`agentbatch compare`: what it refuses, and which run others take for it."""

from pathlib import Path

import pytest

from agentbatch.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "compare: say which models: --models gpt-5-mini,gpt-5."),
        (["--models", " , "], "compare: say which models"),
        (["--models", "a,b,a"], "--models: names a twice"),
        (["--models", ",".join(map(str, range(21)))], "--models: must be at most 20 models"),
        (["--models", "a", "--apply"], "--apply: a comparison brings no work back. Leave it out."),
        (
            ["--models", "a", "--stop-at", "first"],
            "--stop-at: every attempt of a comparison comes to its own end.",
        ),
        (["--models", "a", "--coder-model", "b"], "--coder-model: --models names the coders' models."),
        (["--models", "a", "--resume"], "--resume: `agentbatch resume` goes on with a comparison."),
        (["--models", "a", "--retry-failed"], "--retry-failed: what was not solved counts"),
        (["--models", "a", "--attempts", "0"], "--attempts"),
        (["--models", "a", "--aply"], "There is no option --aply; did you mean --apply?"),
        (
            ["--run", "x", "--parallel", "2"],
            "compare: --run shows an earlier comparison, and takes nothing else.",
        ),
        (["--run", "x"], "There are no runs"),
        (["--models", "gpt-5"], "No key is set, and without one --models takes rehearsal-coder"),
    ],
)
def test_what_it_refuses(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.json").write_text('{"tasks": [{"id": "t", "dir": "t", "first_prompt": "Do it."}]}')
    assert main(["compare", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / ".agentbatch/runs").exists()
