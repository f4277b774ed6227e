import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.runs.control.commands import Answer, Command, CommandQueue, await_answer, post
from agentbatch.runs.control.control import Control, carry_out
from agentbatch.runs.control.user_message import UserMessage
from agentbatch.runs.store.database import create_database
from tests.support.waiting import PATIENCE

STORED = ("stored",)
"""What was done so far is stored: an answer comes after it."""


class Desk:
    """An engine that writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def stop(self, now: bool) -> str:
        return self._note("stop", now)

    def pause(self, task_id: str | None) -> str:
        return self._note("pause", task_id)

    def unpause(self, task_id: str | None) -> str:
        return self._note("unpause", task_id)

    def cancel_task(self, task_id: str) -> str:
        if task_id == "gone":
            raise UserError("There is no task 'gone'.")
        return self._note("cancel_task", task_id)

    def retry_task(self, task_id: str) -> str:
        return self._note("retry_task", task_id)

    def say(self, task_id: str | None, message: UserMessage) -> str:
        return self._note("say", task_id, *message)

    def visit(self, task_id: str) -> str:
        return self._note("visit", task_id)

    def set_concurrency(self, number: int) -> str:
        return self._note("set_concurrency", number)

    def _note(self, *what: object) -> str:
        self.asked.append(what)
        return f"{what[0]} done"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    create_database(tmp_path / "run.db")
    return tmp_path / "run.db"


@pytest.fixture
def queue(database: Path) -> Iterator[CommandQueue]:
    with closing(CommandQueue(database)) as queue:
        yield queue


@pytest.mark.parametrize(
    ("name", "arguments", "asked"),
    [
        ("stop", {}, ("stop", False)),
        ("stop", {"now": True}, ("stop", True)),
        ("pause", {}, ("pause", None)),
        ("pause", {"task": None}, ("pause", None)),
        ("pause", {"task": "a"}, ("pause", "a")),
        ("unpause", {}, ("unpause", None)),
        ("resume-paused", {}, ("unpause", None)),
        ("unpause", {"task": "a"}, ("unpause", "a")),
        ("cancel", {"task": "a"}, ("cancel_task", "a")),
        ("retry", {"task": "a"}, ("retry_task", "a")),
        ("say", {"task": "a", "text": " 做\r\n\x1b[2Jit "}, ("say", "a", "做\nit", "", "")),
        ("say", {"text": "b", "by": "u\nv", "token": "t" * 100}, ("say", None, "b", "u v", "t" * 64)),
        ("visit", {"task": "a"}, ("visit", "a")),
        ("set-concurrency", {"number": 10000}, ("set_concurrency", 10000)),
    ],
)
def test_each_command_does_what_it_says(name: str, arguments: dict[str, object], asked: object) -> None:
    engine = Desk()
    answer = carry_out(Command(1, name, json.dumps(arguments)), engine)
    assert (answer.ok, engine.asked) == (True, [asked])


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("explode", "{}", "knows no command 'explode'"),
        ("ex\x1b[2Jplode", "{}", "knows no command 'explode'"),
        ("", "{}", "knows no command ''"),
        ("do", "{}", "knows no command"),
        ("stop", "", "cannot be understood: arguments: Invalid JSON"),
        ("stop", "[]", "cannot be understood: arguments"),
        ("stop", '{"now": "yes"}', "stop cannot be understood: now: must be true or false"),
        ("stop", '{"now": 1}', "now: must be true or false"),
        ("stop", '{"noww": true}', "noww: is not known"),
        ("cancel", "{}", "task: is missing"),
        ("cancel", '{"task": null}', "task: must be text"),
        ("retry", '{"task": 3}', "task: must be text"),
        ("say", '{"task": "a"}', "text: is missing"),
        ("say", '{"task": "a", "text": " \\u200b"}', "nothing to say"),
        ("say", json.dumps({"task": "a", "text": "x" * 10_001}), "at most 10,000 characters"),
        ("set-concurrency", '{"number": 0}', "must be 1 or more"),
        ("set-concurrency", '{"number": 10001}', "must be 10,000 or less"),
        ("set-concurrency", '{"number": 2.5}', "number: must be a whole number"),
        ("set-concurrency", '{"number": "3"}', "number: must be a whole number"),
        ("stop", "[" * 10_000, "cannot be understood"),
    ],
)
def test_what_cannot_be_understood_is_answered_and_not_done(name: str, arguments: str, said: str) -> None:
    engine = Desk()
    answer = carry_out(Command(1, name, arguments), engine)
    assert not answer.ok
    assert said in answer.text
    assert engine.asked == []


async def test_commands_are_carried_out_in_order_and_a_refusal_holds_nothing_up(
    database: Path, queue: CommandQueue
) -> None:
    engine = Desk()
    asked: list[tuple[str, dict[str, object]]] = [
        ("pause", {}),
        ("cancel", {"task": "gone"}),
        ("nonsense", {}),
        ("resume-paused", {}),
        ("stop", {"now": True}),
    ]
    ids = [post(database, name, arguments) for name, arguments in asked]
    control = asyncio.ensure_future(Control(queue, engine, lambda: engine.asked.append(STORED)).run())
    answers = [await asyncio.to_thread(await_answer, database, i, lambda: True, PATIENCE) for i in ids]
    later = await asyncio.to_thread(post, database, "set-concurrency", {"number": 2})
    answers.append(await asyncio.to_thread(await_answer, database, later, lambda: True, PATIENCE))
    control.cancel()
    await asyncio.wait({control})
    assert [answer and answer.ok for answer in answers] == [True, False, False, True, True, True]
    assert answers[1] == Answer(False, "There is no task 'gone'.")
    assert engine.asked == [
        ("pause", None), STORED, STORED, STORED,  # two were refused
        ("unpause", None), STORED, ("stop", True), STORED, ("set_concurrency", 2), STORED,
    ]  # fmt: skip
