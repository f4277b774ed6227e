"""The scripted coder makes calls again that an interruption met."""

from typing import Any

from agentbatch.rehearsal.rehearsal_model import RehearsalModel, Turn
from agentbatch.rehearsal.script import Say, Script, ScriptedCall


def call(step: int, place: int, name: str = "bash") -> dict[str, Any]:
    return {
        "id": f"call_step{step}_{place}",
        "type": "function",
        "function": {"name": name, "arguments": "{}"},
    }


def asks(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def answers(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def turn(*messages: dict[str, Any]) -> Turn:
    steps = [Say(calls=[ScriptedCall(name=f"tool{n}")]) for n in range(4)]
    model = RehearsalModel([Script(prompt="Do it.", coder=list(steps))])
    found = model.turn("coder", [{"role": "user", "content": "Do it."}, *messages], native=True)
    assert isinstance(found, Turn)
    return found


def names(found: Turn) -> list[str]:
    assert isinstance(found.answer, Say)
    return [made.name for made in found.answer.calls]


def test_interrupted_calls_come_again_and_the_script_goes_on_behind_them() -> None:
    first = asks(call(0, 0, "a"), call(0, 1, "b"), call(0, 2, "c"))
    history = [
        first,
        answers("call_step0_0", "fine"),
        answers("call_step0_1", "Interrupted: the outcome is unknown."),
        answers("call_step0_2", "Not run: too late."),
    ]
    again = turn(*history)
    assert names(again) == ["b", "c"]
    ids = [f"call_step{again.step}_{again.first_call + n}" for n in range(2)]
    repeated = asks(*({**call(0, 0, name), "id": call_id} for name, call_id in zip("bc", ids, strict=True)))
    after = turn(*history, repeated, *(answers(call_id, "fine") for call_id in ids))
    assert names(after) == ["tool1"]


def test_output_that_merely_speaks_of_it_is_no_interruption() -> None:
    assert names(turn(asks(call(0, 0)), answers("call_step0_0", "exit 1: Interrupted: x"))) == ["tool1"]
