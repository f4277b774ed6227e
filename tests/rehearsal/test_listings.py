"""What the scripted coder says to an agent that takes whole files out of its answer."""

from typing import Any

import pytest

from agentbatch.rehearsal.apis.listings import SAID, listed, listings_given
from agentbatch.rehearsal.rehearsal_model import RehearsalModel, Turn
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step

ASKS = {"role": "system", "content": "You MUST use this *file listing* format: ..."}
OK = {"role": "assistant", "content": "Ok."}


def call(name: str, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name=name, arguments=arguments)


STEPS: list[Step] = [
    Say(calls=[call("write_file", path="a.txt", content="a\n"), call("write_file", path="b/c.txt", content="c")]),
    Fault(),
    Say(content="Later.", times=1),
    Say(calls=[call("bash", command="cat a.txt")]),
    Say(calls=[call("finish", summary="It is there.")]),
    Say(calls=[call("edit_file", path="a.txt", old_string="a", new_string="aa")]),
    Say(calls=[call("edit_file", path="gone.txt", old_string="x", new_string="y")]),
    Say(content="Now it is."),
]  # fmt: skip
FIRST = f"{SAID}\n\na.txt\n```\na\n```\n\nb/c.txt\n```\nc\n```"
SECOND = f"{SAID}\n\na.txt\n```\naa\n```"


@pytest.mark.parametrize(("turn", "said"), [(0, FIRST), (1, SECOND), (2, SAID), (3, "Done.")])
def test_a_turn_of_the_script_is_one_answer(turn: int, said: str) -> None:
    assert listed(STEPS, turn).content == said


def test_it_is_known_by_its_first_message_and_followed_up() -> None:
    model = RehearsalModel([Script(prompt="Do it.", coder=list(STEPS))])
    asked = {"role": "user", "content": "Do it.\nReply in English."}
    history = [ASKS, OK, asked]
    for said in (FIRST, SECOND):
        turn = model.turn("coder", history, native=False)
        assert isinstance(turn, Turn)
        assert isinstance(turn.answer, Say)
        assert turn.answer.content == said
        history = [
            *history,
            {"role": "assistant", "content": f"\n{said}\n"},
            OK,
            {"role": "user", "content": "Go on."},
        ]
    assert listings_given(history) == 2
