"""`--notify` of a batch of plain requests reaches a real HTTP server on loopback, through the real apprise."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault
from agentbatch.runs import events as e
from agentbatch.runs.services.notify_messages import end_message, request_failure_message
from agentbatch.runs.state.run_state import RunState
from tests.support.receiver import TOKEN, Receiver
from tests.support.request_batches import endpoint, ran, said, the_run, under_way, write_input
from tests.support.run_events import run_started
from tests.support.waiting import PATIENCE, until

WORDS = ("in.jsonl", "-o", "out.jsonl", "--concurrency", "1", "--max-retries", "0")
REFUSED: dict[str, Any] = {"status": 400, "message": "@everyone look at <https://example.com>"}


@pytest.fixture
def hearer() -> Iterator[Receiver]:
    receiver = Receiver(200)
    yield receiver
    receiver.close()


def titles(receiver: Receiver) -> list[str]:
    return [message["title"] for message in receiver.got]


async def test_the_first_failure_and_the_end_are_told(tmp_path: Path, hearer: Receiver) -> None:
    write_input(tmp_path, 12)
    async with endpoint([Fault(**REFUSED, times=2)]) as server:
        code, _, err = await ran(tmp_path, server, *WORDS, "--notify", hearer.url)
    assert code == 1
    assert titles(hearer) == [
        "agentbatch: request q0 failed",
        "agentbatch: the batch is over, 10 of 12 requests answered",
    ]
    first, last = (message["message"].splitlines() for message in hearer.got)
    run = the_run(tmp_path)
    assert first == [
        f"Request q0 failed (the endpoint answered 400), the first of run {run}.",
        f"Look with: agentbatch status {run}",
    ]
    assert last[0] == f"Run {run}: 12 requests: 10 answered, 2 failed"
    assert f"Answers: {tmp_path / 'out.jsonl'}" in last
    assert last[-1] == f"Resume with: agentbatch resume {run} --retry-failed"
    told = json.dumps(hearer.got, ensure_ascii=False)
    assert "task" not in told
    assert "everyone" not in told
    assert TOKEN not in err


@pytest.mark.slow
async def test_a_batch_without_failures_has_one_message(tmp_path: Path, hearer: Receiver) -> None:
    write_input(tmp_path, 3)
    async with endpoint() as server:
        code, _, err = await ran(
            tmp_path, server, *WORDS, "--notify", hearer.url, "--notify", hearer.url + "/two"
        )
    assert (code, "could not be notified" in err) == (0, False)
    assert titles(hearer) == ["agentbatch: the batch is over, 3 of 3 requests answered"] * 2
    assert [message["type"] for message in hearer.got] == ["success"] * 2
    assert "Go on with" not in hearer.got[0]["message"]


@pytest.mark.slow
async def test_the_address_is_kept_nowhere_and_can_be_given_again(tmp_path: Path, hearer: Receiver) -> None:
    write_input(tmp_path, 6)
    async with endpoint([Fault(**REFUSED, times=1)]) as server:
        words = (*WORDS, "--max-failures", "1")
        code, out, err = await ran(tmp_path, server, *words, f"--notify={hearer.url}")
        assert (code, "--notify" in err) == (1, False)
        assert TOKEN not in out + err
        for path in (tmp_path / ".agentbatch").rglob("*"):
            assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
        assert titles(hearer)[1].startswith("agentbatch: the batch was stopped, ")
        assert "Stopped: 1 request has failed, as many as" in hearer.got[1]["message"]
        hearer.got.clear()
        run = the_run(tmp_path)
        again = ("resume", run, "--retry-failed", "--notify", hearer.url)
        assert (await said(tmp_path, *again, base_url=server.base_url))[0] == 0
    assert titles(hearer) == ["agentbatch: the batch is over, 6 of 6 requests answered"]


@pytest.mark.slow
async def test_the_background_tells_it_too(tmp_path: Path, hearer: Receiver) -> None:
    write_input(tmp_path, 6)
    async with endpoint([Fault(**REFUSED, times=1)]) as server:
        assert (await ran(tmp_path, server, *WORDS, "--max-failures", "1"))[0] == 1
        again = ("resume", the_run(tmp_path), "--retry-failed", "--daemon", "--notify", hearer.url)
        assert (await said(tmp_path, *again, base_url=server.base_url))[0] == 0
        await until(lambda: hearer.got)
    assert titles(hearer) == ["agentbatch: the batch is over, 6 of 6 requests answered"]


async def test_an_interruption_is_a_warning(tmp_path: Path, hearer: Receiver) -> None:
    write_input(tmp_path, 40)
    async with (
        endpoint(latency=0.2) as server,
        under_way(tmp_path, server, *WORDS, "--notify", hearer.url) as process,
    ):
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 130
    (message,) = hearer.got
    assert message["type"] == "warning"
    assert message["title"].startswith("agentbatch: the batch was interrupted, ")
    assert " not asked" in message["message"].splitlines()[0]
    assert message["message"].endswith(f"Resume with: agentbatch resume {the_run(tmp_path)}")


async def test_an_address_that_refuses_is_told_of_and_changes_nothing(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    receiver = Receiver(503)
    try:
        async with endpoint() as server:
            code, out, err = await ran(tmp_path, server, *WORDS, "--notify", receiver.url)
    finally:
        receiver.close()
    assert (code, "3 ok, 0 failed" in out) == (0, True)
    assert "--notify: json://… could not be notified" in " ".join((out + err).split())
    assert TOKEN not in out + err


async def test_an_address_that_is_none_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    write_input(tmp_path, 3)
    async with endpoint() as server:
        code, _, err = await ran(tmp_path, server, *WORDS, "--notify", f"nothing://{TOKEN}")
        assert (code, len(server.requests)) == (2, 0)
    assert err.startswith("agentbatch: --notify: apprise does not understand nothing://… (number 1 of 1).")
    assert TOKEN not in err
    assert not (tmp_path / ".agentbatch").exists()


def _state(session: int, **figures: Any) -> RunState:
    state = RunState()
    state.apply(
        run_started(9, kind="requests", session=session, evaluator_model="none", evaluator_endpoint="")
    )
    state.apply(e.RequestsProgressed(**{"total": 9, "ok": 0, "failed": 0} | figures))
    return state


def test_a_session_has_a_first_failure_of_its_own_and_a_long_id_is_clipped() -> None:
    message = request_failure_message(_state(2), "@all <b>" + "x" * 5_000, None)
    first = message.body.splitlines()[0]
    assert first.endswith(" failed (there was no usable answer), the first since run r1 was resumed.")
    assert len(first) < 300
    assert "@" not in message.title + message.body
    assert len(message.title) <= 100


def test_a_garbled_answer_is_no_answer() -> None:
    assert "(there was no usable answer)" in request_failure_message(_state(1), "q", 200).body


@pytest.mark.parametrize(
    ("figures", "end", "title", "kind", "go_on"),
    [
        ({"ok": 9}, e.RunFinished(), "the batch is over, 9 of 9", "success", ""),
        ({"ok": 8, "failed": 1}, e.RunFinished(), "the batch is over, 8 of 9", "failure", " --retry-failed"),
        ({"ok": 8}, e.RunFinished(interrupted=True), "the batch was interrupted, 8 of 9", "warning", "r1"),
        ({"ok": 9}, e.RunFinished(interrupted=True), "the batch is over, 9 of 9", "success", ""),
        ({"ok": 3}, e.RunFinished(error="No <money>."), "the batch was stopped, 3 of 9", "failure", "r1"),
    ],
)
def test_how_a_batch_ends(
    figures: dict[str, int], end: e.RunFinished, title: str, kind: str, go_on: str
) -> None:
    state = _state(1, **figures)
    state.apply(end)
    message = end_message(state, Path("/b/out.jsonl"), 1.0)
    assert message.title == f"agentbatch: {title} requests answered"
    assert message.kind == kind
    last = message.body.splitlines()[-1]
    assert last.endswith(go_on)
    assert ("Resume with: agentbatch resume r1" in last) == bool(go_on)
    assert ("Stopped: No ‹money›." in message.body) == bool(end.error)
