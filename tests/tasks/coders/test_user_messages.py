"""What a user says on its way to coders: once, and again where a conversation begins anew or is shortened."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.agents.user_messages import UserMessages
from tests.tasks.coders.builtin_coders import PROMPT, a_coder, call, planned, result, the_parts


class Said:
    """A run's state, and messages to the task `t` in it, worded as `<one two>`."""

    def __init__(self, *texts: str, to: str = "t", task_id: str = "t") -> None:
        self.state = RunState()
        for name, of in (("t", ""), ("t@1", "t"), ("t@2", "t")):
            self.emit(
                e.TaskQueued(
                    task_id=name,
                    index=0,
                    dir="",
                    first_prompt="",
                    max_iterations=3,
                    attempt_of=of,
                    tried=not of,
                )
            )
        for text in texts:
            self.say(text, to)
        self.messages = UserMessages(
            task_id, self.state, self.emit, lambda said: f"<{' '.join(said)}>" if said else "?"
        )

    def emit(self, event: e.Event) -> None:
        self.state.apply(event.model_copy(update={"seq": self.state.last_seq + 1}))

    def say(self, text: str, to: str = "t") -> None:
        self.emit(e.UserSaid(task_id=to, text=text))


def test_what_was_said_is_told_once() -> None:
    said = Said("a", "b")
    assert (said.messages.waiting, said.messages.heard()) == (True, "")
    assert (said.messages.take(), said.messages.waiting, said.messages.take()) == ("<a b>", False, "")
    said.say("c")
    assert (said.messages.heard(), said.messages.take(), said.messages.heard()) == ("<a b>", "<c>", "<a b c>")
    assert said.messages.said == ("a", "b", "c")


@pytest.mark.parametrize(
    ("fresh", "prompt"),
    [(False, "Go on.\n\n<c>"), (True, "Go on.\n\n<a b>\n\n<c>")],
    ids=["the same conversation", "a new one"],
)
def test_a_prompt_has_what_its_conversation_has_not(fresh: bool, prompt: str) -> None:
    said = Said("a", "b")
    said.messages.take()
    said.say("c")
    assert said.messages.prompt("Go on.", fresh=fresh) == prompt
    assert said.messages.prompt("", fresh=False) == ""


def test_what_stands_there_already_is_not_repeated() -> None:
    said = Said("No", "beta\n\nand more")
    said.messages.take()
    known = "Not accepted.\n\nThe user says:\n\nbeta\n\nand more"
    assert said.messages.after("The task.", known) == "The task.\n\n<No>"
    assert said.messages.after("", f"{known}\n\nNo") == ""


@pytest.mark.parametrize(
    ("to", "task_id", "heard"),
    [("t", "t@1", "<a>"), ("t@1", "t@1", "<a>"), ("t@2", "t@1", ""), ("t@1", "t", "")],
    ids=["the task", "this attempt", "another attempt", "of its attempts"],
)
def test_what_is_said_to_a_task_is_said_to_its_attempts(to: str, task_id: str, heard: str) -> None:
    assert Said("a", to=to, task_id=task_id).messages.take() == heard


@pytest.mark.parametrize(("definition", "said"), [("same", ("a",)), ("other", ())])
def test_a_task_that_begins_again_is_told_again_while_it_is_the_same(
    definition: str, said: tuple[str, ...]
) -> None:
    found = Said()
    queued = e.TaskQueued(task_id="t", index=0, dir="", first_prompt="", max_iterations=3, definition="same")
    found.emit(queued)
    found.say("a")
    found.messages.take()
    found.emit(queued.model_copy(update={"definition": definition}))
    assert (found.messages.said, found.messages.waiting) == (said, bool(said))


def worded(said: Any) -> str:
    return "\n\n".join(["The user says:", *said])


async def test_words_outlive_the_summary_of_what_they_stood_in(tmp_path: Path) -> None:
    """Also twice, and what has not been heard goes out behind it."""
    async with the_parts(tmp_path) as (parts, server):
        store = parts.store
        messages = UserMessages("t", store.state, store.emit, worded)
        agent = a_coder(parts, planned(tmp_path), user_messages=messages).agent
        agent.add_user_message(PROMPT)
        agent.context_window = 4000
        for number, text in enumerate(("first", "second"), 1):
            store.emit(e.UserSaid(task_id="t", text=text))
            await agent.complete()
            for step in range(10 * number, 10 * number + 8):
                agent.conversation.add(call(step))
                agent.conversation.add(result(step))
            agent.conversation.add({"role": "user", "content": "Go on."})
        store.emit(e.UserSaid(task_id="t", text="last"))
        await agent.complete()
        sent = [str(one["content"]) for one in server.requests[-1].body["messages"] if one["role"] == "user"]
        assert sent[0] == PROMPT
        assert sent[1].startswith("The earlier part of this conversation was replaced")
        assert sent[1].endswith("\n\nThe user says:\n\nfirst\n\nsecond")
        assert sent[-1] == "The user says:\n\nlast"
        assert sum("first" in one for one in sent) == 1


async def test_a_turn_that_would_end_goes_on_for_what_was_said_meanwhile(tmp_path: Path) -> None:
    async with the_parts(tmp_path) as (parts, server):
        store = parts.store
        messages = UserMessages("t", store.state, store.emit, worded)
        coder = a_coder(parts, planned(tmp_path), user_messages=messages)

        def answer(event: e.Event, _: RunState) -> None:
            if isinstance(event, e.ToolFinished) and event.ok and not messages.said:
                store.emit(e.UserSaid(task_id="t", text="Not yet."))

        store.listen(answer)
        outcome = await coder.turn(PROMPT)
        last = server.requests[-1].body["messages"]
    assert outcome.end == "finished"
    assert [one["role"] for one in last[-3:]] == ["assistant", "tool", "user"]
    assert last[-1]["content"] == "The user says:\n\nNot yet."
