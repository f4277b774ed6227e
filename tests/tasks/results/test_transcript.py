import json
from typing import Any

import pytest

from agentbatch.tasks.results.steps import steps
from agentbatch.tasks.results.transcript import trajectory
from tests.runs.finished_run import a_finished_run
from tests.tasks.results.happened import BEGUN, answered, called, said

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "rules"},
    {"role": "user", "content": "p"},
    {"role": "assistant", "content": "first", "tool_calls": [called("a"), called("b")]},
    {"role": "tool", "content": "out", "tool_call_id": "a"},
    {"role": "user", "content": "plain"},
    {"role": "assistant", "content": "plain"},
    {"role": "assistant", "content": "of another coder"},
]


def test_what_a_call_cost_stands_with_its_answer_as_readers_of_the_format_look_for_it() -> None:
    happened = steps([*BEGUN, answered("m-2", 20), said(5, "assistant", "plain")])
    document = json.loads(trajectory(a_finished_run().tasks["parser"], MESSAGES, happened))
    assert [message | {"extra": None} for message in document["messages"]] == [
        message | {"extra": None} for message in MESSAGES
    ]
    found = {place: one["extra"] for place, one in enumerate(document["messages"]) if "extra" in one}
    assert {place: extra["response"]["model"] for place, extra in found.items()} == {2: "m", 5: "m-2"}
    assert found[2]["response"]["usage"]["prompt_tokens"] == 10
    info = document["info"]
    assert info["config"] == {"model": {"model_name": "m-coder"}}
    assert info["model_stats"] == {"instance_cost": pytest.approx(0.035), "api_calls": 2}
    assert [bill["promptTokens"] for bill in info["usage"]] == [12_000, 900]


def test_messages_keep_what_they_carry() -> None:
    own = {"role": "assistant", "content": "first", "tool_calls": [called("a")], "extra": {"mine": 1}}
    document = json.loads(trajectory(a_finished_run().tasks["docs"], [own], steps(BEGUN)))
    assert document["messages"] == [own]
