"""What a run remembers of its settings, and what a resumption says of others."""

import json
from pathlib import Path
from typing import Any

from agentbatch.config import load_settings
from agentbatch.runs.events import RunStarted
from agentbatch.tasks.run.prepare.recorded_settings import differences, recorded_flags, recorded_settings
from tests.support.keys import KEY
from tests.support.run_events import run_started

ADDRESS = "json://hooks.example.com/token-0123456789"


def settings(tmp_path: Path, **flags: Any) -> dict[str, Any]:
    environ = {"OPENAI_API_KEY": KEY, "AGENTBATCH_NOTIFY": ADDRESS}
    return recorded_settings(load_settings(flags, environ, folder=tmp_path))


def before(recorded: dict[str, Any], digest: str = "p") -> RunStarted:
    """As the database gives it back."""
    info = run_started(settings=recorded, prompts_digest=digest)
    return RunStarted.model_validate_json(info.model_dump_json())


def test_no_key_and_nothing_that_only_one_command_means(tmp_path: Path) -> None:
    found = settings(tmp_path, resume=True, retry_failed=True, force=True, daemon=True, verbose=True)
    text = json.dumps(found)
    assert KEY not in text
    assert "token-0123456789" not in text
    assert len(found["notify"]) == 16  # a digest
    assert not {
        "coder_api_key", "evaluation_api_key", "resume", "retry_failed", "force", "daemon", "dry_run",
        "display", "verbose",
    } & found.keys()  # fmt: skip
    assert {"parallel", "max_cost", "paths", "stale", "coder_endpoint"} <= found.keys()


def test_a_key_in_an_address_is_kept_out_and_known_to_the_redactor(tmp_path: Path) -> None:
    url = "https://gateway.example/v1?api-version=2024-10-21&api-key=gw-0123456789"
    shown = "https://gateway.example/v1?api-version=2024-10-21&api-key=[redacted]"
    flags = {"coder_endpoint": url, "evaluation_base_url": url, "parallel": 2}
    assert "gw-0123456789" not in json.dumps([settings(tmp_path, **flags), recorded_flags(flags)])
    assert recorded_flags(flags) == {"coder_endpoint": shown, "evaluation_base_url": shown, "parallel": 2}
    made = load_settings(flags, {"OPENAI_API_KEY": KEY}, folder=tmp_path)
    assert set(made.secrets) == {KEY, "gw-0123456789"}


def test_the_same_settings_are_no_difference(tmp_path: Path) -> None:
    """Paths, tuples and numbers come back from JSON in another form."""
    given = {
        "tasks": "other/tasks.json", "paths": ("src", "lib"), "max_cost": "1.50", "timeout": "3", "output": "o.json"
    }  # fmt: skip
    recorded = settings(tmp_path, **given)
    assert differences(before(recorded), settings(tmp_path, **given), "p") == []


def test_each_difference_is_named_with_both_values(tmp_path: Path) -> None:
    old = before(settings(tmp_path, parallel="3", paths=("src",), max_cost="2"))
    new = settings(tmp_path, parallel="5", max_tokens="99", coder_name="pi", judge="none")
    assert sorted(differences(old, new, "p")) == [
        "coder builtin -> pi", "evaluator model -> none",
        "max_cost 2.0 -> none", "max_tokens none -> 99", "parallel 3 -> 5", "paths src -> none",
    ]  # fmt: skip


def test_a_setting_that_the_run_did_not_know_is_no_difference(tmp_path: Path) -> None:
    recorded = settings(tmp_path)
    del recorded["max_time"]
    assert differences(before(recorded), settings(tmp_path, max_time="5"), "p") == []


def test_other_prompts_are_told(tmp_path: Path) -> None:
    assert differences(before(settings(tmp_path)), settings(tmp_path), "q") == ["prompts/ changed"]


def test_flags_come_back_as_they_were_given(tmp_path: Path) -> None:
    flags = {
        "parallel": "4", "mode": "parallel", "paths": ["a b", "c"], "stale": True, "output": tmp_path / "o.json",
        "env_file": "keys.env", "max_cost": "2.5", "notify": ADDRESS, "resume": True, "retry_failed": True,
        "force": True, "daemon": True, "dry_run": True, "display": "json", "verbose": True, "limit": None,
    }  # fmt: skip
    found = json.loads(json.dumps(recorded_flags(flags)))
    assert found == {
        "parallel": "4", "mode": "parallel", "paths": ["a b", "c"], "stale": True,
        "output": str(tmp_path / "o.json"), "env_file": "keys.env", "max_cost": "2.5",
    }  # fmt: skip
    again = load_settings({k: v for k, v in found.items() if k != "env_file"}, {}, folder=tmp_path)
    assert (again.parallel, again.paths, again.stale, again.max_cost) == (4, ("a b", "c"), True, 2.5)


def test_what_a_resumption_selects_holds_for_it_alone() -> None:
    """The next goes on with the whole run: `resume --retry-failed` after `resume --filter one` runs all that failed."""
    flags = {"filter": "^one$", "limit": "1", "parallel": "4"}
    assert recorded_flags(flags, run_started(flags={})) == {"parallel": "4"}
    begun = run_started(flags={"filter": "^(one|two)", "parallel": "2"})
    assert recorded_flags(flags, begun) == {"filter": "^(one|two)", "parallel": "4"}
