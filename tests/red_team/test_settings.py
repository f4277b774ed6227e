"""An env file that a task has changed: no command believes it, also those that are no runs. Who finds something wrong
asks `agentbatch doctor`."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web

from agentbatch.cli.main import main
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from tests.support.endpoints import Serve, serve
from tests.support.keys import KEY

__all__ = ["serve"]

USUAL = "https://api.openai.com/v1"


async def has_run(folder: Path) -> None:
    store = Store(create_run_folder(folder, datetime(2026, 1, 2)), Redactor([]))
    store.emit(
        e.RunStarted(
            run_id="r",
            version="0",
            max_concurrent=1,
            total_tasks=1,
            coder_model="m",
            coder_endpoint=USUAL,
            evaluator_endpoint=USUAL,
            sandbox="bubblewrap",
        )
    )
    await store.close()


ASK_THE_MODEL = {
    "doctor": ["doctor"],
    "bench": ["bench", "requests", "--yes-spend"],
    "a run": ["--serial"],
    "requests": ["requests", "run", "in.jsonl", "-o", "out.jsonl"],
}


async def one_that_notes(serve: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that an endpoint is sent, which `.env` has named since the folder's run."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.json_response({}, status=401)

    await has_run(folder)
    (folder / ".env").write_text(f"OPENAI_BASE_URL={await serve(answer)}")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(folder)
    return asked


@pytest.mark.parametrize("name", ASK_THE_MODEL)
async def test_none_sends_a_key_of_the_environment_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    serve: Serve,
    name: str,
) -> None:
    asked = await one_that_notes(serve, tmp_path, monkeypatch)
    (tmp_path / "in.jsonl").write_text('{"prompt": "Hi"}\n')
    (tmp_path / "task.json").write_text('{"tasks": [{"dir": "w", "first_prompt": "x"}]}')
    code = await asyncio.to_thread(main, ASK_THE_MODEL[name])
    assert (code, asked) == (2, [])
    assert f"until now it was {USUAL}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["doctor", "bench"])
async def test_who_trusts_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve, name: str
) -> None:
    asked = await one_that_notes(serve, tmp_path, monkeypatch)
    await asyncio.to_thread(main, [*ASK_THE_MODEL[name], "--trust-changes"])
    assert f"Bearer {KEY}" in asked


@pytest.mark.parametrize("command", ["doctor", "mcp", "coders"])
async def test_none_starts_programs_without_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    await has_run(tmp_path)
    (tmp_path / ".env").write_text("AGENTBATCH_SANDBOX=none")
    monkeypatch.chdir(tmp_path)
    assert await asyncio.to_thread(main, [command]) == 2
    assert "until now commands ran in bubblewrap" in capsys.readouterr().err
