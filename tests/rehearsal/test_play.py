"""Which step answers which request."""

from typing import Any

import pytest

from agentbatch.rehearsal.faults.refusals import Problem
from agentbatch.rehearsal.play import (
    Index,
    apart,
    coder_step,
    compile_coder,
    compile_evaluator,
    evaluator_step,
)
from agentbatch.rehearsal.rehearsal_model import RehearsalModel
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step

USER = {"role": "user", "content": "do it"}
TEXT = {"role": "assistant", "content": "…"}


def marked(step: int) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"id": f"call_step{step}_0"}]}


@pytest.mark.parametrize(
    ("messages", "start", "step"),
    [
        ([USER], 0, 0),
        ([USER, TEXT, USER], 0, 1),
        ([TEXT, USER, TEXT, TEXT], 1, 2),
        ([USER, marked(0), {"role": "tool"}, marked(1), {"role": "tool"}], 0, 2),
        # Compacted: the middle is gone, the last call's id still tells the place.
        ([USER, {"role": "user", "content": "summary"}, marked(7), {"role": "tool"}], 0, 8),
        ([USER, marked(7), {"role": "tool"}, TEXT, USER], 0, 9),
        # Ids and calls of other makers count as one step each.
        ([USER, {"role": "assistant", "tool_calls": [{"id": "call_abc"}]}], 0, 1),
        ([USER, {"role": "assistant", "tool_calls": [7]}, {"role": "assistant", "tool_calls": "x"}], 0, 2),
        ([USER, {"role": "assistant", "tool_calls": [{"id": "call_step9999999999_0"}]}], 0, 1),
    ],
)
def test_coder_step(messages: list[dict[str, Any]], start: int, step: int) -> None:
    assert coder_step(messages, start) == step


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("Iteration 1 of 10", 0),
        ("# Evidence\nIteration 3 of 10\n… Iteration 9 of 10", 2),
        ("Iteration 0 of 10", 0),
        ("no number here", 0),
        ("Iteration 99999999999 of 10", 0),
    ],
)
def test_evaluator_step(text: str, step: int) -> None:
    messages = [{"role": "system", "content": "Iteration 7 of 8"}, {"role": "user", "content": text}]
    assert evaluator_step(messages) == step


def test_agents_get_calls_apart_but_for_new_files() -> None:
    one, two = (ScriptedCall(name="write_file", arguments={"path": path, "content": ""}) for path in "ab")
    run, end = ScriptedCall(name="bash"), ScriptedCall(name="finish")
    steps: list[Step] = [
        Say(calls=[one, two]),
        Say(content="c", calls=[one, one]),
        Say(calls=[run, end]),
        Say(),
        Fault(),
    ]
    said = [step for step in apart(steps) if isinstance(step, Say)]
    assert [[call.name for call in step.calls] for step in said] == [
        ["write_file", "write_file"],
        ["write_file"],
        ["write_file"],
        ["bash"],
        ["finish"],
        [],
    ]
    assert [step.content for step in said] == ["", "c", "", "", "", ""]


def test_the_last_evaluator_step_repeats_and_the_coder_closes_with_finish() -> None:
    first, last = Say(content="one"), Say(content="two")
    evaluator = compile_evaluator([first, last])
    assert evaluator is not None
    assert [evaluator.at(step)[1].answer.content for step in (0, 1, 2, 50)] == ["one", "two", "two", "two"]
    coder = compile_coder([first], flat=False)
    assert coder.at(0)[1].answer is first
    assert [call.name for call in coder.at(1)[1].answer.calls] == ["finish"]
    assert compile_evaluator([]) is None
    assert compile_evaluator([Fault()]) is None


def test_flat_play_spreads_several_calls_over_as_many_replies() -> None:
    calls = [ScriptedCall(name=name) for name in ("a", "b", "c")]
    places = compile_coder([Say(content="x", calls=calls, delay=2), Say(content="end")], flat=True)
    answers = [places.at(step)[1].answer for step in range(4)]
    assert [[call.name for call in answer.calls] for answer in answers] == [["a"], ["b"], ["c"], []]
    assert [answer.delay for answer in answers] == [2, 0, 0, 0]


