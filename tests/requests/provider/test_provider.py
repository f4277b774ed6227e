"""A batch through the provider's batch service, on a rehearsal server that plays it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.rehearsal.faults.batch_service import BatchServiceOptions
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests import (
    BatchProcessor,
    BatchRequest,
    BatchRun,
    ProviderOptions,
    ResponseCache,
    RetryPolicy,
)
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.provider.ledger import batches_at_provider
from agentbatch.spending.pricing import Prices
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE

FAST = ProviderOptions(first_poll=0.01, longest_poll=0.05, grace=0.05)

SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


def asked(count: int, **options: Any) -> list[BatchRequest]:
    return [BatchRequest.ask(f"q{n}", f"Say {n}", **options) for n in range(count)]


class Stage:
    """A server with a batch service, and passes over one journal."""

    def __init__(self, server: RehearsalServer, folder: Path) -> None:
        assert server.service is not None
        self.server, self.service, self.folder = server, server.service, folder
        self.notices: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server.base_url.split(":")[2].split("/")[0])

    def processor(self, **options: Any) -> BatchProcessor:
        given: dict[str, Any] = {
            "base_url": self.server.base_url, "api_key": KEY, "model": "m",
            "journal": self.folder / "journal.db", "provider_batch": FAST, "on_notice": self.notices.append,
            "retry": RetryPolicy(max_retries=2, delay=0.01),
        }  # fmt: skip
        return BatchProcessor(**{**given, **options})

    async def run(self, requests: list[BatchRequest], **options: Any) -> BatchRun:
        async with self.processor(**options) as processor:
            return await asyncio.wait_for(processor.run(requests), PATIENCE)


@asynccontextmanager
async def stage(
    folder: Path, service: BatchServiceOptions | None = None, **server: Any
) -> AsyncIterator[Stage]:
    options = service or BatchServiceOptions(seconds=0.1)
    async with RehearsalServer(plain=True, batch_service=options, **server) as rehearsal:
        yield Stage(rehearsal, folder)


def texts(run: BatchRun) -> dict[str, str]:
    return {result.id: result.text for result in run.results}


async def test_the_answers_are_those_of_plain_calls(tmp_path: Path) -> None:
    requests = asked(25)
    async with stage(tmp_path) as at:
        run = await at.run(requests)
        plain = await at.run(requests, journal=None, provider_batch=False)
        assert (at.service.uploads, at.service.created) == (1, 1)
    assert run.stopped == ""
    assert (run.stats.ok, run.stats.attempts) == (25, 25)
    assert texts(run) == texts(plain)
    assert [result.id for result in run.results] == [request.id for request in requests]
    assert any(f"uploaded: {at.service.ids[0]}" in told for told in at.notices)
    assert f"{at.service.ids[0]}: completed" in at.notices
    assert not list(tmp_path.glob("journal-provider/*"))
    line = json.loads(run.results[3].line())
    assert (line["custom_id"], line["response"]["status_code"], line["error"]) == ("q3", 200, None)


async def test_large_inputs_and_different_requests_become_several_batches(tmp_path: Path) -> None:
    requests = asked(10) + [
        request.model_copy(update={"id": f"other {request.id}"}) for request in asked(3, model="n")
    ]
    vectors = [
        BatchRequest(id=f"v{n}", url="/v1/embeddings", body={"model": "e", "input": ["a", "b", str(n)]})
        for n in range(3)
    ]
    options = ProviderOptions(most_requests=4, first_poll=0.01, longest_poll=0.05)
    async with stage(tmp_path) as at:
        run = await at.run(requests + vectors, provider_batch=options)
        uploads = at.service.uploads
    # 4 + 4 + 2 of m, 3 of n, and 3 embeddings of 3 inputs each, of which 4 inputs fit: one a batch
    assert uploads == 3 + 1 + 3
    assert run.stats.ok == 16
    small = ProviderOptions(most_bytes=400, first_poll=0.01, longest_poll=0.05)
    async with stage(tmp_path) as at:
        run = await at.run(asked(10), provider_batch=small, journal=tmp_path / "small.db")
        assert run.stats.ok == 10
        assert 3 <= at.service.uploads <= 10


async def stopped_while_waiting(
    at: Stage, requests: list[BatchRequest], *, now: bool, **options: Any
) -> BatchRun:
    async with at.processor(**options) as processor:
        running = asyncio.ensure_future(processor.run(requests))
        while at.service.created == 0 or not any("in progress" in told for told in at.notices):
            await asyncio.sleep(0.01)
        processor.stop("It was interrupted.", now=now)
        return await asyncio.wait_for(running, PATIENCE)


async def test_a_stop_leaves_the_batch_at_work_and_a_resume_fetches_it(tmp_path: Path) -> None:
    requests = asked(6)
    async with stage(tmp_path, BatchServiceOptions(seconds=1.0)) as at:
        first = await stopped_while_waiting(at, requests, now=False)
        assert (first.stopped, first.stats.ok) == ("It was interrupted.", 0)
        assert f"{at.service.ids[0]} goes on at the provider; a resume fetches the answers." in at.notices
        assert batches_at_provider(tmp_path / "journal.db") == at.service.ids
        with pytest.raises(UserError, match=r"batch_.*--provider-batch too, or they are paid twice"):
            await at.run(requests, provider_batch=False)
        second = await at.run(requests)
        assert (second.stats.ok, at.service.uploads, at.service.created) == (6, 1, 1)
        assert set(at.service.paid.values()) == {1}
    assert batches_at_provider(tmp_path / "journal.db") == []


async def test_a_second_stop_cancels_it_and_a_resume_reads_its_part_and_asks_the_rest(tmp_path: Path) -> None:
    requests = asked(20)
    async with stage(tmp_path, BatchServiceOptions(seconds=1.0)) as at:
        first = await stopped_while_waiting(at, requests, now=True)
        assert first.stats.ok == 0
        assert (
            f"{at.service.ids[0]} is cancelled at the provider; a resume reads what it has answered."
            in at.notices
        )
        second = await at.run(requests)
        assert (second.stats.ok, second.stopped) == (20, "")
        assert at.service.uploads == 2
        assert set(at.service.paid.values()) == {1}
        assert any("without an answer, asked again" in told for told in at.notices)


async def test_what_an_expired_batch_did_not_answer_is_open_again(tmp_path: Path) -> None:
    requests = asked(10)
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, expires_after=0.7)) as at:
        first = await at.run(requests)
        assert (first.stats.ok, first.stats.failed, at.service.uploads) == (7, 0, 1)
        expected = f"3 requests of {at.service.ids[0]} came back without an answer (it expired): a resume asks again."
        assert first.stopped == expected
    async with stage(tmp_path, port=at.port) as at:
        second = await at.run(requests)
        assert (second.stats.ok, second.stats.skipped, second.stopped) == (3, 7, "")
        assert len(at.service.paid) == 3


async def test_what_fails_there_fails_with_its_reason(tmp_path: Path) -> None:
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, errors=0.25)) as at:
        run = await at.run(asked(8))
    assert (run.stats.ok, run.stats.failed, run.stopped) == (6, 2, "")
    failed = [result for result in run.results if not result.ok]
    assert [result.status_code for result in failed] == [400, 400]
    assert "Request 3 fails by option" in (failed[0].error.message if failed[0].error else "")


async def test_a_refused_batch_is_told_with_the_request_that_was_refused(tmp_path: Path) -> None:
    words = BatchServiceOptions(seconds=0.1, refuses="The line has no model")
    async with stage(tmp_path, words) as at:
        run = await at.run(asked(3))
        assert "it failed: The line has no model (request 'q1')" in run.stopped
        assert (run.stats.ok, run.stats.failed, at.service.paid) == (0, 0, {})
    async with stage(tmp_path) as at:
        assert (await at.run(asked(3))).stats.ok == 3


async def test_strange_files_neither_break_nor_mix_anything(tmp_path: Path) -> None:
    requests = asked(5)
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, strange=True)) as at:
        run = await at.run(requests)
        plain = await at.run(requests, journal=None, provider_batch=False)
    assert texts(run) == texts(plain)
    assert (run.stats.ok, run.stats.attempts, run.stopped) == (5, 5, "")
    told = f"{at.service.ids[0]}: 12 lines of its files answered nothing that was asked"
    assert told in at.notices


async def test_answers_that_do_not_fit_their_schema_are_asked_once_more_in_another_batch(
    tmp_path: Path,
) -> None:
    requests = [*asked(3, json_schema=SCHEMA), *asked(1)]
    requests[3] = requests[3].model_copy(update={"id": "plain"})
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, careless=True)) as at:
        run = await at.run(requests)
        assert (run.stats.ok, run.stats.attempts, run.stats.reasked, at.service.created) == (4, 7, 3, 2)
    assert all(isinstance(result.data["colour"], str) for result in run.results[:3])
    journal = Journal(tmp_path / "journal.db")
    assert journal.spent().attempts == 7
    journal.close()
    never = {"type": "object", "properties": {"colour": {"type": "string", "minLength": 500}}}
    async with stage(tmp_path) as at:
        run = await at.run(asked(1, json_schema=never), journal=tmp_path / "never.db")
        assert (run.stats.failed, at.service.created) == (1, 2)
    error = run.results[0].error
    assert error is not None
    assert error.code == "invalid_answer"


async def test_a_first_answer_is_not_paid_again_after_a_stop(tmp_path: Path) -> None:
    """The second batch never ran: what it should ask is asked by a resume, and the first answer stays paid once."""
    requests = asked(2, json_schema=SCHEMA)
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, careless=True)) as at:
        async with at.processor() as processor:
            running = asyncio.ensure_future(processor.run(requests))
            while at.service.created < 2:
                await asyncio.sleep(0.005)
            processor.stop("It was interrupted.", now=True)
            await asyncio.wait_for(running, PATIENCE)
        run = await at.run(requests)
        assert (run.stats.ok, run.stats.reasked) == (2, 2)
        assert set(at.service.paid.values()) == {1}


async def test_a_first_answer_that_is_read_twice_is_no_second_one(tmp_path: Path) -> None:
    """The disk gave out between the reading of the first answers and the packing of the second asking."""
    requests = asked(2, json_schema=SCHEMA)
    obstacle = tmp_path / "journal-provider" / "batch-2.jsonl"
    obstacle.mkdir(parents=True)
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, careless=True)) as at:
        with pytest.raises(OSError, match="batch-2"):
            await at.run(requests)
        obstacle.rmdir()
        run = await at.run(requests)
        assert (run.stats.ok, run.stats.reasked, run.stats.attempts) == (2, 2, 4)
        assert set(at.service.paid.values()) == {1}


async def test_equal_requests_are_paid_once_and_the_cache_serves(tmp_path: Path) -> None:
    requests = [BatchRequest.ask(f"q{n}", f"Say {n % 3}") for n in range(9)]
    cache = ResponseCache(tmp_path / "cache.db")
    async with stage(tmp_path) as at:
        run = await at.run(requests, cache=cache)
        assert (run.stats.ok, run.stats.attempts, len(at.service.paid)) == (9, 3, 3)
        again = await at.run(requests, cache=cache, journal=tmp_path / "second.db")
        assert (again.stats.ok, again.stats.attempts, at.service.uploads) == (9, 0, 1)
        each = await at.run(requests, dedupe=False, journal=tmp_path / "third.db")
        assert (each.stats.ok, each.stats.attempts) == (9, 9)
    cache.close()


async def test_who_asks_the_same_gets_the_answer_under_way_also_when_the_input_changed(
    tmp_path: Path,
) -> None:
    """The first one's line is gone when the batch goes on: the second, which followed it, takes over."""
    first, second = BatchRequest.ask("a", "Say it"), BatchRequest.ask("b", "Say it")
    async with stage(tmp_path, BatchServiceOptions(seconds=1.0)) as at:
        await stopped_while_waiting(at, [first, second], now=False)
        run = await at.run([second, BatchRequest.ask("c", "Say more")])
        assert (run.stats.ok, len(run.results)) == (2, 2)
        assert sorted(at.service.paid.values()) == [1, 1]
        assert [result.id for result in run.results] == ["b", "c"]


