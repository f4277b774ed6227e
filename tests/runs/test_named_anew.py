"""A key of the environment goes to no address that an env file names anew."""

import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.named_anew import refuse_named_anew
from agentbatch.runs.store.store import Store
from tests.support.keys import KEY

OPENAI = "https://api.openai.com/v1"
OWN = "https://gateway.example/v1"
EVIL = "https://evil.example/v1"


@pytest.mark.parametrize(
    ("environ", "file", "flags", "named"),
    [
        ({"OPENAI_API_KEY": KEY}, f"CODER_ENDPOINT={EVIL}", {}, {"coder_endpoint"}),
        ({"OPENAI_API_KEY": KEY}, f"OPENAI_BASE_URL={EVIL}", {}, {"coder_endpoint", "evaluation_base_url"}),
        ({"OPENAI_API_KEY": KEY}, f"CODER_ENDPOINT={EVIL}\nCODER_API_KEY=sk-theirs-0123", {}, set()),
        ({"OPENAI_API_KEY": KEY}, f"CODER_ENDPOINT={EVIL}", {"coder_endpoint": OWN}, set()),
        ({"OPENAI_API_KEY": KEY, "CODER_ENDPOINT": OWN}, f"CODER_ENDPOINT={EVIL}", {}, set()),
        ({}, f"OPENAI_API_KEY={KEY}\nCODER_ENDPOINT={EVIL}", {}, set()),
        ({"OPENAI_API_KEY": KEY}, "", {}, set()),
    ],
)
def test_which_addresses_only_the_file_names(
    tmp_path: Path, environ: dict[str, str], file: str, flags: dict[str, Any], named: set[str]
) -> None:
    (tmp_path / ".env").write_text(file)
    settings = load_settings(flags, environ, folder=tmp_path)
    assert settings.named_by_file.keys() == named
    assert settings.model_copy(update={"parallel": 2}).named_by_file.keys() == named
    assert all(to[1] == EVIL and "in .env" in to[0] for to in settings.named_by_file.values())


async def ran(base: Path, hour: int, coder: str, **fields: Any) -> None:
    store = Store(create_run_folder(base, datetime(2026, 1, 2, hour)), Redactor([]))
    started = e.RunStarted(
        run_id="r",
        version="0",
        max_concurrent=1,
        total_tasks=1,
        coder_model="m",
        coder_endpoint=coder,
        **fields,
    )
    store.emit(started)
    await store.close()


@pytest.mark.parametrize(
    ("earlier", "refused"),
    [
        ([], False),
        ([(OPENAI, {})], True),
        ([(OWN, {})], True),
        ([(EVIL, {})], False),
        ([(EVIL, {}), (OWN, {})], False),
        ([("http://127.0.0.1:9/v1", {"rehearsal": True})], False),
        ([("http://127.0.0.1:9/v1", {"settings": {"local": "x.gguf"}})], False),
        ([(OPENAI, {}), ("http://127.0.0.1:9/v1", {"rehearsal": True})], True),
        ([(OPENAI, {"kind": "requests"})], True),
    ],
)
async def test_an_address_that_no_run_of_the_folder_has_called(
    tmp_path: Path, earlier: list[tuple[str, dict[str, Any]]], refused: bool
) -> None:
    for hour, (url, fields) in enumerate(earlier):
        await ran(tmp_path, hour, url, **fields)
    named = {"coder_endpoint": ("CODER_ENDPOINT in .env", EVIL)}
    if refused:
        with pytest.raises(UserError, match="a task may have changed the file"):
            refuse_named_anew(tmp_path, named)
    else:
        refuse_named_anew(tmp_path, named)