def index(*scripts: Script) -> Index:
    made = Index()
    for each in scripts:
        made.add(each)
    return made


def find(scripts: list[Script], *texts: str) -> tuple[str, int] | None:
    match = index(*scripts).find([{"role": "user", "content": text} for text in texts])
    return (match.script.prompt, match.start) if match else None


def script(prompt: str, **more: Any) -> Script:
    return Script(prompt=prompt, coder=[Say(content="x")], **more)


def test_script_is_found_by_its_prompt() -> None:
    short, long = script("Write a sieve"), script("Write a sieve\nand test it")
    prefix = script("bench task ", match="prefix")
    scripts = [short, long, prefix]
    assert find(scripts, "Write a sieve") == ("Write a sieve", 0)
    assert find(scripts, "Hello", "Write a sieve\nand test it") == ("Write a sieve\nand test it", 1)
    assert find(scripts, "# Task\nWrite a sieve\nand test it\n# Tree") == ("Write a sieve\nand test it", 0)
    assert find(scripts, "The task: «Write a sieve», said the user.") == ("Write a sieve", 0)
    assert find(scripts, "bench task 17: write a note") == ("bench task ", 0)
    assert find(scripts, "Iteration 1 of 3\nTask:\nbench task 17: write a note") == ("bench task ", 0)
    assert find(scripts, "Write a Sieve") is None


def test_the_longest_prompt_wins_where_several_match() -> None:
    long_prefix = script("long bench task ", match="prefix")
    scripts = [script("sieve"), script("a sieve of many"), script("bench task ", match="prefix"), long_prefix]
    assert find(scripts, "«a sieve of many»") == ("a sieve of many", 0)
    assert find(scripts, "«sieve»", "«a sieve of many»") == ("a sieve of many", 1)
    assert find(scripts, "long bench task 7") == ("long bench task ", 0)
    assert find(scripts, "Evidence: long bench task 7") == ("long bench task ", 0)


def test_a_message_that_is_a_prompt_wins_over_longer_prompts_in_later_messages() -> None:
    scripts = [script("sieve"), script("a sieve of many"), script("bench ", match="prefix")]
    assert find(scripts, "sieve", "The file says: a sieve of many") == ("sieve", 0)
    assert find(scripts, "bench 7", "The file says: a sieve of many") == ("bench ", 0)


def test_prompts_in_content_parts_and_odd_messages_are_read() -> None:
    made = index(script("Write a sieve"))
    parts = [{"type": "text", "text": "Write a sieve"}, {"type": "image_url"}, "odd"]
    match = made.find([{"role": "user"}, {"role": "user", "content": 7}, {"role": "user", "content": parts}])
    assert match is not None
    assert match.start == 2


def test_tasks_that_share_a_script_are_told_apart() -> None:
    made = index(script("bench task ", match="prefix"))
    coder = made.find([{"role": "user", "content": "bench task 17\nmore"}])
    evaluator = made.find([{"role": "user", "content": "Evidence for bench task 17\nmore"}])
    assert coder is not None
    assert evaluator is not None
    assert coder.task == evaluator.task == "bench task 17"


def answers(steps: list[Step], count: int, task: str = "do it") -> list[str]:
    model = RehearsalModel([Script(prompt="do", match="prefix", coder=steps)])
    said = []
    for _ in range(count):
        turn = model.turn("coder", [{"role": "user", "content": task}], native=True)
        assert not isinstance(turn, Problem)
        said.append(turn.answer.kind if isinstance(turn.answer, Fault) else turn.answer.content)
    return said


def test_limited_steps_come_first_and_only_so_often() -> None:
    steps: list[Step] = [Fault(kind="hang", times=2), Say(content="bad", times=1), Say(content="good")]
    assert answers(steps, 5) == ["hang", "hang", "bad", "good", "good"]


def test_limited_steps_are_counted_per_task() -> None:
    model = RehearsalModel([Script(prompt="do", match="prefix", coder=[Fault(), Say(content="good")])])
    for task in ("do 1", "do 2"):
        turn = model.turn("coder", [{"role": "user", "content": task}], native=True)
        assert not isinstance(turn, Problem)
        assert isinstance(turn.answer, Fault), task
