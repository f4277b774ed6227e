"""`agentbatch requests run --provider-batch`, as a user runs it."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentbatch.rehearsal.faults.batch_service import BatchService, BatchServiceOptions
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.commands import Started
from tests.support.request_batches import ended, endpoint, environ_of, lines_of, ran, write_input
from tests.support.waiting import until

WORDS = ("in.jsonl", "-o", "out.jsonl", "--provider-batch")


@asynccontextmanager
async def provider(service: BatchServiceOptions) -> AsyncIterator[tuple[RehearsalServer, BatchService]]:
    async with endpoint(batch_service=service) as server:
        assert server.service is not None
        yield server, server.service


def started(folder: Path, server: RehearsalServer, *words: str) -> Started:
    return commands.start(
        "requests", "run", *WORDS, *words, cwd=folder, env=environ_of(folder, server.base_url)
    )


async def looked_at(server: RehearsalServer, service: BatchService) -> None:
    """Returns when somebody polls the first batch."""
    await until(
        lambda: service.ids and any(r.path == f"/v1/batches/{service.ids[0]}" for r in server.requests)
    )


@pytest.mark.slow
def test_without_a_key_the_rehearsal_server_plays_the_service(tmp_path: Path) -> None:
    write_input(tmp_path, 12)
    done = commands.run("requests", "run", *WORDS, "--ordered", cwd=tmp_path, env=environ_of(tmp_path, None))
    assert done.returncode == 0, done.stderr
    assert "12 requests: 12 ok, 0 failed" in done.stdout
    assert "12 answers from the provider's batch service" in done.stdout
    assert "12 requests uploaded: batch_" in done.stderr
    assert [line["custom_id"] for line in lines_of(tmp_path / "out.jsonl")] == [f"q{n}" for n in range(12)]
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.slow
async def test_a_kill_while_waiting_costs_nothing(tmp_path: Path) -> None:
    write_input(tmp_path, 30)
    async with provider(BatchServiceOptions(seconds=600.0)) as (server, service):
        process = started(tmp_path, server)
        await looked_at(server, service)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        direct, _, told = await ran(tmp_path, server, "in.jsonl", "-o", "out.jsonl", "--resume")
        assert direct == 2
        assert f"({service.ids[0]}): go on with --provider-batch too, or they are paid twice" in told
        service.options = BatchServiceOptions(seconds=0.0)
        code, out, err = await ran(tmp_path, server, *WORDS, "--resume")
        assert code == 0, err
        assert (service.uploads, service.created) == (1, 1)
        assert sorted(service.paid.values()) == [1] * 30
    assert "30 requests: 30 ok, 0 failed" in out
    assert sorted(line["custom_id"] for line in lines_of(tmp_path / "out.jsonl")) == sorted(
        f"q{n}" for n in range(30)
    )


@pytest.mark.slow
async def test_the_first_interrupt_leaves_the_batch_and_says_how_to_go_on(tmp_path: Path) -> None:
    write_input(tmp_path, 4)
    async with provider(BatchServiceOptions(seconds=600.0)) as (server, service):
        process = started(tmp_path, server)
        await looked_at(server, service)
        process.send_signal(signal.SIGINT)
        code, _, told = await ended(process)
        assert code == 130
        assert "Stopping: the provider's batches continue, and a resume fetches their answers." in told
        assert f"{service.ids[0]} goes on at the provider" in told
        assert "Resume with: agentbatch requests run in.jsonl -o out.jsonl --provider-batch --resume" in told
        assert not any(request.path.endswith("/cancel") for request in server.requests)
        service.options = BatchServiceOptions(seconds=0.0)
        code, out, _ = await ran(tmp_path, server, *WORDS, "--resume")
        assert (code, service.uploads) == (0, 1)
    assert "4 requests: 4 ok" in out


@pytest.mark.slow
async def test_the_second_interrupt_cancels_it(tmp_path: Path) -> None:
    write_input(tmp_path, 4)
    async with provider(BatchServiceOptions(seconds=600.0)) as (server, service):
        process = started(tmp_path, server)
        await looked_at(server, service)
        process.send_signal(signal.SIGINT)
        await until(lambda: "Stopping" in process.complaints())
        process.send_signal(signal.SIGINT)
        code, _, told = await ended(process)
        assert code == 130
        assert f"{service.ids[0]} is cancelled at the provider" in told
        assert any(request.path == f"/v1/batches/{service.ids[0]}/cancel" for request in server.requests)


async def test_what_came_back_without_an_answer_is_told_with_the_command(tmp_path: Path) -> None:
    write_input(tmp_path, 10)
    async with provider(BatchServiceOptions(seconds=0.2, expires_after=0.5)) as (server, service):
        code, out, err = await ran(tmp_path, server, *WORDS)
        assert code == 1
        assert "10 requests: 5 ok, 0 failed, 5 not asked" in out
        told = " ".join(err.split())
        assert f"5 requests of {service.ids[0]} came back without an answer (it expired)" in told
        assert "Resume with: agentbatch requests run in.jsonl -o out.jsonl --provider-batch --resume" in told
    assert len(lines_of(tmp_path / "out.jsonl")) == 5


async def test_an_endpoint_without_the_service(tmp_path: Path) -> None:
    write_input(tmp_path, 2)
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, *WORDS)
    assert code == 1
    assert "has no batch service" in " ".join(err.split())
    assert "Traceback" not in err


async def test_the_cost_is_half(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    (tmp_path / "prices.toml").write_text('[models."m-test"]\ninput = 1000000\noutput = 1000000\n')
    async with provider(BatchServiceOptions(seconds=0.2)) as (server, _):
        code, out, err = await ran(tmp_path, server, *WORDS, "--json")
        assert code == 0, err
        end = json.loads(out.splitlines()[-1])
        assert end["cost"] == pytest.approx((end["tokens"]["input"] + end["tokens"]["output"]) / 2)
        _, plan, _ = await ran(
            tmp_path, server, "in.jsonl", "--dry-run", "--provider-batch", "--max-tokens", "10"
        )
        assert "through the provider's batch service, at half price" in plan


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rpm", "5"), "--rpm means nothing with --provider-batch"),
        (("--concurrency=10", "--tpm", "9"), "--concurrency and --tpm mean nothing with --provider-batch"),
        (("--throttle-ms", "0"), "--throttle-ms means nothing with --provider-batch"),
        (("--batch-size", "2"), "--batch-size means nothing with --provider-batch"),
    ],
)
def test_flags_that_make_no_sense_are_refused(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    write_input(tmp_path, 1)
    done = commands.run("requests", "run", *WORDS, *words, cwd=tmp_path, env=environ_of(tmp_path, None))
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert not (tmp_path / "out.jsonl").exists()
