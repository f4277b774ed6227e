"""Failures of plain requests: how many of them end a batch, and what can be made of an output full of them."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault
from agentbatch.requests.run.failures import MIN_ENDED, FailureWatch, too_many_failed
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.spending.failure_limit import MAX_UNANSWERED_REQUESTS as OUTAGE
from tests.support.request_batches import endpoint, lines_of, ran, said, write_input

WORDS = ("in.jsonl", "-o", "out.jsonl", "--concurrency", "1", "--max-retries", "0")
REFUSED: dict[str, Any] = {"status": 400, "message": "That is not for me."}


@pytest.mark.parametrize(
    ("limit", "failed", "ended", "told"),
    [
        (None, 1_000, 1_000, ""),
        ("3", 0, 500, ""),
        ("3", 2, 2, ""),
        ("3", 3, 3, "3 requests have failed, as many as --max-failures allows."),
        ("3", 4, 9, "4 requests have failed, more than the 3 requests that --max-failures allows."),
        ("1", 1, 9, "1 request has failed, as many as --max-failures allows."),
        ("10%", 0, 100, ""),
        ("10%", 19, MIN_ENDED - 1, ""),
        ("10%", 1, MIN_ENDED, ""),
        ("10%", 2, MIN_ENDED, "2 of 20 requests have failed; --max-failures ends a batch at 10%."),
        ("10%", 2, 21, ""),
        ("5%", 1, MIN_ENDED, "1 of 20 requests has failed; --max-failures ends a batch at 5%."),
        ("0.1%", 1, 1_001, ""),
        ("0.1%", 2, 2_000, "2 of 2,000 requests have failed; --max-failures ends a batch at 0.1%."),
    ],
)
def test_how_many_failures_are_too_many(limit: str | None, failed: int, ended: int, told: str) -> None:
    assert too_many_failed(limit, failed, ended) == told


def _failed(kind: str) -> BatchResult:
    return BatchResult("a", 0, error=BatchError("c", "m", kind))


def test_the_watch_stops_once_and_for_the_first_cause() -> None:
    watch = FailureWatch("3")
    assert [watch.add(_failed("request")) for _ in range(5)] == [False, False, True, False, False]
    assert watch.cause.startswith("3 requests have failed")
    for _ in range(OUTAGE):
        watch.add(_failed("transient"))
    assert watch.cause.startswith("3 requests have failed")


def test_only_silence_in_a_row_is_an_outage() -> None:
    watch = FailureWatch(None)
    results = [_failed("transient")] * (OUTAGE - 1) + [_failed("request")] + [_failed("transient")] * OUTAGE
    assert [watch.add(result) for result in results] == [False] * (len(results) - 1) + [True]
    assert watch.cause == "The endpoint does not answer: 20 requests in a row failed, each after its retries."


@pytest.mark.parametrize("kind", ["denied", "model"])
def test_what_every_request_is_refused_stops_the_batch_and_one_alone_does_not(kind: str) -> None:
    watch = FailureWatch(None)
    answered = BatchResult("a", 0)
    results = [_failed(kind), answered] * OUTAGE + [_failed(kind)] * OUTAGE
    assert [watch.add(result) for result in results] == [False] * (len(results) - 1) + [True]
    assert watch.cause.startswith("The endpoint refuses: 20 requests in a row were refused")


@pytest.mark.slow
async def test_a_number_of_failures_ends_it_and_what_failed_is_asked_again(tmp_path: Path) -> None:
    write_input(tmp_path, 60)
    words = (*WORDS, "--max-failures", "3")
    async with endpoint([Fault(**REFUSED, times=3)]) as server:
        code, out, err = await ran(tmp_path, server, *words)
        assert code == 1
        assert "3 requests have failed, as many as --max-failures allows." in " ".join(err.split())
        assert "--max-failures 3 --retry-failed" in " ".join(err.split())
        assert 3 <= len(server.requests) <= 6
        assert ", 3 failed, " in out
        _, text, _ = await said(tmp_path, "status")
        assert "stopped: 3 requests have failed" in text
        before = len(server.requests)
        code, out, _ = await ran(tmp_path, server, *words, "--retry-failed")
        assert (code, "60 ok, 0 failed" in out) == (0, True)
        assert len(server.requests) == 60 + 3
        assert len(server.requests) - before < 60


@pytest.mark.slow
async def test_failures_of_an_earlier_session_do_not_count(tmp_path: Path) -> None:
    write_input(tmp_path, 30)
    words = (*WORDS, "--max-failures", "2")
    async with endpoint([Fault(**REFUSED, times=3)]) as server:
        assert (await ran(tmp_path, server, *words))[0] == 1
        code, out, err = await ran(tmp_path, server, *words, "--resume")
        assert code == 1
        assert "28 ok, 2 failed" in out or "27 ok, 3 failed" in out  # one more was under way at the stop
        assert "not asked" not in out
        assert "have failed" not in err


async def test_a_share_of_failures_ends_it(tmp_path: Path) -> None:
    write_input(tmp_path, 60)
    async with endpoint([Fault(**REFUSED, times=5)]) as server:
        code, _, err = await ran(tmp_path, server, *WORDS, "--max-failures", "25%")
        assert code == 1
        assert "5 of 20 requests have failed; --max-failures ends a batch at 25%." in " ".join(err.split())
        assert 20 <= len(server.requests) <= 23


async def test_a_smaller_share_of_failures_does_not(tmp_path: Path) -> None:
    write_input(tmp_path, 40)
    async with endpoint([Fault(**REFUSED, times=5)]) as server:
        code, out, err = await ran(tmp_path, server, *WORDS, "--max-failures", "26%")
        assert (code, "35 ok, 5 failed" in out, "ends a batch" in err) == (1, True, False)


@pytest.mark.parametrize("text", ["0", "101%", "some", "-3", "3.5", "0%"])
async def test_a_limit_that_is_none(tmp_path: Path, text: str) -> None:
    write_input(tmp_path, 1)
    code, _, err = await said(tmp_path, "requests", "run", *WORDS, f"--max-failures={text}")
    assert code == 2
    assert f"--max-failures: must be a number from 1 on, or a part of all like 10%, not '{text}'." in err
    assert not (tmp_path / ".agentbatch").exists()


async def test_an_output_of_failures_alone_has_no_rows(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    (tmp_path / "review.md").write_text("Is this right? {{answer}}\n", encoding="utf-8")
    async with endpoint([Fault(**REFUSED, times=3)]) as server:
        assert (await ran(tmp_path, server, *WORDS))[0] == 1
    assert [line["response"]["status_code"] for line in lines_of(tmp_path / "out.jsonl")] == [400] * 3
    code, out, err = await said(
        tmp_path, "requests", "make", "review.md", "--rows", "out.jsonl", "-o", "next.jsonl"
    )
    assert (code, out) == (2, "")
    assert err == "agentbatch: out.jsonl: all of its requests failed, so there is no answer to ask about.\n"
    assert not (tmp_path / "next.jsonl").exists()


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (".", "The output file . is a folder; name a file with -o FILE."),
        ("/dev/null", "The output file /dev/null is a device or a pipe; name a file with -o FILE."),
        ("in.jsonl/out.jsonl", "cannot be written: "),
    ],
)
async def test_an_output_that_cannot_be_one(tmp_path: Path, output: str, told: str) -> None:
    write_input(tmp_path, 1)
    code, _, err = await said(tmp_path, "requests", "run", "in.jsonl", "-o", output)
    assert code == 2
    assert told in err
    assert "results" not in err
