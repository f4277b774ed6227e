import json
from typing import Any

import pytest

from agentbatch.files import json_object
from agentbatch.model.reply import Reply, ToolCall
from agentbatch.tasks.agents.messages import assistant_message
from agentbatch.tasks.coders.builtin.compaction import elide_tool_results, middle, summarised
from agentbatch.tasks.coders.builtin.conversation import Conversation, assert_paired
from agentbatch.tasks.coders.builtin.replies import classify, with_usable_ids
from agentbatch.tasks.coders.coder import Numbers
from tests.tasks.coders.builtin_coders import call, result


def history(steps: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "task"},
    ]
    for n in range(steps):
        messages += [call(n), result(n)]
    return messages


def test_pairing_is_asserted() -> None:
    assert_paired(history(3))
    for broken in (
        history(3)[:-1],
        [*history(1), result(0)],
        [*history(1), result(7)],
        [*history(2)[:-1], {"role": "user", "content": "x"}, result(1)],
    ):
        with pytest.raises(AssertionError):
            assert_paired(broken)


def test_only_old_tool_results_are_elided() -> None:
    before = history(6)
    after = elide_tool_results(before, keep_steps=2)
    assert_paired(after)
    assert [len(m["content"]) > 900 for m in after if m["role"] == "tool"] == [False] * 4 + [True] * 2
    assert "800 characters of this old result were removed" in after[3]["content"]
    assert elide_tool_results(history(2), keep_steps=4) == history(2)
    assert before == history(6)


def test_a_cut_leaves_the_task_and_begins_the_end_with_an_assistant() -> None:
    messages = history(5)
    sizes = [10] * len(messages)
    cut = middle(messages, sizes, budget=45)
    assert cut == (2, 8)
    short = summarised(messages, cut, "what was")
    assert_paired(short)
    assert [m["role"] for m in short] == ["system", "user", "user"] + ["assistant", "tool"] * 2
    assert "what was" in short[2]["content"]


def test_a_cut_keeps_at_least_the_last_step_and_may_find_nothing() -> None:
    assert middle(history(3), [1000] * 8, budget=1) == (2, 6)
    assert middle(history(1), [1000] * 4, budget=1) is None
    assert middle(history(0), [10, 10], budget=1) is None


def test_a_new_generation_replaces_the_messages() -> None:
    seen: list[tuple[int, int]] = []
    conversation = Conversation(lambda generation, position, _: seen.append((generation, position)))
    for message in history(2):
        conversation.add(message)
    tokens = conversation.tokens
    conversation.replace(elide_tool_results(conversation.messages, keep_steps=1))
    assert seen == [(0, n) for n in range(6)] + [(1, n) for n in range(6)]
    assert conversation.tokens < tokens
    assert conversation.call_ids == {"c0", "c1"}


def test_ids_are_made_unique_and_arguments_kept_valid() -> None:
    calls = (ToolCall("a", "bash", "{}"), ToolCall("a", "bash", "{oops"), ToolCall("", "bash", "[1]"))
    fixed = with_usable_ids(calls, taken={"c"})
    ids = [c.id for c in fixed]
    assert ids[0] == "a"
    assert len(set(ids)) == 3
    assert "" not in ids
    message = assistant_message(Reply("hm", fixed, reasoning="because"), fixed)
    arguments = [c["function"]["arguments"] for c in message["tool_calls"]]
    assert arguments == ["{}", '{"invalid_json": "{oops"}', '{"invalid_json": "[1]"}']
    assert message["reasoning_content"] == "because"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply("x", (ToolCall("a", "bash", "{}"),)), "calls"),
        (Reply("x"), "text"),
        (Reply("x", finish_reason="length"), "cut_off"),
        (Reply("", finish_reason="content_filter"), "filtered"),
        (Reply("I will", finish_reason="content_filter"), "filtered"),
        (Reply("x", (ToolCall("a", "bash", "{}"),), finish_reason="content_filter"), "calls"),
        (Reply("", finish_reason="length"), "cut_off"),
        (Reply(" \n", reasoning="hmm"), "reasoning"),
        (Reply(""), "empty"),
    ],
)
def test_replies_are_classified(reply: Reply, kind: str) -> None:
    assert classify(reply) == kind


def test_arguments_nested_deeper_than_can_be_read_are_no_object() -> None:
    assert not json_object('{"a": ' + "[" * 200_000)
    deep = Reply("", (ToolCall("c", "bash", '{"a": ' + "[" * 200_000),))
    (call,) = assistant_message(deep, deep.tool_calls)["tool_calls"]
    assert list(json.loads(call["function"]["arguments"])) == ["invalid_json"]


def test_coders_of_one_task_number_their_conversations_together() -> None:
    """The second one's messages are not stored over those of the first."""
    seen: list[int] = []
    numbers = Numbers()
    first, second = (Conversation(lambda g, *_: seen.append(g), 5, numbers=numbers) for _ in range(2))
    first.add({"role": "user", "content": "a"})
    second.replace([{"role": "user", "content": "b"}])
    first.replace([{"role": "user", "content": "c"}])
    assert seen == [5, 6, 7]