@pytest.mark.parametrize(
    ("environ", "file", "flags", "named"),
    [
        ({}, "AGENTBATCH_SANDBOX=none", {}, True),
        ({}, "AGENTBATCH_SANDBOX=bubblewrap", {}, False),
        ({}, "AGENTBATCH_SANDBOX=none", {"sandbox": "none"}, False),
        ({"AGENTBATCH_SANDBOX": "none"}, "AGENTBATCH_SANDBOX=none", {}, False),
    ],
)
def test_who_says_that_there_is_no_sandbox(
    tmp_path: Path, environ: dict[str, str], file: str, flags: dict[str, Any], named: bool
) -> None:
    (tmp_path / ".env").write_text(file)
    assert ("sandbox" in load_settings(flags, environ, folder=tmp_path).named_by_file) is named


@pytest.mark.parametrize(
    ("earlier", "refused"),
    [
        ([], False),
        ([{"sandbox": "bubblewrap"}], True),
        ([{"sandbox": "none"}], False),
        ([{"sandbox": "none and podman"}], False),
        ([{"sandbox": "none"}, {"sandbox": "bubblewrap"}], False),
        ([{"sandbox": "bubblewrap", "rehearsal": True}, {"kind": "requests"}], True),
    ],
)
async def test_a_file_that_takes_the_sandbox_away(
    tmp_path: Path, earlier: list[dict[str, Any]], refused: bool
) -> None:
    for hour, fields in enumerate(earlier):
        await ran(tmp_path, hour, OWN, **fields)
    named = {"sandbox": ("AGENTBATCH_SANDBOX in .env", "none")}
    if refused:
        with pytest.raises(UserError, match="--sandbox none"):
            refuse_named_anew(tmp_path, named)
    else:
        refuse_named_anew(tmp_path, named)


