"""Several items a call, with a model that forgets, doubles, invents and reorders: right items, right charges; also
when the batch is killed."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.plain.answers import plain_document
from agentbatch.rehearsal.plain.endpoint import Plain
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests import BatchRequest, RetryPolicy
from agentbatch.requests.batch.packing import pack_body
from agentbatch.requests.options import BatchOptions
from agentbatch.requests.spec.request import CHAT
from tests.requests.conftest import Serve
from tests.support import commands
from tests.support.keys import KEY
from tests.support.request_batches import environ_of, lines_of, ran, write_input
from tests.support.waiting import until

LETTER = {"enum": [f"{number:02x}" for number in range(256)]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": LETTER,
        "b": {"type": "object", "properties": {"c": LETTER}, "required": ["c"]},
    },
    "required": ["a", "b"],
    "additionalProperties": False,
}
"""With so many answers that no two items share one."""

AT_ONCE = 4


def told(body: dict[str, Any]) -> str:
    """What a careful model says to a body."""
    return str(plain_document(CHAT, body, 1)["choices"][0]["message"]["content"])


def right(request: BatchRequest) -> tuple[str, str]:
    """What an item is answered in a pack, and alone, where it was the last one."""
    answer = json.loads(told(pack_body([request])))[request.id]
    return answer if isinstance(answer, str) else json.dumps(answer), told(request.body)


@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("batch_size", [3, 5])
async def test_right_items_and_right_charges(
    serve: Serve, batch_size: int, schema: dict[str, Any] | None, faults: bool
) -> None:
    """`faults`: calls that come to nothing are not charged to anyone."""
    defaults = BatchOptions(model="m", json_schema=schema)
    requests = [defaults.apply(BatchRequest.ask(f"r{n}", f"Say {n}")) for n in range(60)]
    answers = [right(request) for request in requests]
    assert len({packed for packed, _ in answers}) == len(requests)
    plain = Plain(careless=True, share=0.2 if faults else 0.0, moments=("503", "truncated", "garbage"))
    async with serve(plain, batch_size=batch_size, retry=RetryPolicy(1, delay=0.01)) as (processor, server):
        run = await processor.run(requests)
        assert server.plain is not None
        billed, sent = server.plain.tokens, len(server.requests)
    answered = [result for result in run.results if result.ok]
    assert len(answered) == len(requests) or faults
    assert len(answered) >= 0.9 * len(requests)
    for result in answered:
        assert result.text in answers[result.index], result.id
        assert result.usage.input > 0
        assert result.usage.output > 0
        assert schema is None or result.data == json.loads(result.text)
    together = sum(result.text == answers[result.index][0] for result in answered)
    assert together > len(requests) / 2  # they did share calls
    assert sum(result.usage.total for result in run.results) == run.stats.usage.total == billed
    assert sum(result.attempts for result in run.results) == run.stats.attempts == sent
    assert run.stats.asked_again > 0  # the model was careless


@pytest.mark.parametrize("batch_size", [3, 5])
async def test_packs_that_are_killed_go_on_and_are_paid_once(tmp_path: Path, batch_size: int) -> None:
    """Both sessions together make one session's calls, and those that were in flight once more."""
    count = 300
    write_input(tmp_path, count)
    words = ("in.jsonl", "-o", "out.jsonl", "--concurrency", str(AT_ONCE), "--ordered",
             "--batch-size", str(batch_size))  # fmt: skip
    async with RehearsalServer(plain=Plain(), key=KEY, latency=0.03) as server:
        process = commands.start(
            "requests", "run", *words, cwd=tmp_path, env=environ_of(tmp_path, server.base_url)
        )
        calls = count // batch_size
        await until(lambda: len(server.requests) >= calls // 2 or process.returncode is not None)
        assert process.returncode is None
        process.kill()
        await process.wait()
        await until(lambda: not server.in_flight)
        first = len(server.requests)
        assert first < calls
        code, _, err = await ran(tmp_path, server, *words, "--resume")
        assert code == 0, err
        # A pack in flight was asked for again; what was left of it may make packs that are less full.
        assert calls <= len(server.requests) <= calls + 2 * AT_ONCE
    found = lines_of(tmp_path / "out.jsonl")
    assert [line["custom_id"] for line in found] == [f"q{n}" for n in range(count)]
    for number, line in enumerate(found):
        body = line["response"]["body"]
        request = BatchRequest.ask(f"q{number}", f"Say {number}", model="m-test")
        assert body["choices"][0]["message"]["content"] in right(request)
