"""What is checked and reckoned before a run."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from agentbatch.api import PreparedRun
from agentbatch.config import load_settings
from agentbatch.display.reports.dry_run import render_dry_run
from agentbatch.errors import UserError
from agentbatch.tasks.run.prepare.prepare import prepare
from tests.local.gguf_bytes import gguf
from tests.support.keys import KEY
from tests.support.paths import CHECKOUT

PRICES = '[models."one"]\ninput = 1.0\noutput = 0.0\n[models."ten"]\ninput = 10.0\noutput = 0.0\n'
KEYS = {"OPENAI_API_KEY": KEY}
ONE = {"coder_model": "one", "evaluation_model": "one"}


def prepared(folder: Path, *tasks: dict[str, Any], environ: dict[str, str], **flags: str) -> PreparedRun:
    entries = [{"dir": "d", "first_prompt": "x", **task} for task in tasks or ({},)]
    (folder / "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
    (folder / "prices.toml").write_text(PRICES, encoding="utf-8")
    return prepare(load_settings(flags, environ, folder=folder), folder=folder, environ=environ)


def test_a_network_that_cannot_be_cut_off_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--no-network needs the sandbox"):
        prepared(tmp_path, environ={}, no_network="1", sandbox="none")
    assert prepared(tmp_path, environ={}, sandbox="none").sandbox.name == "none"


def test_where_commands_run_is_told_before(tmp_path: Path) -> None:
    podman = tmp_path / "bin/podman"
    podman.parent.mkdir()
    podman.write_text('#!/bin/sh\necho \'{"host": {"security": {"rootless": true}}}\'\n')
    podman.chmod(0o755)
    environ = {**KEYS, "PATH": f"{podman.parent}:/usr/bin:/bin"}
    with pytest.raises(
        UserError, match=r"^A workdir is a place in a container, and no image is named for own\."
    ):
        prepared(tmp_path, {"id": "own", "workdir": "/testbed"}, environ=environ)
    found = prepared(tmp_path, {"image": "python:3.12"}, {}, environ=environ)
    assert found.sandbox_name == f"{found.sandbox.name} and podman"
    assert {f"sandbox    {found.sandbox_name}", "image      python:3.12"} <= {
        *render_dry_run(found.dry_run())
    }
    assert prepared(tmp_path, environ=environ, image="a:1").sandbox_name == "podman"


@pytest.mark.parametrize(
    ("task", "flags", "told"),
    [
        ({"id": "own"}, {"cluster": "10.0.0.1:1", "sandbox": "podman"}, "--sandbox podman: no image is named for own."),
        ({"id": "own", "dockerfile": "Dockerfile"}, {"cluster": "auto"}, "On a cluster own cannot have a dockerfile:"),
        ({"id": "own", "image": "a:1", "workdir": "/w"}, {"cluster": "auto"}, "On a cluster own cannot have a workdir"),
        ({"id": "own", "resources": {"gpu": 1}}, {}, "resources are those of a cluster, and --cluster is missing:"),
        ({}, {"cluster_shared": "1"}, "--cluster-shared says what the machines of a cluster have, and --cluster is"),
    ],
)  # fmt: skip
def test_what_has_no_place_on_a_cluster_or_without_one(
    tmp_path: Path, task: dict[str, Any], flags: dict[str, str], told: str
) -> None:
    with pytest.raises(UserError) as raised:
        prepared(tmp_path, task, environ=KEYS, **flags)
    assert told in str(raised.value)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'agentbatch[cluster]'")
def test_what_makes_containers_on_a_cluster_is_told_before(tmp_path: Path) -> None:
    """Their images have what their coders need, whatever the machines have."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coders.toml").write_text('[mine]\nprotocol = "command"\ncommand = ["nowhere-here"]\n')
    environ = {**KEYS, "PATH": str(bin_folder)}
    contained = {"image": "a:1", "coder": "mine"}
    with pytest.raises(UserError, match="^--cluster: a task with an image needs podman or docker, which no"):
        prepared(tmp_path, contained, environ=environ, cluster="auto")
    (bin_folder / "docker").touch(mode=0o755)
    assert prepared(tmp_path, contained, environ=environ, cluster="auto").sandbox_name == "containers"
    with pytest.raises(UserError, match="a task with an image needs podman, which no machine"):
        prepared(tmp_path, contained, environ=environ, cluster="auto", sandbox="podman")
    with pytest.raises(UserError, match="^--cluster: the coder mine needs nowhere-here, which no machine"):
        prepared(tmp_path, contained, {"coder": "mine"}, environ=environ, cluster="auto")


