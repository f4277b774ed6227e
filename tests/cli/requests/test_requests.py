"""`agentbatch requests run`, as a user runs it."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Fault
from tests.support import commands
from tests.support.keys import KEY
from tests.support.request_batches import (
    ended,
    endpoint,
    environ_of,
    lines_of,
    ran,
    under_way,
    write_input,
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """On the rehearsal model: no key is set."""
    environ = environ_of(tmp_path, None)
    return lambda *words: commands.run("requests", "run", *words, cwd=tmp_path, env=environ)


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
        assert "Resume with: agentbatch requests run in.jsonl -o out.jsonl --concurrency 2 --resume" in err
        assert len(server.requests) < 20
        code, out, _ = await ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl", "--resume")
        assert (code, len(lines_of(tmp_path / "out.jsonl"))) == (0, 300)
        assert "300 requests" in out


@pytest.mark.slow
async def test_ctrl_c_ends_calls_under_way_and_says_how_to_go_on(tmp_path: Path) -> None:
    write_input(tmp_path, 500)
    words = ("in.jsonl", "-o", "out.jsonl")
    async with endpoint(latency=0.2) as server:
        async with under_way(tmp_path, server, *words, sent=30) as process:
            process.send_signal(signal.SIGINT)
            code, _, err = await ended(process)
        assert code == 130
        assert "Resume with: agentbatch requests run in.jsonl -o out.jsonl --resume" in err
        paid = len(server.requests)
        assert len(lines_of(tmp_path / "out.jsonl")) == paid  # every call that was sent was waited for
        code, _, _ = await ran(tmp_path, server, *words, "--resume", "--concurrency", "50")
        assert (code, len(server.requests)) == (0, 500)


@pytest.mark.slow
async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    write_input(tmp_path, 200)
    async with (
        endpoint(latency=3.0) as server,
        under_way(tmp_path, server, "in.jsonl", "-o", "out.jsonl", sent=5) as first,
    ):
        code, _, err = await ran(tmp_path, server, "in.jsonl", "-o", "b.jsonl", "--resume")
        assert code == 2
        assert "is being worked on by process" in err
        server.latency = 0.01
        assert (await ended(first))[0] == 0
