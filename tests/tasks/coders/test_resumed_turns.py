"""The rest of a turn that an earlier session began: which calls are answered how, and what counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.reply import Message, ToolCall
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.spending.billing import Billing
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.coders.builtin.agent import Agent
from agentbatch.tasks.coders.builtin.conversation import Conversation, assert_paired, unanswered
from agentbatch.tasks.coders.builtin.definition import CoderLimits
from agentbatch.tasks.coders.builtin.stored_turn import StoredTurn
from agentbatch.tasks.coders.builtin.toolbox import select_tools
from agentbatch.tasks.coders.builtin.turn import IN_FLIGHT, NOT_BEGUN, resume_turn
from agentbatch.tasks.coders.builtin.turn_limits import TurnSpending
from agentbatch.tasks.coders.coder import TurnOutcome
from agentbatch.toolcalls.forms import TextForms
from agentbatch.workspace.tools.toolbox import specs
from agentbatch.workspace.workspace import CommandRecord
from tests.support.keys import KEY
from tests.support.workspaces import local_workspace

STEPS = 5
FULL = TurnSpending(steps=STEPS)
"""Nothing is left of the turn: no model is asked."""


def asks(*ids: str) -> Message:
    function = {"name": "bash", "arguments": '{"command": "true"}'}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": call_id, "type": "function", "function": function} for call_id in ids],
    }


def answers(call_id: str, text: str = "fine") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


SYSTEM: Message = {"role": "system", "content": "You code."}
PROMPT: Message = {"role": "user", "content": "Do it."}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], []),
        ([SYSTEM, PROMPT], []),
        ([PROMPT, {"role": "assistant", "content": "Done."}], []),
        ([PROMPT, asks("a", "b")], ["a", "b"]),
        ([PROMPT, asks("a", "b", "c"), answers("a")], ["b", "c"]),
        ([PROMPT, asks("a", "b"), answers("b")], ["a"]),
        ([PROMPT, asks("a"), answers("a")], []),
        ([PROMPT, asks("a"), answers("a"), PROMPT], []),
        ([PROMPT, asks("a"), answers("a"), asks("b")], ["b"]),
    ],
)
def test_which_calls_have_no_answer(messages: list[Message], expected: list[str]) -> None:
    assert [call["id"] for call in unanswered(messages)] == expected


def test_a_stored_conversation_goes_on_where_it_was_and_is_not_recorded_again() -> None:
    seen: list[tuple[int, int]] = []
    stored = [SYSTEM, PROMPT, asks("a"), answers("a")]
    conversation = Conversation(lambda generation, place, _: seen.append((generation, place)), 7, stored)
    assert (seen, conversation.messages, conversation.call_ids) == ([], stored, {"a"})
    fresh = Conversation(lambda *_: None)
    for message in stored:
        fresh.add(message)
    assert conversation.tokens == fresh.tokens
    conversation.add(PROMPT)
    conversation.replace([SYSTEM, PROMPT])
    assert seen == [(7, 4), (8, 0), (8, 1)]


async def _nothing() -> None:
    pass


def an_agent(tmp_path: Path, messages: Sequence[Message], **fields: Any) -> tuple[Agent, list[Any]]:
    """An agent that knows `stored`, and the list of what it tells. Nobody answers its model."""
    told: list[Any] = []
    root = tmp_path / "root"
    root.mkdir()
    redact = Redactor([KEY])
    toolbox = select_tools(["bash", "finish"])
    endpoint = Endpoint(
        "http://127.0.0.1:9/v1",
        KEY,
        forms=TextForms(),
        limits=EndpointLimits(),
        retry=RetryPolicy(),
        redact=redact,
    )
    agent = Agent(
        task_id="t",
        model=RoleModel(
            ModelClient(endpoint, "rehearsal-coder"),
            Billing("coder", "t", told.append, endpoint.quota, Prices.load(None), None),
        ),
        prompts=Prompts(tmp_path, [], []),
        system_prompt="You code.",
        toolbox=toolbox,
        specs=specs(toolbox),
        workspace=local_workspace(root, tmp_path / "outputs", redact=redact),
        limits=CoderLimits(steps=STEPS),
        context_window=100_000,
        emit=told.append,
        stored=fields.pop("stored", _nothing),
        redact=redact,
        **fields,
    )
    agent.restore(3, messages, 12.0)
    return agent, told


async def rest(agent: Agent, spent: TurnSpending = FULL, begun: Sequence[str] = ()) -> TurnOutcome:
    return await resume_turn(agent, StoredTurn(spent, frozenset(begun), tools_used=True))


async def test_each_open_call_is_answered_once_by_what_is_known_of_it(tmp_path: Path) -> None:
    agent, told = an_agent(tmp_path, [SYSTEM, PROMPT, asks("a", "b", "c"), answers("a")])
    assert (await rest(agent, begun=["a", "b"])).end == "step_limit"
    messages = agent.conversation.messages
    assert messages[-2:] == [answers("b", IN_FLIGHT), answers("c", NOT_BEGUN)]
    assert_paired(messages)
    assert [(event.generation, event.index) for event in told] == [(3, 4), (3, 5)]


async def test_a_limit_that_was_reached_before_holds_and_no_model_is_asked(tmp_path: Path) -> None:
    agent, told = an_agent(tmp_path, [SYSTEM, PROMPT, asks("a"), answers("a")])
    assert (await rest(agent)).end == "step_limit"
    assert told == []


async def test_a_turn_that_had_ended_in_words_is_over(tmp_path: Path) -> None:
    said: Message = {"role": "assistant", "content": f" It is done, with {KEY}. "}
    agent, told = an_agent(tmp_path, [SYSTEM, PROMPT, said])
    assert await rest(agent, TurnSpending()) == TurnOutcome("text", "It is done, with [redacted].")
    assert told == []


async def test_calls_without_an_answer_are_no_words(tmp_path: Path) -> None:
    agent, _ = an_agent(tmp_path, [SYSTEM, PROMPT, asks("a")])
    assert (await rest(agent)).end == "step_limit"


def test_time_at_work_goes_on_from_what_it_was(tmp_path: Path) -> None:
    agent, _ = an_agent(tmp_path, [])
    assert agent.seconds() >= 12.0


COMMAND = CommandRecord("make", 0, "fine", 0.1)


@pytest.mark.parametrize(
    ("notes", "active", "untried", "commands"),
    [
        ([], False, False, 0),
        ([(False, None, "")], False, False, 0),
        ([(True, None, "a.py")], True, True, 0),
        ([(True, None, "a.md")], True, False, 0),
        ([(True, None, "a.py"), (True, COMMAND, "")], True, False, 1),
        ([(True, COMMAND, ""), (True, None, "a.py")], True, True, 1),
        ([(True, None, "a.py"), (False, None, "")], True, True, 0),
    ],
)
def test_what_was_done_before_is_known(
    tmp_path: Path, notes: list[Any], active: bool, untried: bool, commands: int
) -> None:
    agent, _ = an_agent(tmp_path, [])
    for note in notes:
        agent.note(*note)
    assert (agent.work.active, agent.untried, len(agent.work.commands)) == (active, untried, commands)


async def test_a_call_is_on_disk_before_it_is_done(tmp_path: Path) -> None:
    """After a kill it is known that it may have happened."""
    seen: list[tuple[list[str], bool]] = []

    async def now_stored() -> None:
        seen.append(([event.type for event in told], (tmp_path / "root/made").exists()))

    agent, told = an_agent(tmp_path, [], stored=now_stored)
    await agent.run_call(ToolCall("c", "bash", '{"command": "touch made"}'))
    assert seen[0] == (["tool_called"], False)
    assert (tmp_path / "root/made").exists()
    (finished,) = [event for event in told if isinstance(event, e.ToolFinished)]
    assert (finished.call_id, finished.changed) == ("c", True)
    assert finished.command is not None
    assert CommandRecord(**finished.command) == agent.work.commands[0]


async def test_a_call_that_cannot_be_stored_is_not_done(tmp_path: Path) -> None:
    async def now_stored() -> None:
        raise OSError("no space")

    agent, _ = an_agent(tmp_path, [], stored=now_stored)
    with pytest.raises(OSError, match="no space"):
        await agent.run_call(ToolCall("c", "bash", '{"command": "touch made"}'))
    assert not (tmp_path / "root/made").exists()
