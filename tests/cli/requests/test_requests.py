"""`agentbatch requests run`, as a user runs it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer

KEY = "sk-test-0123456789abcdef"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environ_of(folder: Path, base_url: str | None) -> dict[str, str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("CODER_", "OPENAI_", "EVALUATION_", "AGENTBATCH_"))
    }
    own = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    if base_url is not None:
        own |= {"OPENAI_API_KEY": KEY, "CODER_ENDPOINT": base_url, "CODER_MODEL": "m-test"}
    return {**kept, **own}


def command(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "agentbatch", "requests", "run", *words]


async def said(folder: Path, *words: str, base_url: str | None = None) -> tuple[int, str, str]:
    """Any command of ours: its exit code, what it says, and what it complains of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "agentbatch", *words, cwd=folder, env=environ_of(folder, base_url),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert b"Traceback" not in err, err.decode()
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def under_way(
    folder: Path, server: RehearsalServer, *words: str, sent: int = 1
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A batch that has sent so many requests; it is killed at the end, if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        *command(*words), cwd=folder, env=environ_of(folder, server.base_url),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(lambda: len(server.requests) >= sent or process.returncode is not None)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until(condition: Callable[[], object]) -> None:
    """Wait for it, generously."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.02)


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """As `said`, of a batch that was started before."""
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


def the_run(folder: Path) -> str:
    """The id of the only run of this folder."""
    (path,) = (folder / ".agentbatch" / "runs").iterdir()
    return path.name


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_input(folder: Path, count: int) -> None:
    lines = (json.dumps({"id": f"q{n}", "prompt": f"Say {n}"}) for n in range(count))
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """On the rehearsal model: no key is set."""

    def do(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(*words), cwd=tmp_path, env=environ_of(tmp_path, None), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    return do


@asynccontextmanager
async def endpoint(faults: Sequence[Fault] = (), **options: Any) -> AsyncIterator[RehearsalServer]:
    async with RehearsalServer(plain=True, key=KEY, faults=faults, **options) as server:
        yield server


async def ran(folder: Path, server: RehearsalServer, *words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command(*words), cwd=folder, env=environ_of(folder, server.base_url),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, out.decode(), err.decode()


def test_without_a_key_the_rehearsal_model_answers(run: Run, tmp_path: Path) -> None:
    write_input(tmp_path, 25)
    done = run("in.jsonl", "-o", "out.jsonl", "--ordered")
    assert done.returncode == 0, done.stderr
    assert "25 requests: 25 ok, 0 failed" in done.stdout
    assert "rehearsal model: scripted replies, no AI" in done.stderr
    assert [line["custom_id"] for line in lines_of(tmp_path / "out.jsonl")] == [f"q{n}" for n in range(25)]
    assert max(map(len, done.stdout.splitlines())) <= 80
    again = run("in.jsonl", "-o", "out.jsonl")
    assert again.returncode == 2
    assert "--resume resumes it" in again.stderr
    resumed = run("in.jsonl", "-o", "other.jsonl", "--resume")
    assert "25 answered before" in resumed.stdout
    assert "0 calls" in resumed.stdout
    assert len(lines_of(tmp_path / "other.jsonl")) == 25
    forced = run("in.jsonl", "-o", "out.jsonl", "--force", "--json", "--quiet")
    launch, end = map(json.loads, forced.stdout.splitlines())
    assert (launch["type"], launch["total"]) == ("launch", 25)
    assert (end["type"], end["ok"], end["failedList"], end["stopped"]) == ("done", 25, [], None)
    assert forced.stderr == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no requests"),
        (b"\n\n", "holds no requests"),
        (b'{"id": "a", "prompt": "x"}\nnonsense\n', "line 2: not JSON"),
        (b'{"id": "a", "prompt": "x"}\n{"prompt": "x"}\n', "line 2: `id` is missing."),
        (
            b'{"id": "a", "prompt": "x"}\n\n{"id": "a", "prompt": "y"}\n',
            "line 3: the id 'a' stands in line 1 already",
        ),
        (b'{"custom_id": "a", "url": "/v1/images", "body": {}}\n', "line 1: `url` must be one of"),
        (b'{"id": "a", "prompt": "' + b"x" * (17 * 1024 * 1024) + b'"}\n', "line 1: longer than 16 MB"),
        (b'\xef\xbb\xbf{"id": "a"}\n', "line 1: needs `prompt` or `messages`"),
        (b'{"id": "\xff"}\n', "line 1: not JSON: not UTF-8"),
    ],
)
def test_bad_input_is_told_before_anything_is_spent(
    run: Run, tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "in.jsonl").write_bytes(content)
    done = run("in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.jsonl", "-o", "out.jsonl"], "none.jsonl cannot be read"),
        (["in.jsonl"], "Say where the answers go: -o OUT.jsonl."),
        (["in.jsonl", "-o", "in.jsonl"], "The output cannot be the input."),
        (["in.jsonl", "-o", "out.jsonl", "--concurrency", "0"], "from 1 to 10000"),
        (["in.jsonl", "-o", "out.jsonl", "--max-retries", "6"], "from 0 to 5"),
        (["in.jsonl", "-o", "out.jsonl", "--json-schema", "schema.json"], "schema.json"),
    ],
)
def test_wrong_flags(run: Run, tmp_path: Path, words: list[str], told: str) -> None:
    write_input(tmp_path, 1)
    (tmp_path / "schema.json").write_text('{"type": "nothing"}')
    done = run(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_sends_nothing(run: Run, tmp_path: Path) -> None:
    write_input(tmp_path, 7)
    done = run("in.jsonl", "--dry-run", "--max-tokens", "10")
    assert done.returncode == 0
    assert done.stdout.startswith("7 requests, about ")
    assert "at most 70 out" in done.stdout
    assert not (tmp_path / ".agentbatch").exists()


async def test_failures_are_listed_and_only_they_are_asked_again(tmp_path: Path) -> None:
    write_input(tmp_path, 12)
    async with endpoint([Fault(status=400, message="odd", times=2)]) as server:
        code, out, _ = await ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl")
        assert code == 1
        assert "10 ok, 2 failed" in out
        assert "odd" in out
        assert KEY not in out
        assert sum(line["error"] is not None for line in lines_of(tmp_path / "out.jsonl")) == 2
        before = len(server.requests)
        code, out, _ = await ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl", "--retry-failed")
        assert (code, len(server.requests) - before) == (0, 2)
        assert all(line["error"] is None for line in lines_of(tmp_path / "out.jsonl"))


async def test_no_quota_stops_it_at_once_and_it_goes_on(tmp_path: Path) -> None:
    write_input(tmp_path, 300)
    faults = [Fault(status=429, code="insufficient_quota", message="No quota left.")]
    async with endpoint(faults) as server:
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl", "--concurrency", "2")
        assert code == 1
        assert "No quota left" in err
        assert "Go on with: agentbatch requests run in.jsonl -o out.jsonl --concurrency 2 --resume" in err
        assert len(server.requests) < 20
        code, out, _ = await ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl", "--resume")
        assert (code, len(lines_of(tmp_path / "out.jsonl"))) == (0, 300)
        assert "300 requests" in out


async def test_ctrl_c_ends_calls_under_way_and_says_how_to_go_on(tmp_path: Path) -> None:
    write_input(tmp_path, 500)
    async with endpoint(latency=0.2) as server:
        process = await asyncio.create_subprocess_exec(
            *command("in.jsonl", "-o", "out.jsonl"), cwd=tmp_path, env=environ_of(tmp_path, server.base_url),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(server.requests) < 30:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 130
        assert "Go on with: agentbatch requests run in.jsonl -o out.jsonl --resume" in err.decode()
        paid = len(server.requests)
        assert len(lines_of(tmp_path / "out.jsonl")) == paid  # every call that was sent was waited for
        code, _, _ = await ran(
            tmp_path, server, "in.jsonl", "-o", "out.jsonl", "--resume", "--concurrency", "50"
        )
        assert (code, len(server.requests)) == (0, 500)


async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with endpoint(latency=0.2) as server:
        first = asyncio.ensure_future(ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl"))
        while len(server.requests) < 5:
            await asyncio.sleep(0.02)
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "b.jsonl", "--resume")
        assert code == 2
        assert "is being worked on by process" in err
        assert (await first)[0] == 0
