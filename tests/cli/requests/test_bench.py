"""`agentbatch bench requests` as a user types it."""

import asyncio
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.keys import KEY

SMALL = ("--latency", "0.01", "--requests", "4", "--ladder", "2")


def _bench(folder: Path, *words: str, **set_: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODER_", "OPENAI_"))}
    return commands.run("bench", "requests", *words, cwd=folder, env=kept | set_)


@pytest.mark.slow
def test_the_table_has_the_four_settings_and_the_ladder(tmp_path: Path) -> None:
    done = _bench(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(len(line) <= 79 for line in lines)
    assert [line.split()[0] for line in lines[3:8]] == ["1x1", "4x1", "1x3", "4x3", "2x1"]
    assert "1.0x" in lines[3]


@pytest.mark.slow
def test_one_document(tmp_path: Path) -> None:
    done = _bench(tmp_path, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)["rounds"]
    assert [(r["setting"], r["failed"]) for r in rounds] == [
        ("1x1", 0), ("4x1", 0), ("1x3", 0), ("4x3", 0), ("2x1", 0),
    ]  # fmt: skip


@pytest.mark.slow
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


async def test_an_endpoint_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        _bench, tmp_path, "--yes-spend", CODER_ENDPOINT="http://127.0.0.1:9/v1", CODER_API_KEY=KEY
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "agentbatch: Nothing was measured. Nothing answers at 127.0.0.1:9 (connection refused)"
    )


async def test_an_endpoint_that_refuses_is_asked_once(tmp_path: Path) -> None:
    async with RehearsalServer(plain=True, key=KEY) as server:
        done = await asyncio.to_thread(
            _bench,
            tmp_path,
            "--yes-spend",
            "--json",
            CODER_ENDPOINT=server.base_url,
            CODER_API_KEY="sk-other-1234567",
        )
        assert len(server.requests) == 1
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["rounds"] == []
    assert document["stopped"] in done.stderr
    assert "sk-other" not in done.stdout + done.stderr


class _Purse(BaseHTTPRequestHandler):
    """Answers ten requests; for the eleventh there is no money left."""

    served = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        _Purse.served += 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "1"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {"id": "c", "object": "chat.completion", "created": 0, "choices": [choice], "usage": usage}
        refusal = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
        dry = _Purse.served > 10
        body = json.dumps(refusal if dry else answer).encode()
        self.send_response(429 if dry else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_key_that_runs_dry_on_the_way_ends_it(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Purse) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        done = _bench(tmp_path, *SMALL[2:], "--yes-spend", "--json", CODER_ENDPOINT=url, CODER_API_KEY=KEY)
        server.shutdown()
        thread.join()
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [r["setting"] for r in document["rounds"]] == ["1x1", "4x1"]
    assert "quota" in document["stopped"]
    assert document["stopped"] in done.stderr


def test_no_ladder(tmp_path: Path) -> None:
    done = _bench(tmp_path, *SMALL[:4], "--ladder", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert [r["setting"] for r in json.loads(done.stdout)["rounds"]] == ["1x1", "4x1", "1x3", "4x3"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--latency", "soon"), "--latency: must be a number from 0 to 60, not 'soon'"),
        (("--latency", "-1"), "--latency: must be a number from 0 to 60, not '-1'"),
        (("--latency", "nan"), "--latency: must be a number from 0 to 60, not 'nan'"),
        (("--ladder", "8,,16"), "--ladder: must be a whole number from 1 to 10000, not ''"),
        (("--ladder", "8,0"), "--ladder: must be a whole number from 1 to 10000, not '0'"),
        (("--requests", "0"), "--requests: must be a whole number from 1 to 10000, not '0'"),
    ],
)
def test_numbers_that_are_none(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = _bench(tmp_path, *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
