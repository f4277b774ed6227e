"""What a call took is in the journal as soon as it is answered, once, whatever becomes of its request."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agentbatch.rehearsal.plain.endpoint import Plain
from agentbatch.rehearsal.script import Fault
from agentbatch.requests import BatchRequest
from agentbatch.requests.journal.journal import Done, Journal
from agentbatch.requests.journal.reading import SessionUsage
from agentbatch.spending.pricing import Prices
from tests.requests.conftest import Serve
from tests.support.waiting import PATIENCE, until

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    """A dollar for a million tokens of input, two for as many of output."""
    own = tmp_path / "prices.toml"
    own.write_text('[models."m"]\ninput = 1.0\noutput = 2.0\n')
    return Prices.load(own)


def asks(count: int) -> list[BatchRequest]:
    return [BatchRequest.ask(f"r{n}", f"Say {n}") for n in range(count)]


def answer(content: str, given: int, written: int) -> Fault:
    """A scripted answer, with its bill."""
    document = {
        "choices": [{"message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": given, "completion_tokens": written},
    }
    return Fault(kind="garbage", body=json.dumps(document))


BROKEN = answer('{"n": "not a number"}', 10, 4)


class Found(NamedTuple):
    """The sums of a journal."""

    attempts: int
    input: int
    output: int
    cost: float | None

    @property
    def tokens(self) -> tuple[int, int]:
        return self.input, self.output


def spent(path: Path) -> Found:
    """What another process finds: what is left when this one is killed now."""
    with closing(sqlite3.connect(path)) as there:
        row = there.execute(
            "SELECT sum(attempts), sum(input), sum(output), sum(cost) FROM requests"
        ).fetchone()
    return Found(*row)


@pytest.mark.parametrize("now", [False, True])
async def test_an_answer_that_broke_its_schema_is_charged_though_the_batch_stops(
    serve: Serve, tmp_path: Path, prices: Prices, now: bool
) -> None:
    path = tmp_path / "j.db"
    # The second call: under way and cut off, or refused and not tried again.
    second = Fault(kind="hang") if now else Fault(status=429, headers={"retry-after": "60"})
    options: dict[str, Any] = {"json_schema": SCHEMA, "journal": path, "prices": prices, "concurrency": 1}
    async with serve(server={"faults": [BROKEN, second]}, **options) as (processor, server):
        running = asyncio.ensure_future(processor.run(asks(1)))
        await until(lambda: len(server.requests) == 2)
        assert spent(path).tokens == (10, 4)  # though nothing has ended
        if not now:
            await until(lambda: not processor.endpoint.limits.active)
        processor.stop(now=now)
        run = await asyncio.wait_for(running, PATIENCE)
        assert (run.stats.ok, run.stats.failed) == (0, 0)
        assert (run.stats.usage.input, run.stats.usage.output, run.stats.usage.calls) == (10, 4, 1)
        assert run.stats.cost == pytest.approx((10 + 2 * 4) / 1e6)
    assert spent(path).tokens == (10, 4)
    async with serve(**options) as (processor, _):
        again = await processor.run(asks(1))
    assert again.stats.ok == 1
    usage = again.stats.usage
    found = spent(path)
    assert found.tokens == (10 + usage.input, 4 + usage.output)
    assert found.cost == pytest.approx((10 + usage.input + 2 * (4 + usage.output)) / 1e6)


async def test_both_answers_are_charged_once_when_the_second_ends_the_request(
    serve: Serve, tmp_path: Path, prices: Prices
) -> None:
    path, faults = tmp_path / "j.db", [BROKEN, answer('{"n": 7}', 30, 2)]
    async with serve(server={"faults": faults}, json_schema=SCHEMA, journal=path, prices=prices) as (
        processor,
        _,
    ):
        run = await processor.run(asks(1))
    assert [result.data for result in run.results] == [{"n": 7}]
    assert run.results[0].usage.total == run.stats.usage.total == 46
    found = spent(path)
    assert (found.tokens, found.attempts) == ((40, 6), 2)
    assert found.cost == pytest.approx(run.stats.cost) == pytest.approx(52 / 1e6)


async def test_a_second_broken_answer_is_charged_though_the_batch_stops_meanwhile(
    serve: Serve, tmp_path: Path
) -> None:
    """The request stays pending; what it took is not forgotten."""
    path = tmp_path / "j.db"
    never = {"type": "object", "properties": {"n": {"type": "integer", "multipleOf": 7}}}
    async with serve(server={"latency": 0.3}, json_schema=never, journal=path) as (processor, server):
        running = asyncio.ensure_future(processor.run(asks(1)))
        await until(lambda: len(server.requests) == 2)
        processor.stop()
        run = await asyncio.wait_for(running, PATIENCE)
        assert server.plain is not None
        billed = server.plain.tokens
    assert (run.stats.ok, run.stats.failed, run.stats.usage.calls) == (0, 0, 2)
    assert run.stats.usage.total == sum(spent(path).tokens) == billed > 0


async def test_a_pack_whose_answers_cannot_be_read_is_charged_though_the_batch_stops(
    serve: Serve, tmp_path: Path
) -> None:
    path, faults = tmp_path / "j.db", [answer("no JSON at all", 100, 8), Fault(kind="hang")]
    async with serve(server={"faults": faults}, batch_size=4, journal=path, concurrency=1) as (
        processor,
        server,
    ):
        running = asyncio.ensure_future(processor.run(asks(4)))
        await until(lambda: len(server.requests) == 2)
        assert spent(path).tokens == (100, 8)
        processor.stop(now=True)
        run = await asyncio.wait_for(running, PATIENCE)
    assert (run.stats.usage.input, run.stats.usage.output, run.stats.usage.calls) == (100, 8, 1)
    assert spent(path).tokens == (100, 8)


async def test_every_item_of_a_pack_is_charged_before_all_are_told(serve: Serve, tmp_path: Path) -> None:
    path, texts = tmp_path / "j.db", {f"r{n}": "an answer" for n in range(7)}  # three are missing
    faults = [answer(json.dumps(texts), 100, 80)]
    async with serve(server={"faults": faults}, batch_size=10, journal=path, concurrency=1) as (processor, _):
        told = 0
        async for _result in processor.stream(asks(10)):
            told += 1
            if told == 1:
                # The others wait for room on the way out.
                await until(lambda: spent(path).tokens == (100, 80))
    assert told == 10


@pytest.mark.parametrize("batch_size", [1, 4])
async def test_the_journal_the_figures_and_the_server_agree(
    serve: Serve, tmp_path: Path, prices: Prices, batch_size: int
) -> None:
    """Also where packs are answered badly, and answers are asked for again."""
    path, plain = tmp_path / "j.db", Plain(careless=True)
    async with serve(plain, journal=path, prices=prices, batch_size=batch_size) as (processor, server):
        run = await processor.run(asks(40))
        assert server.plain is not None
        billed = server.plain.tokens
    assert run.stats.ok == 40
    assert run.stats.usage.total == sum(spent(path).tokens) == billed
    assert run.stats.cost == pytest.approx(spent(path).cost)


async def test_a_charge_reaches_the_disk_by_itself(tmp_path: Path) -> None:
    """The next call may have to wait for long."""
    path = tmp_path / "j.db"
    with closing(Journal(path)) as journal:
        n = journal.add("a", "k", 0).n
        journal.commit()
        journal.charge(n, 10, 4, None)
        await until(lambda: spent(path).tokens == (10, 4))


async def test_an_unknown_price_stays_unknown(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j.db")) as journal:
        first, second = journal.add("a", "k1", 0).n, journal.add("b", "k2", 1).n
        journal.charge(first, 10, 4, None)
        journal.charge(first, 10, 4, 0.5)
        journal.charge(second, 1, 1, 0.25)
        journal.charge(second, 1, 1, 0.25)
        await journal.finish(second, Done(True, "{}", "", 1, 1, 0.25))
        assert journal.spent() == SessionUsage(0, 23, 11, None, 2)
        rows = journal.connection.execute("SELECT cost FROM requests ORDER BY n").fetchall()
    assert rows == [(None,), (0.75,)]