def test_a_dry_run_tells_of_setup_and_of_what_is_not_there_to_be_included(tmp_path: Path) -> None:
    copied = {"id": "c", "isolation": "copy", "include": [".env.test", "conf"], "setup": ["npm ci", "make"]}
    tasks: list[dict[str, Any]] = [
        copied,
        {**copied, "id": "c2"},
        {"id": "n", "include": "x", "setup": "npm ci"},
    ]
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.env.test").write_text("x\n")
    told = render_dry_run(prepared(tmp_path, *tasks, environ=KEYS).dry_run())
    assert "setup      3 tasks: npm ci" in told
    assert [line for line in told if "include" in line] == [
        "! include is for copies and worktrees, and these work in their directories themselves: n.",
        f"! Task c: include: conf means no file in {tmp_path / 'd'}.",
    ]


def test_the_least_cost_is_that_of_the_first_two_calls_of_each_task(tmp_path: Path) -> None:
    dry = prepared(tmp_path, {}, {}, environ=KEYS, **ONE).dry_run()
    assert dry.least_cost == pytest.approx(sum(t.coder + t.evaluator for t in dry.least) / 1e6)
    assert all(t.coder > 0 and t.evaluator > 0 for t in dry.least)


def test_what_is_asked_before_the_work_is_in_the_estimate(tmp_path: Path) -> None:
    def least(toml: str = "", **fields: str) -> int:
        (tmp_path / "agents").mkdir(exist_ok=True)
        (tmp_path / "agents/evaluator.toml").write_text(toml)
        (only,) = prepared(tmp_path, fields, environ=KEYS, **ONE).dry_run().least
        return only.evaluator

    without = least("[limits]\nchecks = 0\n")
    assert least() > without + 300
    assert least(verify="true") == without


@pytest.mark.parametrize(
    ("task", "flags", "column", "words"),
    [
        ({}, {}, "evaluator's", "one evaluation a task, one to write checks in 1"),
        ({}, {"checks": "0"}, "–", "one coder call and one evaluation a task"),
        ({"verify": ["make", "make test"]}, {}, "2 verify", "one coder call and one evaluation a task"),
    ],
)
def test_a_dry_run_tells_of_the_call_that_writes_checks(
    tmp_path: Path, task: dict[str, Any], flags: dict[str, str], column: str, words: str
) -> None:
    dry = prepared(tmp_path, task, environ=KEYS, **ONE, **flags).dry_run()
    told = render_dry_run(dry)
    assert any(f"  {column}  " in line for line in told)
    assert "     d/: x" in told
    assert any(line.strip().endswith(words) for line in told)
    assert any(
        line.endswith("an evaluation: usually 1 call, up to 9 where the judge looks itself") for line in told
    )
    assert (dry.least[0].checks > 0) == (column == "evaluator's")
    assert all(len(line) <= 79 for line in told[-6:])


