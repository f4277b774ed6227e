"""The coders that tasks name, before a run."""

import sys
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.run.prepare.coders import kept, refusal, uncounted
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task

ENVIRON = {"OPENAI_API_KEY": "sk-test-0123456789abcdef", "PATH": "/usr/bin:/bin"}


def refusal_of(folder: Path, task: str, path: str = "/usr/bin:/bin", **given: Any) -> str:
    (folder / "task.json").write_text(task)
    with pytest.raises(UserError) as error:
        environ = {**ENVIRON, "PATH": path}
        prepare(load_settings(given, environ, folder=folder), folder=folder, environ=environ)
    return str(error.value)


@pytest.mark.parametrize(
    ("task", "given", "told"),
    [
        (
            "{}",
            {"coder_login": "pi"},
            "--coder-login: pi has no login that is known; `credentials` of it names",
        ),
        ("{}", {"coder_name": "claud"}, "--coder: there is no coder 'claud'; did you mean 'claude'?"),
        ("{}", {"escalate": "2:@xyz"}, "--escalate: there is no coder 'xyz'; there are builtin, "),
        ("{}", {"coders": "builtin,codx"}, "--coders: there is no coder 'codx'; did you mean 'codex'?"),
        ('{"coder": "codexx"}', {}, "Task t: there is no coder 'codexx'; did you mean 'codex'?"),
        ('{"attempts": [{"coder": "x"}]}', {}, "Task t@1: there is no coder 'x'; there are"),
        ('{"escalate": [{"after": 1, "coder": "x"}]}', {}, "Task t: there is no coder 'x'; there are"),
    ],
)
def test_a_coder_that_there_is_not(tmp_path: Path, task: str, given: Any, told: str) -> None:
    whole = task.replace("{", '{"id": "t", "first_prompt": "p", ', 1).replace(", }", "}")
    assert told in refusal_of(tmp_path, f'{{"tasks": [{whole}]}}', **given)


MESSAGES = CoderEntry(name="a", protocol="command", command=("a",), api="messages")
LOGIN = MESSAGES.model_copy(update={"gateway": False})


@pytest.mark.parametrize(
    ("entry", "given", "told"),
    [
        (CoderEntry(name="builtin", protocol="builtin"), {"no_network": True}, ""),
        (
            MESSAGES,
            {},
            "a asks its model by /messages, which https://api.openai.com/v1 does not have: --coder-endp",
        ),
        (MESSAGES, {"coder_endpoint": "https://api.anthropic.com/v1", "coder_model": "m"}, ""),
        (MESSAGES, {"coder_endpoint": "https://gateway.example/v1"}, ""),
        (
            MESSAGES,
            {"coder_endpoint": "https://api.deepseek.com"},
            "a asks its model by /messages, which https://api.deepseek.com does not have: "
            "--coder-endpoint such as https://api.deepseek.com/anthropic/v1, or",
        ),
        (MESSAGES.model_copy(update={"api": "responses"}), {}, ""),
        (
            LOGIN,
            {},
            "a does not call its model through agentbatch, but by a login of yours: --coder-login a shows",
        ),
        (LOGIN.model_copy(update={"own": True}), {}, ""),
        (LOGIN.model_copy(update={"credentials": (".a/b",)}), {}, ""),
        (
            LOGIN.model_copy(update={"credentials": (".a/b",)}),
            {"no_network": True},
            "a calls its model itself, and",
        ),
    ],
)
def test_a_coder_that_this_run_cannot_have(entry: CoderEntry, given: Any, told: str) -> None:
    found = refusal(entry, load_settings(given, ENVIRON))
    assert found.startswith(told) if told else found == ""


def test_a_package_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "acp", None)
    told = refusal_of(tmp_path, '{"tasks": [{"first_prompt": "p"}]}', coder_name="opencode")
    assert told == "--coder: the coder opencode needs a package more: pip install 'agentbatch[agents]'."
    assert refusal(MESSAGES, load_settings({"coder_endpoint": "https://gateway.example/v1"}, ENVIRON)) == ""


def test_a_coder_that_is_not_installed(tmp_path: Path) -> None:
    told = refusal_of(tmp_path, '{"tasks": [{"first_prompt": "p"}]}', coder_name="codex", path=str(tmp_path))
    assert ": codex cannot be started. The program codex is not to be found on PATH. Install it: npm" in told


def test_a_coder_whose_interpreter_is_not_installed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    programs = tmp_path_factory.mktemp("programs")
    (programs / "codex").write_text("#!/usr/bin/env no-such-node\n")
    (programs / "codex").chmod(0o755)
    told = refusal_of(tmp_path, '{"tasks": [{"first_prompt": "p"}]}', coder_name="codex", path=str(programs))
    assert "what runs it is missing. The program no-such-node is not to be found on PATH." in told


@pytest.mark.parametrize(
    ("entry", "given", "told"),
    [
        (
            LOGIN,
            {"max_cost": 1.0},
            "--max-cost holds for calls that go through agentbatch, and a makes its own",
        ),
        (LOGIN, {}, ""),
        (MESSAGES, {"max_cost": 1.0}, ""),
    ],
)
def test_a_budget_does_not_hold_for_calls_that_are_not_ours(entry: CoderEntry, given: Any, told: str) -> None:
    found = uncounted([entry], load_settings(given, ENVIRON), [])
    assert found.startswith(told) if told else found == ""


@pytest.mark.parametrize(
    ("own", "coder", "before", "told"),
    [
        (
            None,
            "codex",
            {"t": ("builtin",)},
            "1 task under way goes on with builtin, as begun; codex works on",
        ),
        (None, "codex", {"t": ("builtin", "codex")}, ""),
        (None, "codex", {"u": ("builtin",)}, ""),
        ("codex", "codex", {"t": ("builtin",)}, ""),
    ],
)
def test_who_began_a_task_goes_on_with_it(own: str | None, coder: str, before: Any, told: str) -> None:
    task = PlannedTask("t", 0, Task(first_prompt="p", coder=own), Path("/t"), 3, None, coder=coder)
    found = kept([task], before)
    assert found.startswith(told) if told else found == ""
