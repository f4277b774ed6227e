"""A batch of plain requests that is killed in its midst."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.request_batches import endpoint, environ_of, lines_of, ran, write_input
from tests.support.waiting import until

REQUESTS = 2_000
AT_ONCE = 40


@pytest.mark.slow
async def test_nothing_is_paid_twice_but_what_was_in_flight(tmp_path: Path) -> None:
    write_input(tmp_path, REQUESTS)
    words = ("in.jsonl", "-o", "out.jsonl", "--concurrency", str(AT_ONCE), "--ordered")
    rng = random.Random(7)
    in_flight = 0
    async with endpoint(latency=0.02) as server:
        for share in (0.25, 0.5 + rng.random() / 10):
            process = commands.start(
                "requests", "run", *words, *(["--resume"] if share > 0.3 else []),
                cwd=tmp_path, env=environ_of(tmp_path, server.base_url),
            )  # fmt: skip
            while len(server.requests) < REQUESTS * share and process.returncode is None:
                await asyncio.sleep(0.005)
            process.kill()
            await process.wait()
            in_flight += AT_ONCE
            await until(lambda: not server.in_flight)
        code, out, err = await ran(tmp_path, server, *words, "--resume")
        assert code == 0, err
        assert len(server.requests) <= REQUESTS + in_flight
    assert f"{REQUESTS:,} requests" in out
    found = lines_of(tmp_path / "out.jsonl")
    assert [line["custom_id"] for line in found] == [f"q{n}" for n in range(REQUESTS)]
    assert all(line["response"]["status_code"] == 200 for line in found)
    assert (
        json.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[-1])["custom_id"] == f"q{REQUESTS - 1}"
    )