@pytest.mark.parametrize(
    ("prompt", "column"),
    [("Write a Python function `add(a, b)` in add.py.", "evaluator's"), ("Write a poem.", "–")],
)
def test_a_small_evaluator_looks_at_nothing_itself_and_checks_functions(
    tmp_path: Path, prompt: str, column: str
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[model]\ncontext_window = 8192\n", encoding="utf-8")
    dry = prepared(tmp_path, {"first_prompt": prompt}, environ=KEYS, **ONE).dry_run()
    told = render_dry_run(dry)
    assert any(f"  {column}  " in line for line in told)
    assert not any("an evaluation:" in line for line in told)
    assert 0 < dry.least[0].evaluator < 700


@pytest.mark.parametrize(("role", "model"), [("coder_model", "ten"), ("evaluator_model", "ten")])
def test_a_tasks_own_model_has_its_own_price(tmp_path: Path, role: str, model: str) -> None:
    dry = prepared(tmp_path, {role: model}, environ=KEYS, **ONE).dry_run()
    (least,) = dry.least
    dear, cheap = least.coder, least.evaluator
    if role == "evaluator_model":
        dear, cheap = cheap, dear
    assert dry.least_cost == pytest.approx((10 * dear + cheap) / 1e6)


LATER = {"escalate": [{"after": 2, "coder_model": "later"}]}


@pytest.mark.parametrize(
    ("task", "coder", "evaluator"),
    [
        (LATER, ("one", "later"), ("one",)),
        ({**LATER, "max_iterations": 2}, ("one",), ("one",)),
        ({"attempts": [LATER, {"evaluator_model": "other"}]}, ("one", "later"), ("one", "other")),
    ],
)
def test_every_model_that_may_be_called_is_named_and_needs_a_price(
    tmp_path: Path, task: dict[str, Any], coder: tuple[str, ...], evaluator: tuple[str, ...]
) -> None:
    found = prepared(tmp_path, task, environ=KEYS, **ONE)
    assert (found.coder_models, found.evaluator_models) == (coder, evaluator)
    told = render_dry_run(found.dry_run())
    others = [name for name in (*coder, *evaluator) if name != "one"]
    assert [line.split()[1] for line in told if line.startswith(" " * 11 + "or ")] == others
    if others:
        with pytest.raises(UserError, match=f"the price of {others[0]} is unknown"):
            prepared(tmp_path, task, environ=KEYS, max_cost="1", **ONE)


def test_who_codes_is_named_also_in_a_rehearsal(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coders.toml").write_text('[mine]\nprotocol = "command"\ncommand = ["sh"]\n')
    task = {"escalate": [{"after": 1, "coder": "mine"}]}
    environ = {"PATH": os.environ["PATH"]}
    told = render_dry_run(prepared(tmp_path, task, environ=environ).dry_run())
    place = told.index("coder      builtin, mine")
    assert max(map(len, told[place + 3 :])) <= 79
    told = render_dry_run(prepared(tmp_path, environ=environ, coder_name="mine").dry_run())
    assert "coder      mine" in told


def test_of_a_coder_that_asks_its_model_itself_nothing_is_reckoned_and_no_key_is_needed(
    tmp_path: Path,
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coders.toml").write_text(
        '[mine]\nprotocol = "command"\ncommand = ["sh"]\ngateway = false\n'
    )
    environ = {"PATH": os.environ["PATH"], "AGENTBATCH_SANDBOX": "none"}
    found = prepared(tmp_path, {"verify": "true"}, environ=environ, coder_name="mine", judge="none")
    assert (found.unplayable, found.rehearsal, found.worker) == ("", False, "mine")
    told = render_dry_run(found.dry_run())
    assert {"At least   –", "Least cost –", "coder      mine"} <= set(told)
    judged = {**environ, "EVALUATION_API_KEY": KEY}
    found = prepared(tmp_path, environ=judged, coder_name="mine", evaluation_model="one")
    told = render_dry_run(found.dry_run())
    assert any(
        line.startswith("At least   ≈") and line.endswith("tokens in for the evaluator") for line in told
    )
    assert "           mine calls its model itself: what that takes comes on top" in told
    with pytest.raises(UserError, match="No API key for the coder: the other role has a key"):
        prepared(tmp_path, {"coder": "builtin"}, environ=judged, coder_name="mine")
    found = prepared(tmp_path, environ=environ, coder_name="mine")
    assert found.unplayable.startswith("No key is set, and the evaluator needs one")


def test_what_stands_beside_a_prompt_is_in_the_estimate(tmp_path: Path) -> None:
    """AGENTS.md is told to builtin; who reads it itself may find it, or not. Both are shown to the judge."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coders.toml").write_text('[mine]\nprotocol = "command"\ncommand = ["sh"]\n')
    for place, name, times in (("d", "style.md", 400), ("d", ".env", 400), ("e", "AGENTS.md", 800)):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / name).write_text("Be brief. " * times)
    tasks: list[dict[str, Any]] = [
        {"verify": "true", "dir": place, "context": context, "coder": coder}
        for place, context in (("d", []), ("d", ["*.md", ".env"]), ("e", []))
        for coder in ("builtin", "mine")
    ]
    environ = {**KEYS, "PATH": os.environ["PATH"]}
    dry = prepared(tmp_path, *tasks, environ=environ, **ONE, sandbox="none").dry_run()
    bare, own, *rest = [(least.coder // 1000, least.evaluator // 1000) for least in dry.least]
    assert rest == [
        (bare[0] + 1, bare[1] + 1),
        (own[0] + 1, own[1] + 1),
        (bare[0] + 2, bare[1] + 2),
        (own[0], own[1] + 2),
    ]


def test_the_flag_holds_before_the_file_of_the_coder(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coder.toml").write_text('escalate = [{after = 1, model = "ten"}]\n', encoding="utf-8")
    assert prepared(tmp_path, environ=KEYS, **ONE).coder_models == ("one", "ten")
    assert prepared(tmp_path, environ=KEYS, escalate="1:two,3:ten", **ONE).coder_models == (
        "one",
        "two",
        "ten",
    )


def test_a_cost_that_is_not_known_whole_is_not_told(tmp_path: Path) -> None:
    unknown = {**ONE, "evaluation_model": "nobody-knows-this-model"}
    assert prepared(tmp_path, environ=KEYS, **unknown).dry_run().least_cost is None
    assert prepared(tmp_path, {"coder_model": "one"}, environ={}, **ONE).dry_run().least_cost is None


def test_files_with_keys_are_known_to_the_walls(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "task.json").write_text('{"tasks": [{"first_prompt": "x"}]}', encoding="utf-8")
    (tmp_path / "prod.env").write_text("", encoding="utf-8")
    settings = load_settings({"tasks": "sub/task.json"}, {}, Path("prod.env"), tmp_path)
    found = prepare(settings, folder=tmp_path, environ={}, env_file=Path("prod.env")).env_files
    assert set(found) == {tmp_path / "prod.env", tmp_path / ".env", tmp_path / "sub" / ".env"}


def test_without_an_evaluator_a_dry_run_leaves_it_out(tmp_path: Path) -> None:
    ones = {**ONE, "evaluation_model": "nobody-knows"}
    dry = prepared(tmp_path, {"verify": "true"}, environ=KEYS, judge="none", **ones).dry_run()
    assert [least.evaluator for least in dry.least] == [0]
    assert dry.least_cost == pytest.approx(dry.least[0].coder / 1e6)
    told = "\n".join(render_dry_run(dry))
    assert "evaluator  none: each task's verify decides" in told
    assert "for the evaluator" not in told
    assert "one coder call a task" in told


def test_a_local_model_for_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leave out one"):
        prepared(
            tmp_path,
            {"verify": "true"},
            environ=KEYS,
            judge="none",
            local="x.gguf",
            coder_endpoint="http://h/v1",
        )


def test_a_dry_run_names_the_local_model_and_its_price(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "one.gguf").write_bytes(gguf())
    environ = {"EVALUATION_API_KEY": KEY}
    flags = {"local": "one.gguf", "evaluation_base_url": "https://judge.example/v1"}
    found = prepared(tmp_path, environ=environ, evaluation_model="ten", **flags)
    dry = found.dry_run()
    lines = render_dry_run(dry)
    assert "coder      one  llama.cpp on this machine" in lines
    assert "evaluator  ten  https://judge.example/v1" in lines
    (first,) = (at for at, line in enumerate(lines) if line.startswith("local      one.gguf: "))
    assert all(len(line) <= 79 for line in lines[: first + 2])
    assert dry.least_cost == pytest.approx(sum(t.coder + 10 * t.evaluator for t in dry.least) / 1e6)


@pytest.mark.parametrize(
    ("checks", "judge", "told"), [("3", "none", True), ("0", "none", False), ("3", "model", False)]
)
def test_checks_that_nobody_will_write_are_told(tmp_path: Path, checks: str, judge: str, told: bool) -> None:
    run = prepared(tmp_path, {"verify": "true"}, environ=KEYS, judge=judge, checks=checks, **ONE)
    assert any("--checks has no effect" in warning for warning in run.warnings) is told


def test_a_directory_elsewhere_is_shown_and_warned_of(tmp_path: Path) -> None:
    plan = prepared(tmp_path, {"id": "far", "dir": "/etc"}, {"dir": "src"}, environ=KEYS, **ONE)
    assert "1 task works outside this folder: far in /etc." in plan.warnings
    lines = render_dry_run(plan.dry_run())
    assert [line for line in lines if "/etc/: x" in line and len(line) < 80]
    assert "     src/: x" in lines


@pytest.mark.parametrize(
    ("prompts", "key", "played"),
    [
        (["sample"], "", True),
        (["sample", "Write x."], "", False),
        (["Write x."], KEY, True),
        (["Write x."], "", False),
    ],
)
def test_without_a_key_only_the_samples_can_be_played(
    tmp_path: Path, prompts: list[str], key: str, played: bool
) -> None:
    sample = json.loads((CHECKOUT / "task.json").read_text(encoding="utf-8"))["tasks"][0]["first_prompt"]
    tasks = [{"first_prompt": sample if one == "sample" else one} for one in prompts]
    plan = prepared(tmp_path, *tasks, environ={"OPENAI_API_KEY": key})
    assert (plan.unplayable == "") == played
    assert played or plan.unplayable.startswith("No key is set, and without one only the sample tasks run")


@pytest.mark.parametrize(
    ("task", "hidden"),
    [
        ({"dir": "w", "hidden_verify": "true"}, True),
        ({"dir": "w", "verify": "true"}, False),
        ({"dir": "", "hidden_verify": "true"}, False),  # it lies in the task's directory, and that is told
    ],
)
def test_a_task_file_with_hidden_checks_is_hidden_itself(
    tmp_path: Path, task: dict[str, Any], hidden: bool
) -> None:
    found = prepared(tmp_path, {"first_prompt": "x", **task}, environ={"OPENAI_API_KEY": "k"})
    assert found.hidden_files == ((tmp_path / "task.json",) if hidden else ())
