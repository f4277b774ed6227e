# ruff: noqa: E501 - a case a line
"""The forms of a history that some endpoints insist on."""

from itertools import pairwise
from typing import Any

import pytest

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.request.history import (
    BRIDGE,
    UNSIGNED,
    HistoryRule,
    Message,
    extra_fields,
    shaped,
    short_id,
    with_empty_content,
    without_fields,
)
from agentbatch.model.request.request import accepted, build_body
from agentbatch.toolcalls.forms import TextForms

S: Message = {"role": "system", "content": "s"}
U: Message = {"role": "user", "content": "u"}
A: Message = {"role": "assistant", "content": "a"}
T: Message = {"role": "tool", "tool_call_id": "call_1", "content": "t"}
FUNCTION = {"name": "bash", "arguments": "{}"}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}
C: Message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CALL2 = {**CALL, "id": "call_2"}
C2: Message = {**C, "tool_calls": [CALL2]}
T2: Message = {**T, "tool_call_id": "call_2"}
BRIDGED: Message = {"role": "assistant", "content": BRIDGE}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "real"}}}


def joined(*texts: str, role: str = "user") -> Message:
    return {"role": role, "content": "\n\n".join(texts)}


@pytest.mark.parametrize(
    ("rule", "messages", "expected"),
    [
        ("alternate", [S, U, C, T, U, A, U], [S, U, C, T, BRIDGED, U, A, U]),
        ("alternate", [S, U, U, C, T, U, U], [S, joined("u", "u"), C, T, BRIDGED, joined("u", "u")]),
        ("alternate", [S, U, C, T, T, A, U], None),
        ("alternate", [U, {"role": "user", "content": [{"type": "text", "text": "u"}]}], None),
        ("one_system", [S, S, U], [joined("s", "s", role="system"), U]),
        ("one_system", [U, S, A], [S, U, A]),
        ("one_system", [S, U, A], None),
        ("one_system", [U, A], None),
        ("short_ids", [U, {**C, "tool_calls": [{**CALL, "id": "abcDEF123"}]}, {**T, "tool_call_id": "abcDEF123"}], None),
        ("reasoning", [U, A, C, T], [U, {**A, "reasoning_content": " "}, {**C, "reasoning_content": " "}, T]),
        ("reasoning", [{**A, "reasoning": "hm"}], [{**A, "reasoning": "hm", "reasoning_content": "hm"}]),
        ("reasoning", [U, {**A, "reasoning_content": "hm"}], None),
        (
            "signed",
            [U, {**C, "tool_calls": [CALL, CALL]}, T],
            [
                U,
                {
                    **C,
                    "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": UNSIGNED}}}, CALL],
                },
                T,
            ],
        ),
        ("signed", [U, {**C, "tool_calls": [SIGNED, CALL]}, T, A], None),
        ("named", [U, C, T, A], [U, C, {**T, "name": "bash"}, A]),
        ("named", [U, C, {**T, "name": "sh"}, {**T, "tool_call_id": "call_9"}], None),
        ("single_calls", [S, U, C, T, A, U], None),
        ("single_calls", [U, {**C, "content": "w", "tool_calls": [CALL, CALL2]}, T, T2, U], [U, {**C, "content": "w"}, T, C2, T2, U]),
        ("single_calls", [{**C, "tool_calls": [CALL, CALL2]}, T2, T, {**C, "tool_calls": [CALL, CALL2]}, T, T2], [C2, T2, C, T, C, T, C2, T2]),
        ("single_calls", [{**C, "tool_calls": [CALL, CALL2]}, T, U], [C, T, C2, U]),
    ],
)  # fmt: skip
def test_a_history_in_the_form_that_a_rule_wants(
    rule: HistoryRule, messages: list[Message], expected: list[Message] | None
) -> None:
    """None: the history keeps to the rule, and stays as it is."""
    assert shaped(messages, {rule}) == (messages if expected is None else expected)
    assert shaped(shaped(messages, {rule}), {rule}) == shaped(messages, {rule})


@pytest.mark.parametrize("rule", ["alternate", "short_ids", "reasoning", "signed", "named", "single_calls"])
def test_a_longer_history_extends_the_request_before_it(rule: HistoryRule) -> None:
    """Prefix caches keep serving: what was sent once is sent again in the same form. (A rule about system messages
    moves them, and is learnt once.)"""
    history = [S, U, C, T, U, A, U, C, T, A, U]
    sent = [shaped(history[:end], {rule}) for end in (2, 4, 5, 7, 9, 11)]
    for before, after in pairwise(sent):
        assert after[: len(before)] == before


def test_short_ids_are_the_same_for_call_and_answer() -> None:
    call, answer = shaped([C, T], {"short_ids"})
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"] == short_id("call_1")
    ids = {short_id(f"functions.bash:{n}") for n in range(1000)} | {short_id("x" * 500), short_id("")}
    assert len(ids) == 1002
    assert all(len(one) == 9 and one.isalnum() and one.isascii() for one in ids)


def test_fields_are_left_out_of_messages_calls_and_functions() -> None:
    call = {**CALL, "extra_content": 1, "function": {**FUNCTION, "seal": 2}}
    message = {**C, "reasoning_content": "hm", "tool_calls": [call]}
    user = {**U, "reasoning_content": "a user may have one"}
    assert extra_fields([message, user]) == {"reasoning_content", "extra_content", "seal"}
    assert without_fields([message, user], extra_fields([message])) == [C, user]
    plain = without_fields([A, C], {"seal"})
    assert plain[0] is A
    assert plain[1] is C


def test_what_stands_for_no_words() -> None:
    for content in (None, "", " \n"):
        message = {**C, "content": content}
        assert [with_empty_content([message], form)[0]["content"] for form in ("null", "empty", "word")] == [
            None,
            "",
            BRIDGE,
        ]
    assert with_empty_content([A, {**C, "content": "x"}], "word") == [A, {**C, "content": "x"}]


def test_calls_of_a_request_without_tools_become_text() -> None:
    """Compaction asks for a summary and offers no tools."""
    wants = Capabilities(history_rules=frozenset({"tools_with_calls"}))
    body = build_body("m", [S, U, C, T, U], wants, forms=TextForms())
    assert not any("tool_calls" in m or m["role"] == "tool" for m in body["messages"])
    tools: Any = [{"type": "function", "function": {"name": "bash", "parameters": {}}}]
    assert build_body("m", [S, U, C, T, U], wants, tools=tools, forms=TextForms())["messages"] == [
        S,
        U,
        C,
        T,
        U,
    ]


def test_all_at_once() -> None:
    wants = Capabilities(
        history_rules=frozenset({"alternate", "one_system", "short_ids", "reasoning"}),
        empty_contents=("word",),
        system=False,
    )
    history = accepted([S, U, C, T, S, U], wants)
    assert [m["role"] for m in history] == ["user", "assistant", "tool", "assistant", "user"]
    assert history[1]["content"] == BRIDGE
    assert history[1]["reasoning_content"] == " "
