"""`agentbatch compare`: what it refuses, and which run others take for it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cli.main import main
from agentbatch.cli.runs.choice import latest_of
from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.runs.kind import retry_command
from agentbatch.tasks.run.prepare.prepare import prepare
from tests.runs import stored_runs
from tests.support.bake_offs import compared


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "compare: say what: --models gpt-5-mini,gpt-5, or --coders builtin,codex."),
        (["--models", " , "], "compare: say what"),
        (["--models", "a,b,a"], "--models: names a twice"),
        (["--models", ",".join(map(str, range(21)))], "--models: must be at most 20 names"),
        (["--models", "a", "--apply"], "--apply: a comparison brings no work back. Leave it out."),
        (
            ["--models", "a", "--stop-at", "first"],
            "--stop-at: every attempt of a comparison comes to its own end.",
        ),
        (["--models", "a", "--coder-model", "b"], "--coder-model: --models names the coders' models."),
        (["--coders", "builtin", "--coder", "b"], "--coder: --coders names them. Leave it out."),
        (["--coders", "nobody"], "--coders: there is no coder 'nobody'; there are builtin,"),
        (
            ["--coders", "a,b,c", "--models", "1,2,3,4,5,6,7"],
            "compare: 21 coders with models; at most 20 can",
        ),
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


@pytest.mark.parametrize(
    ("task", "flags", "said"),
    [
        ({"depends_on": ["u"]}, {}, "these depend on others: t. Leave them out with --filter."),
        ({}, {"retry_failed": True}, "would favour a model"),
        ({}, {"force": True}, "would favour a model"),
        ({}, {"local": "m.gguf"}, "--local serves one model"),
    ],
)
def test_what_has_no_meaning_wherever_it_was_set(
    task: dict[str, Any], flags: dict[str, Any], said: str, tmp_path: Path
) -> None:
    tasks = [{"id": name, "dir": name, "first_prompt": "Do it."} for name in ("t", "u")]
    tasks[0] |= task
    (tmp_path / "task.json").write_text(json.dumps({"tasks": tasks}))
    settings = load_settings({"models": "a,b", **flags}, {}, folder=tmp_path)
    with pytest.raises(UserError, match=said):
        prepare(settings, folder=tmp_path, environ={})


def test_what_a_model_did_not_solve_is_not_offered_again() -> None:
    state = compared(("a",), [[[False]]])
    state.put(state.tasks["t0"].model_copy(update={"status": "error"}))
    assert retry_command(state) == ""


async def test_resume_of_other_runs_passes_a_comparison_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(tmp_path / "task.json")
    plain = await stored_runs.finished(tmp_path, task_file=file)
    later = stored_runs.NEW_YEAR + timedelta(days=1)
    await stored_runs.finished(tmp_path, later, task_file=file, settings={"models": ["a", "b"]})
    found = latest_of("tasks", Path("task.json"))
    assert found is not None
    assert found.path == plain.path
