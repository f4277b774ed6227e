"""Answers kept from one batch to the next."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.requests import BatchRequest
from agentbatch.requests.journal.cache import ResponseCache
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.usage import Usage
from tests.requests.conftest import Serve


def body(text: str = "Yes.", finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    return {"model": "m", "choices": [choice]}


def result(answer: dict[str, Any] | None = None, **changes: Any) -> BatchResult:
    given: dict[str, Any] = {"status_code": 200, "body": answer or body(), "usage": Usage(input=3, output=2)}
    return BatchResult("a", 0, **{**given, "cost": 0.5, **changes})


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    with closing(ResponseCache(tmp_path / "cache" / "answers.db")) as opened:
        yield opened


def keep(cache: ResponseCache, key: str, kept: BatchResult) -> str:
    line = kept.line()
    cache.put(key, kept, line)
    return line


def damage(path: Path, line: str | bytes | int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE answers SET line = ?", (line,))


def test_an_answer_is_found_by_what_was_asked(cache: ResponseCache) -> None:
    line = keep(cache, "k", result(body("Grüße, 🌍")))
    assert cache.get("k") == line
    assert cache.get("other") is None


def test_an_answer_is_good_for_a_time(tmp_path: Path) -> None:
    now = [1_000.0]
    path = tmp_path / "answers.db"
    with closing(ResponseCache(path, expires=60.0, clock=lambda: now[0])) as cache:
        line = keep(cache, "k", result())
        now[0] = 1_059.0
        assert cache.get("k") == line
        now[0] = 1_060.0
        assert cache.get("k") is None
        assert [kept.answers for kept in cache.kept()] == [1]
    with closing(ResponseCache(path, expires=60.0, clock=lambda: now[0])) as cache:
        assert cache.kept() == []  # what has expired is gone when it is opened


@pytest.mark.parametrize(
    "unfit",
    [
        result(error=BatchError("400", "The endpoint says no.")),
        BatchResult("a", 0, status_code=200),
        result(body(finish="length")),
        result(body(finish="content_filter")),
        result(body("", refusal="I would rather not.")),
        result({"model": "m", "status": "incomplete", "output": []}),
    ],
    ids=["failed", "no-body", "cut-off", "filtered", "refused", "incomplete"],
)
def test_what_is_not_worth_keeping(cache: ResponseCache, unfit: BatchResult) -> None:
    keep(cache, "k", unfit)
    assert cache.get("k") is None
    assert cache.kept() == []


def test_two_batches_on_one_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    with closing(ResponseCache(path)) as first, closing(ResponseCache(path)) as second:
        ones = [keep(first, f"a{n}", result()) for n in range(20)]
        twos = [keep(second, f"b{n}", result(body("No."))) for n in range(20)]
        assert [second.get(f"a{n}") for n in range(20)] == ones
        assert [first.get(f"b{n}") for n in range(20)] == twos
        assert [kept.answers for kept in first.kept()] == [40]


def test_what_is_kept_is_told_by_model(cache: ResponseCache) -> None:
    keep(cache, "a", result())
    keep(cache, "b", result(cost=None))
    keep(cache, "c", result({**body(), "model": "z"}))
    kept = cache.kept()
    assert [(k.model, k.answers, k.tokens, k.cost) for k in kept] == [("m", 2, 10, None), ("z", 1, 5, 0.5)]
    assert cache.clear() == 3
    assert cache.get("a") is None


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    path.write_text("hello " * 100)
    with pytest.raises(UserError, match=r"answers\.db is not a cache of agentbatch"):
        ResponseCache(path)
    with pytest.raises(UserError, match="cannot be made"):
        ResponseCache(path / "below" / "answers.db")
    assert path.read_text() == "hello " * 100


@pytest.mark.parametrize(
    "line",
    [
        '{"custom_id": "a", "response": {"sta',
        b"\xff\xfe{",
        "[" * 100_000,
        "[]",
        "null",
        7,
        "{}",
        json.dumps({"custom_id": "a", "response": {"status_code": 500, "body": {}}, "error": None}),
        json.dumps({"custom_id": "a", "response": {"status_code": 200, "body": "Yes."}, "error": None}),
        json.dumps({"custom_id": "a", "response": {"status_code": 200, "body": {}}, "error": {"code": "x"}}),
    ],
    ids=["torn", "bytes", "deep", "list", "null", "number", "empty", "500", "no-body", "error"],
)
def test_a_damaged_line_is_forgotten(tmp_path: Path, line: str | bytes | int) -> None:
    path = tmp_path / "answers.db"
    with closing(ResponseCache(path)) as cache:
        keep(cache, "k", result())
        damage(path, line)
        assert cache.get("k") is None
        assert cache.kept() == []


async def test_a_damaged_line_costs_a_call_and_not_the_batch(serve: Serve, tmp_path: Path) -> None:
    path, asked = tmp_path / "answers.db", [BatchRequest.ask("a", "Say 1")]
    with closing(ResponseCache(path)) as cache:
        async with serve(cache=cache) as (processor, server):
            await processor.run(asked)
            damage(path, "{")
            again = await processor.run(asked)
            third = await processor.run(asked)
            assert len(server.requests) == 2
    assert [run.results[0].ok for run in (again, third)] == [True, True]
    assert (again.stats.cached, third.stats.cached) == (0, 1)  # what came the second time is kept


def test_a_file_that_cannot_be_used_any_more_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    with closing(ResponseCache(path)) as cache:
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE answers")
        with pytest.raises(OSError, match=r"The cache .*answers\.db cannot be used: no such table"):
            cache.get("k")
