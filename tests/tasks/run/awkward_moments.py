"""Acting on a run, or killing it, at a chosen event. Shared by tests of whole runs."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.control.saying import Saying
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.engine import TasksEngine
from agentbatch.tasks.run.steering import Steering
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
        saying = Saying(text, "me", "")
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
