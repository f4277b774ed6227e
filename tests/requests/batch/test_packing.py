"""Several requests in one call: the body, the answers by id, what each is charged."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentbatch.rehearsal.plain.answers import item_text, packed_items, plain_document
from agentbatch.rehearsal.plain.endpoint import Plain
from agentbatch.rehearsal.script import Fault
from agentbatch.requests import BatchRequest
from agentbatch.requests.batch.executor import Item
from agentbatch.requests.batch.pack_executor import halves
from agentbatch.requests.batch.packing import (
    MAX_OPEN,
    MAX_TEXT_LENGTH,
    Packer,
    frame,
    pack_body,
    read_pack,
    shares,
)
from agentbatch.requests.spec.structured import check_schema
from agentbatch.spending.pricing import Prices
from tests.requests.conftest import Serve
from tests.support.waiting import PATIENCE

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def ask(name: str, text: str = "Hi", **more: Any) -> BatchRequest:
    made = BatchRequest.ask(name, text, system="Be brief.", model="m")
    return made.model_copy(update={"body": {**made.body, **more}})


def asks(count: int, text: str = "Say {}") -> list[BatchRequest]:
    return [BatchRequest.ask(f"r{n}", text.format(n)) for n in range(count)]


def item(n: int, request: BatchRequest) -> Item:
    return Item(n, n, request)


# which go together ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [ask("b", temperature=1), ask("b", seed=1), BatchRequest.ask("b", "Hi", model="m"),
     BatchRequest.ask("b", "Hi", system="Be brief.", model="m2"), ask("b", response_format={"type": "json_object"})],
)  # fmt: skip
def test_only_what_agrees_but_for_its_text_goes_together(other: BatchRequest) -> None:
    assert frame(ask("a")) == frame(ask("b", "Another question"))
    assert frame(other) not in (None, frame(ask("a")))


@pytest.mark.parametrize(
    "alone",
    [
        ask("a", "x" * (MAX_TEXT_LENGTH + 1)),
        ask("a", ""),
        ask("a" * 65),
        ask("a", tools=[{}]),
        ask("a", n=2),
        ask("a", messages=[]),
        ask("a", messages="odd"),
        ask("a", messages=[{"role": "assistant", "content": "x"}]),
        ask("a", messages=[{"role": "user", "content": [{"type": "text", "text": "x"}]}]),
        ask("a", messages=[{"role": "user", "content": "x", "name": "Ada"}]),
        BatchRequest(id="a", url="/v1/embeddings", body={"model": "m", "input": "x"}),
        BatchRequest.ask("a", "x", json_schema={"$defs": {"n": {}}, "items": {"$ref": "#/$defs/n"}}),
    ],
)
def test_what_goes_alone(alone: BatchRequest) -> None:
    assert frame(alone) is None
    assert Packer(5).add(item(0, alone)) == (item(0, alone),)


def test_packs_fill_up_by_what_they_have_in_common() -> None:
    packer = Packer(2)
    warm = [item(n, ask(f"w{n}", temperature=1)) for n in range(2)]
    cold = [item(n + 10, ask(f"c{n}")) for n in range(2)]
    assert packer.add(warm[0]) is None
    assert packer.add(cold[0]) is None
    assert packer.add(cold[1]) == (cold[0], cold[1])
    assert len(packer) == 1
    assert packer.pop() == (warm[0],)
    assert packer.pop() is None
    many = [packer.add(item(n, ask("a", seed=n))) for n in range(MAX_OPEN + 1)]
    assert many == [None] * MAX_OPEN + [(item(0, ask("a", seed=0)),)]


# asking and reading --------------------------------------------------------------------------------------------------


def test_the_body_asks_for_all_by_id() -> None:
    body = pack_body([ask("a", "One?", max_tokens=10), ask("b", 'Two "quoted"?', max_tokens=10)])
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert packed_items(body) == {"a": "One?", "b": 'Two "quoted"?'}
    assert body["max_tokens"] == 2 * (10 + 24)
    assert "response_format" not in body


def test_a_schema_counts_for_each_answer() -> None:
    requests = [BatchRequest.ask(name, "x", json_schema=NUMBER) for name in "ab"]
    form = pack_body(requests)["response_format"]["json_schema"]["schema"]
    checked = check_schema(form, "s").validator
    assert checked.is_valid({"a": {"n": 1}, "b": {"n": 2}})
    assert not checked.is_valid({"a": {"n": 1}})
    assert not checked.is_valid({"a": {"n": 1}, "b": {"n": "2"}})


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ('{"a": "x", "b": "y"}', {"a": "x", "b": "y"}),
        ('{"b": "y", "a": "x"}', {"a": "x", "b": "y"}),
        ('Sure!\n```json\n{"a": "x"}\n```', {"a": "x"}),
        ('{"a": "x", "c": "invented"}', {"a": "x"}),
        ('{"a": null, "a": "x", "a": "later"}', {"a": "x"}),
        ('{"a": 7, "b": true}', {"a": "7", "b": "true"}),
        ('{"a": "", "b": ["y"]}', {}),
        ('{"a": {"a": "nested"}, "b": "y"}', {"b": "y"}),
        ('{"a": "x", "b": "y', {}),
        ('["a", "b"]', {}),
        ("", {}),
        ("{" * 100_000 + "}", {}),
    ],
)
def test_answers_by_id(text: str, answers: dict[str, str]) -> None:
    assert read_pack(text, ["a", "b"], None) == answers


def test_answers_that_break_the_schema_are_none() -> None:
    text = '{"a": {"n": "1"}, "a": {"n": 2}, "b": {"n": 1.5}, "c": {"n": 3}}'
    assert read_pack(text, ["a", "b"], check_schema(NUMBER, "s")) == {"a": '{"n": 2}'}


@pytest.mark.parametrize(
    ("whole", "weights", "parts"),
    [
        (10, [1, 1], [5, 5]),
        (10, [1, 1, 1], [3, 4, 3]),
        (7, [0, 0], [4, 3]),
        (0, [1, 2], [0, 0]),
        (100, [1, 0, 3], [25, 0, 75]),
    ],
)
def test_shares_add_up(whole: int, weights: list[float], parts: list[int]) -> None:
    assert shares(whole, weights) == parts


def test_halves() -> None:
    items = [item(n, ask(str(n))) for n in range(5)]
    assert halves(items) == [items[:3], items[3:]]
    assert halves(items[:1]) == [items[:1]]
    assert halves([]) == []


# whole batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_careless_model_and_yet_the_right_answers_and_charges(
    serve: Serve, tmp_path: Any, size: int, seed: int
) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[models."m"]\ninput = 2.0\noutput = 8.0\n')
    async with serve(
        Plain(careless=True, seed=seed), batch_size=size, concurrency=4, prices=Prices.load(own)
    ) as (processor, server):
        run = await processor.run(asks(60))
    assert [result.id for result in run.results] == [f"r{n}" for n in range(60)]
    for n, result in enumerate(run.results):
        alone = plain_document("/chat/completions", BatchRequest.ask("x", f"Say {n}").body, 0)
        assert result.text in (item_text(f"Say {n}"), alone["choices"][0]["message"]["content"])
    packs = [packed_items(request.body) or {} for request in server.requests]
    assert sum(len(pack) == size for pack in packs) == 60 / size
    assert len(packs) > 60 / size
    assert server.plain is not None
    usage = run.stats.usage
    assert usage.total == server.plain.tokens == sum(result.usage.total for result in run.results)
    assert run.stats.cost == pytest.approx((usage.input * 2 + usage.output * 8) / 1e6)
    assert run.stats.attempts == usage.calls == len(server.requests)
    assert run.stats.retries == 0
    assert min(result.usage.total for result in run.results) > 0


async def test_only_what_is_missing_is_asked_again(serve: Serve) -> None:
    answer = {"choices": [{"message": {"content": '{"r0": "zero", "r2": "two", "rX": "?"}'}}],
              "usage": {"prompt_tokens": 60, "completion_tokens": 12}}  # fmt: skip
    fault = Fault(kind="garbage", body=json.dumps(answer))
    async with serve(server={"faults": [fault]}, batch_size=5, concurrency=1) as (processor, server):
        run = await processor.run(asks(5))
    assert [list(packed_items(r.body) or {}) for r in server.requests] == [
        ["r0", "r1", "r2", "r3", "r4"],
        ["r1", "r3", "r4"],
    ]
    assert [run.results[n].text for n in (0, 2)] == ["zero", "two"]
    assert [result.reasked for result in run.results] == [0, 1, 0, 1, 1]


async def test_a_pack_that_fails_is_halved_until_the_bad_one_stands_alone(serve: Serve) -> None:
    async with serve(server={"faults": [Fault(status=400, times=3)]}, batch_size=4, concurrency=1) as (
        processor,
        server,
    ):
        run = await processor.run(asks(4))
    sizes = [len(packed_items(request.body) or {"alone": ""}) for request in server.requests]
    assert sizes == [4, 2, 1, 1, 2]
    assert [result.ok for result in run.results] == [False, True, True, True]
    assert run.results[0].status_code == 400


async def test_no_quota_leaves_the_whole_pack_for_later(serve: Serve, tmp_path: Any) -> None:
    fault = Fault(status=429, code="insufficient_quota", message="You exceeded your current quota.")
    options = {"batch_size": 5, "concurrency": 1, "journal": tmp_path / "j.db"}
    async with serve(server={"faults": [fault]}, **options) as (processor, server):
        run = await processor.run(asks(5))
        assert "quota" in run.stopped
        assert len(server.requests) == 1
        again = await processor.run(asks(5))
    assert all(result.ok for result in again.results)


async def test_schemas_in_packs(serve: Serve) -> None:
    async with serve(Plain(careless=True), batch_size=5, json_schema=NUMBER) as (processor, _):
        run = await processor.run(asks(30))
    assert [result.data for result in run.results] == [{"n": 1}] * 30


async def test_a_pack_does_not_wait_for_requests_that_come_only_after_its_answers(serve: Serve) -> None:
    answered = asyncio.Event()

    async def one_after_the_other() -> AsyncIterator[BatchRequest]:
        for request in asks(2):
            yield request
            await asyncio.wait_for(answered.wait(), PATIENCE)

    async with serve(batch_size=5) as (processor, server):
        async for _ in processor.stream(one_after_the_other()):
            answered.set()
    assert len(server.requests) == 2
