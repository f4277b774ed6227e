from collections.abc import Callable

import pytest

from agentbatch.display.display import Display
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.usage import Usage
from tests.support.run_events import NOON


@pytest.fixture(autouse=True)
def _in_utc(utc: None) -> None:
    """Times of day are shown."""


class Story:
    """A hand-made run: events get times, are folded, and go to the displays that listen."""

    def __init__(self, tasks: list[str], **info: object) -> None:
        self.state = RunState()
        self.displays: list[Display] = []
        self.opening = e.RunStarted.model_validate(
            {
                "run_id": "20270115-120000-ab12",
                "version": "0.1.0",
                "mode": "parallel",
                "max_concurrent": 3,
                "total_tasks": len(tasks),
                "coder_model": "m-coder",
                "evaluator_model": "m-judge",
                "coder_endpoint": "https://api.example.com/v1",
                "evaluator_endpoint": "https://api.example.com/v1",
                "sandbox": "bubblewrap",
            }
            | info
        )
        self._tasks = tasks

    def begin(self) -> None:
        self.at(0, self.opening)
        for index, name in enumerate(self._tasks):
            queued = e.TaskQueued(
                task_id=name, index=index, dir=f"work/{index}", first_prompt="p", max_iterations=10
            )
            self.at(0, queued)

    def at(self, second: float, event: e.Event) -> None:
        event = event.model_copy(update={"ts": NOON + second})
        self.state.apply(event)
        for display in self.displays:
            display.on_event(event, self.state)

    def start(self, task: str, second: float = 0) -> None:
        self.at(second, e.TaskStarted(task_id=task))
        self.at(second, e.IterationStarted(task_id=task, iteration=1, prompt="p"))

    def call(self, task: str, second: float, **changes: object) -> None:
        fields: dict[str, object] = {
            "task_id": task,
            "role": "coder",
            "model": "m-coder",
            "usage": Usage(input=12_000, cached=9_000, output=600, reasoning=100, calls=1),
            "cost": 0.03,
            "cost_input": 0.01,
            "cost_output": 0.02,
            "latency": 4.0,
            "attempts": 1,
        }
        self.at(second, e.ModelCallFinished.model_validate(fields | changes))

    def finish(self, task: str, second: float, **changes: object) -> None:
        fields: dict[str, object] = {"task_id": task, "status": "completed", "reason": "accepted"}
        self.at(second, e.TaskFinished.model_validate(fields | changes))


@pytest.fixture
def story() -> Callable[..., Story]:
    """Makes a Story that has begun."""

    def make(tasks: list[str], *displays: Display, **info: object) -> Story:
        made = Story(tasks, **info)
        made.displays += displays
        made.begin()
        return made

    return make


@pytest.fixture
def noon() -> float:
    return NOON
