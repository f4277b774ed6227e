"""`agentbatch bench requests` as a user types it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from agentbatch.rehearsal.server import RehearsalServer

SMALL = ("--latency", "0.01", "--requests", "4", "--ladder", "2")
KEY = "sk-example-1234567"


def _bench(folder: Path, *words: str, **set_: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODER_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "agentbatch", "bench", "requests", *words], cwd=folder, env=kept | set_,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_table_has_the_four_settings_and_the_ladder(tmp_path: Path) -> None:
    done = _bench(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[0] for line in lines[3:8]] == ["1x1", "4x1", "1x3", "4x3", "2x1"]
    assert "1.0x" in lines[3]


def test_one_document(tmp_path: Path) -> None:
    done = _bench(tmp_path, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)["rounds"]
    assert [(r["setting"], r["failed"]) for r in rounds] == [
        ("1x1", 0), ("4x1", 0), ("1x3", 0), ("4x3", 0), ("2x1", 0),
    ]  # fmt: skip


def test_spending_needs_an_endpoint_that_is_set(tmp_path: Path) -> None:
    done = _bench(tmp_path, *SMALL, "--yes-spend")
    assert done.returncode == 2
    assert "none is set: CODER_API_KEY or OPENAI_API_KEY" in done.stderr


async def test_the_configured_endpoint_is_measured(tmp_path: Path) -> None:
    async with RehearsalServer(plain=True, key=KEY) as server:
        done = await asyncio.to_thread(
            _bench, tmp_path, *SMALL[2:], "--yes-spend", CODER_ENDPOINT=server.base_url, CODER_API_KEY=KEY
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " at 127.0.0.1, " in done.stdout.splitlines()[0]
    assert "Cost " in done.stdout
