"""Acting on a run, from inside it or from another process, or killing it, at a chosen event."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.control.commands import Answer, await_answer, post
from agentbatch.runs.control.user_message import UserMessage
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.engine import TasksEngine
from agentbatch.tasks.run.steering import Steering
from tests.support.waiting import PATIENCE
from tests.tasks.run.verdicts import COMPLETE

INCOMPLETE = {
    **COMPLETE,
    "complete": False,
    "missing": ["b"],
    "requirements": [{"text": "b", "met": False, "evidence": "none"}],
    "follow_up_prompt": "Make b.",
}
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])


HELD = "until [ -e go ]; do sleep 0.02; done"
"""A command that ends when the test says so."""


def bash(*commands: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command}) for command in commands])


def script(name: str, *coder: Say | Fault, judge: tuple[Say | Fault, ...] = ()) -> Script:
    return Script(prompt=f"Do {name}.", coder=list(coder), evaluator=[*judge, Say(verdict=COMPLETE)])


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "dir": f"work/{name}", "first_prompt": f"Do {name}.", **fields}


class Hand:
    """Has the engine, and acts once: at the number-th event of a kind."""

    engine: Engine

    def __init__(
        self, kind: type[Any], act: Callable[["Hand"], None], task_id: str = "", number: int = 1
    ) -> None:
        self._kind, self._act, self._task_id, self._left = kind, act, task_id, number

    def attach(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def steering(self) -> Steering:
        assert isinstance(self.engine, TasksEngine)
        return Steering(self.engine)

    def on_event(self, event: e.Event, _: RunState) -> None:
        if isinstance(event, self._kind) and self._task_id in ("", getattr(event, "task_id", None)):
            self._left -= 1
            if self._left == 0:
                self._act(self)

    def say(self, task_id: str, text: str) -> None:
        """As soon as the event is taken in."""
        saying = UserMessage(text, "me", "")
        asyncio.get_running_loop().call_soon(lambda: self.steering.say(task_id, saying))

    def at_once(self) -> None:
        self.engine.signal()
        self.engine.signal()


class Killed:
    """Keeps what is on disk at the number-th event of a kind, which is not committed yet: as a kill -9 leaves it."""

    def __init__(self, folder: Path, kind: type[Any], number: int = 1, also: str = "") -> None:
        self._base, self._kind, self._left, self._also = folder, kind, number, also
        self._kept: list[tuple[Path, Path]] = []
        """Copies, and the places that they are of."""

    def on_event(self, event: e.Event, _: RunState) -> None:
        if isinstance(event, self._kind):
            self._left -= 1
            if self._left == 0:
                (run_folder,) = (self._base / ".agentbatch/runs").iterdir()
                for place in (run_folder, *([self._base / self._also] if self._also else [])):
                    copy = self._base.with_name(f"{self._base.name}-kept-{place.name}")
                    shutil.copytree(place, copy, symlinks=True)
                    self._kept.append((copy, place))

    def restore(self) -> Path:
        """Put it back in the place of what came later, which is laid aside; returns the run's folder."""
        assert self._kept, "nothing was killed"
        for copy, place in self._kept:
            place.rename(copy.with_name(f"{copy.name}-later"))
            copy.rename(place)
        return self._kept[0][1]


class Outside:
    """Another process: it sees events and posts commands. `plan` says what is done at which event."""

    def __init__(self, folder: Path, plan: Callable[["Outside", e.Event, RunState], None]) -> None:
        self.folder = folder
        self._answers: list[tuple[str, Answer]] = []
        self._asking: list[asyncio.Future[None]] = []
        self._over = False
        self._plan = plan

    def on_event(self, event: e.Event, state: RunState) -> None:
        self._plan(self, event, state)

    def ask(self, name: str, **arguments: Any) -> None:
        self._asking.append(asyncio.ensure_future(asyncio.to_thread(self._ask, name, arguments)))

    def let_go(self, *names: str) -> None:
        for name in names:
            (self.folder / "work" / name / "go").touch()

    def let_go_after_answers(self, *names: str) -> None:
        """When all that was asked so far is answered."""
        answered = asyncio.gather(*self._asking)
        answered.add_done_callback(lambda _: self.let_go(*names))

    def _ask(self, name: str, arguments: dict[str, Any]) -> None:
        (database,) = self.folder.glob(".agentbatch/runs/*/run.db")
        number = post(database, name, arguments)
        if answer := await_answer(database, number, lambda: not self._over, PATIENCE):
            self._answers.append((name, answer))

    async def answers(self) -> list[tuple[str, Answer]]:
        """What was answered, once the run is over: those who ask look a moment after it is written."""
        self._over = True
        await asyncio.gather(*self._asking)
        return self._answers


def once(
    kind: type[e.Event], act: Callable[[Outside], None], task_id: str | None = None, number: int = 1
) -> Any:
    """At the number-th of them."""
    left = number

    def plan(outside: Outside, event: e.Event, _: RunState) -> None:
        nonlocal left
        if isinstance(event, kind) and task_id in (None, getattr(event, "task_id", None)):
            left -= 1
            if left == 0:
                act(outside)

    return plan


def both(*plans: Any) -> Any:
    def plan(outside: Outside, event: e.Event, state: RunState) -> None:
        for each in plans:
            each(outside, event, state)

    return plan


UNTIL_SAID = "until [ -e said ]; do sleep 0.02; done"
"""Holds the task until something was said."""


def saying(folder: Path, on: type[e.Event], **said: Any) -> Outside:
    """Says it at the first such event; what waits for it goes on then."""

    def hold(outside: Outside, event: e.Event, state: RunState) -> None:
        if isinstance(event, e.UserSaid):
            (folder / "work/a/said").touch()

    return Outside(folder, both(once(on, lambda o: o.ask("say", **said)), hold))


def when(kind: type[e.Event], act: Any, number: int = 1) -> Any:
    """A listener that acts at the number-th event of a kind."""
    seen = 0

    def listen(event: e.Event, _: RunState) -> None:
        nonlocal seen
        if isinstance(event, kind):
            seen += 1
            if seen == number:
                act()

    return listen


class Stopper:
    """Stops the engine when told to."""

    engine: Engine

    def attach(self, engine: Engine) -> None:
        self.engine = engine

    def drain(self) -> None:
        self.engine.signal()

    def at_once(self) -> None:
        self.engine.signal()
        self.engine.signal()