@pytest.mark.parametrize(
    ("file", "flags", "named"),
    [
        ("AGENTBATCH_OUTPUT=/home/me/.bash_login", {}, {"output": "/home/me/.bash_login"}),
        ("AGENTBATCH_OUTPUT=/home/me/.bash_login", {"output": "own.json"}, {}),
        ("AGENTBATCH_OUTPUT=/home/me/.bash_login", {"env_file": "AGENTBATCH"}, {}),
        ("AGENTBATCH_REPORT=a.md, html=/home/me", {}, {"report": "a.md,html=/home/me"}),
        ("AGENTBATCH_LOCAL=planted.gguf", {}, {"local": "planted.gguf"}),
        ("SSL_CERT_FILE=planted.pem", {}, {"ca_bundle": "planted.pem"}),
        ("AGENTBATCH_CA_BUNDLE=planted.pem", {}, {"ca_bundle": "planted.pem"}),
        ("AGENTBATCH_APPLY=yes", {}, {"apply": "True"}),
        ("AGENTBATCH_NOTIFY=json://evil.example", {}, {"notify": "80dadc3a245ac85e"}),
        ("AGENTBATCH_NOTIFY=json://evil.example", {"notify": "json://mine.example"}, {}),
        ("AGENTBATCH_APPLY=no\nAGENTBATCH_PARALLEL=5\nAGENTBATCH_PRICES=p.toml", {}, {}),
    ],
)
def test_what_of_the_file_reaches_out(
    tmp_path: Path, file: str, flags: dict[str, Any], named: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text(file)
    trusted = Path(".env") if flags.pop("env_file", None) else None
    found = load_settings(flags, {}, trusted, folder=tmp_path).named_by_file
    assert {field: value for field, (_, value) in found.items()} == named


@pytest.mark.parametrize(
    ("field", "value", "before", "refused"),
    [
        ("output", "/elsewhere/.bash_login", [], False),
        ("output", "/elsewhere/.bash_login", [None], True),
        ("output", "/elsewhere/r.json", ["/elsewhere/r.json"], False),
        ("output", "/elsewhere/r.json", ["/elsewhere/r.json", None], False),
        ("output", "../r.json", [None], True),
        ("output", "out/r.json", [None], False),
        ("output", "out/../r.json", [None], False),
        ("output", "link/r.json", [None], True),
        ("report", "a.md,html=/elsewhere", [[]], True),
        ("report", "a.md,html=/elsewhere", [["a.md", "html=/elsewhere"], []], False),
        ("report", "a.md,html=pages", [[]], False),
        ("report", "html=link/r", [[]], True),
        ("local", "planted.gguf", [None], True),
        ("local", "mine.gguf", ["mine.gguf"], False),
        ("ca_bundle", "planted.pem", [None, "/etc/own.pem"], True),
        ("ca_bundle", "/etc/own.pem", ["/etc/own.pem"], False),
        ("apply", "True", [False, False], True),
        ("apply", "True", [True, False], False),
        ("notify", "a91c", ["", ""], True),
        ("notify", "a91c", ["", "a91c"], False),
        ("notify", "a91c", [], False),
    ],
)
async def test_a_file_that_reaches_out_of_the_folder_anew(
    tmp_path: Path, field: str, value: str, before: list[Any], refused: bool
) -> None:
    (tmp_path / "link").symlink_to("/")
    for hour, one in enumerate(before):
        await ran(tmp_path, hour, OWN, settings={field: one})
    named = {field: (f"AGENTBATCH_{field.upper()} in .env", value)}
    if refused:
        with pytest.raises(UserError, match="a task may have changed the file.*on the command line"):
            refuse_named_anew(tmp_path, named)
    else:
        refuse_named_anew(tmp_path, named)


async def test_who_was_told_of_runs_of_an_earlier_version_is_not_known(tmp_path: Path) -> None:
    await ran(tmp_path, 1, OWN, settings={"parallel": 3})
    refuse_named_anew(tmp_path, {"notify": ("AGENTBATCH_NOTIFY in .env", "a91c")})


def kept_by_git(folder: Path, env: str) -> dict[str, tuple[str, str]]:
    """A clone that nobody has run anything in; what its env file alone says."""
    (folder / ".env").write_text(env)
    for words in (["init", "-q"], ["add", "-f", ".env"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return dict(load_settings({}, {"OPENAI_API_KEY": KEY}, folder=folder).named_by_file)


@pytest.mark.parametrize(
    ("env", "refused"),
    [
        (f"OPENAI_BASE_URL={EVIL}", "--trust-changes"),
        ("OPENAI_BASE_URL=http://localhost:11434/v1", ""),
        ("OPENAI_BASE_URL=http://localhost.example/v1", "--trust-changes"),
        ("AGENTBATCH_SANDBOX=none", "--sandbox none"),
        ("AGENTBATCH_NOTIFY=json://evil.example", "--notify"),
        ("AGENTBATCH_OUTPUT=../out.json", "--output"),
        ("AGENTBATCH_REPORT=/var/x.html", "--report"),
        ("AGENTBATCH_OUTPUT=out/results.json\nAGENTBATCH_REPORT=md=report.md", ""),
        (f"OPENAI_BASE_URL={EVIL}\nCODER_API_KEY=sk-theirs-0123\nEVALUATION_API_KEY=sk-theirs-0123", ""),
        ("AGENTBATCH_PARALLEL=3", ""),
    ],
)
def test_what_came_with_a_repository_is_not_the_users_word(tmp_path: Path, env: str, refused: str) -> None:
    named = kept_by_git(tmp_path, env)
    if refused:
        with pytest.raises(UserError, match=f"git keeps the file.*{refused}"):
            refuse_named_anew(tmp_path, named)
    else:
        refuse_named_anew(tmp_path, named)


async def test_a_file_of_ones_own_is_and_so_is_what_has_run_before(tmp_path: Path) -> None:
    named = kept_by_git(tmp_path, f"OPENAI_BASE_URL={EVIL}")
    await ran(tmp_path, 1, EVIL, evaluator_endpoint=EVIL)
    refuse_named_anew(tmp_path, named)
    (tmp_path / "own/.git").mkdir(parents=True)
    (tmp_path / "own/.env").write_text(f"OPENAI_BASE_URL={EVIL}")
    refuse_named_anew(tmp_path / "own", named)
