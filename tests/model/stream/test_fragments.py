"""Which fragment belongs to which tool call."""

import json
import time
from typing import Any

import pytest

from agentbatch.model.answer.answer import MAX_CALLS
from agentbatch.model.stream.fragments import Fragments, joined


def part(index: Any = None, call_id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    given = {"index": index, "id": call_id, "function": function or None}
    return {key: value for key, value in given.items() if value is not None}


LS = ("a", "bash", '{"command": "ls"}')
CAT = ("b", "read_file", '{"path": "x"}')


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        # OpenAI: id and name first, then arguments.
        ([part(0, "a", "bash", ""), part(0, None, None, '{"comm'), part(0, None, None, 'and": "ls"}')], [LS]),
        # All of it again each time, longer.
        (
            [
                part(0, "a", "bash", '{"com'),
                part(0, "a", "bash", '{"command": "'),
                part(0, "a", "bash", '{"command": "ls"}'),
            ],
            [LS],
        ),
        (
            [part(0, "a", "bash", "{"), part(0, arguments="{}"), part(0, arguments="{}x")],
            [("a", "bash", "{{}{}x")],
        ),
        # Two at once, in turn and mixed.
        (
            [
                part(0, "a", "bash", '{"comm'),
                part(1, "b", "read_file", '{"pa'),
                part(0, arguments='and": "ls"}'),
                part(1, arguments='th": "x"}'),
            ],
            [LS, CAT],
        ),
        # The id and the name again in every fragment.
        ([part(0, "a", "bash", '{"command"'), part(0, "a", "bash", ': "ls"}')], [LS]),
        # A new id in every fragment (vLLM once did so).
        ([part(0, "a", "bash", '{"command"'), part(0, "z", None, ': "ls"}')], [LS]),
        # No id, the name in every fragment.
        ([part(0, None, "bash", '{"command"'), part(0, None, "bash", ': "ls"}')], [("", *LS[1:])]),
        # Google: whole calls, each as number 0, with ids or without.
        ([part(0, *LS), part(0, *CAT)], [LS, CAT]),
        ([part(0, "", *LS[1:]), part(0, "", *CAT[1:])], [("", *LS[1:]), ("", *CAT[1:])]),
        ([part(0, "", "bash", "{}"), part(0, "", "bash", "{}")], [("", "bash", "{}"), ("", "bash", "{}")]),
        # No index.
        ([part(None, *LS), part(None, *CAT)], [LS, CAT]),
        ([part(None, None, *LS[1:]), part(None, None, *CAT[1:])], [("", *LS[1:]), ("", *CAT[1:])]),
        ([part(None, "a", "bash", '{"command"'), part(None, None, None, ': "ls"}')], [LS]),
        (
            [
                part(None, "a", "bash", '{"command"'),
                part(None, "b", "read_file", '{"path": "x"}'),
                part(None, "a", None, ': "ls"}'),
            ],
            [LS, CAT],
        ),
        # The name again, alone or before the arguments.
        ([part(0, *LS), part(0, None, "bash", "")], [LS]),
        ([part(0, None, "bash", ""), part(0, None, *LS[1:])], [("", *LS[1:])]),
        # Arguments as an object.
        ([part(0, "a", "bash", {"command": "ls"})], [LS]),
        # The name after the id, the arguments before both.
        ([part(0, None, None, '{"command": "ls"}'), part(0, "a"), part(0, None, "bash")], [LS]),
        # The name in pieces (continue #5849), repeated, and longer each time.
        ([part(0, "a", "ba"), part(0, None, "sh"), part(0, None, None, LS[2])], [LS]),
        ([part(0, "a", "ba", ""), part(0, "a", "sh", ""), part(0, None, "", LS[2])], [LS]),
        ([part(0, "a", "ba"), part(0, None, "bash"), part(0, None, "bash", LS[2])], [LS]),
        # Numbers that begin at 1, or anywhere.
        ([part(1, *LS), part(-3, *CAT)], [LS, CAT]),
        ([part("0", *LS), part(True, *CAT)], [LS, CAT]),
        # A last empty fragment.
        ([part(0, *LS), part(0, "", "", ""), part(0, "a", "bash", "")], [LS]),
        # What is none.
        ([None, 7, "x", [], {}, {"function": 7}], [("", "", "")]),
    ],
)
def test_fragments_become_calls(fragments: list[Any], calls: list[tuple[str, str, str]]) -> None:
    together = Fragments()
    for fragment in fragments:
        together.add(fragment)
    found = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in together.calls()
    ]
    assert found == calls


def test_the_characters_that_came_are_counted() -> None:
    together = Fragments()
    assert [
        together.add(part(0, "a", "bash", '{"a')),
        together.add(part(0, arguments='":1}')),
        together.add(7),
    ] == [
        7,
        4,
        0,
    ]


def test_time_grows_with_the_fragments() -> None:
    """A server that repeats the name: were the arguments parsed at every fragment, this would take minutes."""
    together = Fragments()
    before = time.process_time()
    for _ in range(30_000):
        together.add(part(0, None, "bash", '{"a": "' + "x" * 100))
    assert time.process_time() - before < 5
    assert len(together.calls()) == 1


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (["a", "b"], "ab"),
        (["世", "界"], "世界"),
        (["a\ud83d", "\ude42b"], "a🙂b"),
        (["\ude42", "\ud83d"], "\ude42\ud83d"),
        ([], ""),
    ],
)
def test_a_character_cut_in_two_is_one_again(texts: list[str], text: str) -> None:
    assert joined(texts) == text


def test_a_character_cut_in_two_inside_of_arguments() -> None:
    together = Fragments()
    for piece in json.loads('["{\\"a\\": \\"\\ud83d", "\\ude42\\"}"]'):
        together.add(part(0, "a", "bash", piece))
    assert json.loads(together.calls()[0]["function"]["arguments"]) == {"a": "🙂"}


def test_a_reply_out_of_its_mind_keeps_its_first_calls() -> None:
    fragments = Fragments()
    for number in range(MAX_CALLS + 500):
        fragments.add({"index": number, "id": f"c{number}", "function": {"name": "bash", "arguments": "{}"}})
    assert [call["id"] for call in fragments.calls()] == [f"c{number}" for number in range(MAX_CALLS)]