async def test_half_price_and_a_budget_that_is_held_before_each_upload(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[models."m"]\ninput = 1000000\noutput = 1000000\n', encoding="utf-8")  # a dollar a token
    prices = Prices.load(own)
    requests = asked(4, max_tokens=10)
    async with stage(tmp_path) as at:
        run = await at.run(requests, prices=prices)
        assert run.stats.cost == pytest.approx(run.stats.usage.total / 2)
        async with at.processor(prices=prices) as processor:
            estimate = processor.estimate(requests).cost
        assert estimate is not None
        options = ProviderOptions(most_requests=2, first_poll=0.01, longest_poll=0.05)
        held = await at.run(
            requests,
            prices=prices,
            max_cost=estimate * 0.6,
            journal=tmp_path / "held.db",
            provider_batch=options,
        )
        assert held.stats.ok == 2
        assert "does not hold 2 more requests" in held.stopped
        assert at.service.uploads == 2


async def test_an_answer_that_was_lost_makes_no_second_batch(tmp_path: Path) -> None:
    async with stage(tmp_path, BatchServiceOptions(seconds=0.1, loses_answer=True)) as at:
        run = await at.run(asked(4))
        assert (run.stats.ok, at.service.uploads, at.service.created) == (4, 1, 1)


async def test_a_batch_that_was_begun_when_the_process_died_is_found(tmp_path: Path) -> None:
    """The file's id is stored, the batch's is not: it is looked for before another is made."""
    requests = asked(4)
    async with stage(tmp_path, BatchServiceOptions(seconds=0.5)) as at:
        await stopped_while_waiting(at, requests, now=False)
        journal = Journal(tmp_path / "journal.db")
        journal.connection.execute("UPDATE provider_batches SET batch_id = NULL")
        journal.close()
        run = await at.run(requests)
        assert (run.stats.ok, at.service.uploads, at.service.created) == (4, 1, 1)


async def test_a_file_that_is_gone_before_its_batch_was_made_is_uploaded_anew(tmp_path: Path) -> None:
    requests = asked(4)
    async with stage(tmp_path, BatchServiceOptions(hangs="batches")) as at:
        await left_while_hanging(at, requests)
        assert (at.service.uploads, at.service.created) == (1, 0)
        assert len(batches_at_provider(tmp_path / "journal.db")) == 1
    async with stage(tmp_path, port=at.port) as at:
        run = await at.run(requests)
        assert (run.stats.ok, run.stopped, at.service.uploads, at.service.created) == (4, "", 1, 1)


async def left_while_hanging(at: Stage, requests: list[BatchRequest]) -> BatchRun:
    async with at.processor() as processor:
        running = asyncio.ensure_future(processor.run(requests))
        while not any(request.path == f"/v1/{at.service.options.hangs}" for request in at.server.requests):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        processor.stop("It was interrupted.", now=True)
        return await asyncio.wait_for(running, PATIENCE)


async def test_nobody_waits_for_a_service_that_hangs(tmp_path: Path) -> None:
    async with stage(tmp_path, BatchServiceOptions(hangs="files")) as at:
        run = await left_while_hanging(at, asked(2))
    assert (run.stopped, run.stats.ok) == ("It was interrupted.", 0)
    assert batches_at_provider(tmp_path / "journal.db") == []


async def test_an_endpoint_without_the_service_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with (
        RehearsalServer(plain=True) as server,
        BatchProcessor(
            base_url=server.base_url, model="m", journal=tmp_path / "journal.db", provider_batch=True
        ) as processor,
    ):
        run = await processor.run(asked(2))
    assert "has no batch service (POST /files was answered 404)" in run.stopped
    assert run.stats.failed == 0


async def test_a_service_that_falls_silent_loses_nothing(tmp_path: Path) -> None:
    requests = asked(3)
    options = ProviderOptions(first_poll=0.01, longest_poll=0.02, grace=0.05, patience=3)
    service = BatchServiceOptions(seconds=600.0)
    async with stage(tmp_path, service) as at, at.processor(provider_batch=options) as processor:
        running = asyncio.ensure_future(processor.run(requests))
        while not any("in progress" in told for told in at.notices):
            await asyncio.sleep(0.01)
        await at.server.__aexit__(None, None, None)
        run = await asyncio.wait_for(running, PATIENCE)
    assert "cannot be reached" in run.stopped
    assert batches_at_provider(tmp_path / "journal.db") == at.service.ids


async def test_a_batch_that_the_provider_does_not_know_is_not_paid_again(tmp_path: Path) -> None:
    requests = asked(3)
    async with stage(tmp_path, BatchServiceOptions(seconds=600.0)) as at:
        await stopped_while_waiting(at, requests, now=False)
        lost = at.service.ids[0]
    async with stage(tmp_path, port=at.port) as at:  # another account
        run = await at.run(requests)
        assert f"Is {lost} another account's" in run.stopped
        assert at.service.uploads == 0
        assert batches_at_provider(tmp_path / "journal.db") == [lost]
        forgetting = ProviderOptions(first_poll=0.01, longest_poll=0.05, forgets=True)
        run = await at.run(requests, provider_batch=forgetting)
        assert (run.stats.ok, run.stopped) == (3, "")


async def test_progress_counts_what_the_provider_has_done(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    async with stage(tmp_path, BatchServiceOptions(seconds=1.5)) as at:
        run = await at.run(
            asked(20), on_progress=lambda progress: told.append((progress.completed, progress.in_flight))
        )
    assert run.stats.ok == 20
    assert any(0 < completed < 20 and 0 < under_way < 20 for completed, under_way in told)
    assert told[-1][0] == 20


def test_it_needs_a_journal(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="provider_batch needs a journal"):
        BatchProcessor(provider_batch=True)
    with pytest.raises(ValueError, match="batch_size of 1"):
        BatchProcessor(provider_batch=True, journal=tmp_path / "j.db", batch_size=2)
