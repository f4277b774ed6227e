"""A task that goes on with another coder: what each is asked, what stands as work, where a resumption goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from agentbatch.runs import events as e
from agentbatch.tasks.agents.definition import load_evaluator
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.chosen.kind import ChosenCoders
from agentbatch.tasks.coders.coder import Assignment, CoderState, PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.spec.escalation import steps_of
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import CommandRecord, Workspace

FINISHED = TurnOutcome("finished", "")


@dataclass
class Fake:
    name: str
    noted: list[str]
    style: PromptStyle
    work: WorkLog = field(default_factory=WorkLog)

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        return self._done(f"{self.name}{' fresh' if fresh else ''}: {prompt}")

    async def resume(self, prompt: str) -> TurnOutcome:
        return self._done(f"{self.name} resumes: {prompt}")

    def _done(self, noted: str) -> TurnOutcome:
        self.noted.append(noted)
        if noted.endswith("fails"):
            raise OSError
        number = sum(one.startswith(self.name) for one in self.noted)
        self.work.active = True
        self.work.tried_from = len(self.work.commands)
        self.work.commands.append(CommandRecord(f"{self.name} {number}", 0, "", 0.1))
        return FINISHED

    def strengthen(self, iteration: int) -> str:
        return "strong" if iteration == 9 else ""

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return [{"role": "user", "content": self.name}]

    async def close(self) -> None:
        self.noted.append(f"{self.name} closed")


@dataclass
class Fakes:
    name: str
    noted: list[str]
    tools: tuple[str, ...] = ()
    command_timeout: float = 1.0

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        self.noted.append(f"{self.name} starts: {','.join(task.id for task in tasks)}")

    def make(self, assignment: Assignment) -> Fake:
        ran = (
            [event.command for event in assignment.state.events if isinstance(event, e.ToolFinished)]
            if (assignment.state)
            else []
        )
        known = [CommandRecord(**one) for one in ran if one]
        return Fake(self.name, self.noted, PromptStyle({"finish": self.name}), WorkLog(known, bool(known)))


def coders(noted: list[str]) -> ChosenCoders:
    evaluator = load_evaluator(Path.cwd())
    prompts = Prompts(Path.cwd(), (), evaluator.prompts)
    return ChosenCoders({name: Fakes(name, noted) for name in ("a", "b")}, "model", prompts)


def planned(steps: str, coder: str = "a") -> PlannedTask:
    task = Task(id="t", first_prompt="The task.")
    return PlannedTask("t", 0, task, Path("/t"), 10, None, coder=coder, escalate=steps_of(steps.split(",")))


async def patch() -> str:
    return "+added"


def assigned(steps: str, state: CoderState | None = None) -> Assignment:
    return Assignment(planned(steps), cast(Workspace, None), False, state=state, changes=patch)


async def test_another_takes_over_with_the_task_what_was_changed_and_the_next_prompt() -> None:
    noted: list[str] = []
    coder = coders(noted).make(assigned("2:@b,3:@a:strong"))
    assert coder.style.words["finish"] == "a"
    styles, names = [], []
    for iteration in range(1, 5):
        names.append(coder.strengthen(iteration))
        await coder.turn(f"prompt {iteration}")
        styles.append(coder.style.words["finish"])
    assert names == ["", "", "b", "a"]
    assert styles == ["a", "b", "a", "a"], "a prompt is worded for who gets it"
    assert noted[:3] == ["a: prompt 1", "a: prompt 2", "a closed"]
    assert noted[3].startswith("b fresh: The task.\n\nAnother coder has worked on this before you")
    assert "\n+added\n" in noted[3]
    assert noted[3].endswith("\n\nprompt 3")
    assert noted[4:5] == ["b closed"]
    assert noted[5].startswith("a fresh: The task.")
    assert [record.command for record in coder.work.commands] == ["a 1", "a 2", "b 1", "a 4"]
    assert (coder.work.active, coder.work.tried_from) == (True, 3)
    assert [one["content"] for one in coder.transcript()] == ["a", "b"]


async def test_a_turn_that_failed_is_noted_too() -> None:
    coder = coders([]).make(assigned("2:@b"))
    await coder.turn("one")
    with pytest.raises(OSError):  # noqa: PT011
        await coder.turn("it fails")
    assert len(coder.work.commands) == 1


def begun(iteration: int, coder: str, *, did: bool = False) -> CoderState:
    ran = {"command": "earlier", "exit_code": 0, "tail": "", "seconds": 1.0}
    finished = e.ToolFinished(task_id="t", call_id="1", tool="bash", ok=True, seconds=1.0, command=ran)
    starts = [
        e.IterationStarted(task_id="t", iteration=n, prompt="p", coder=coder) for n in range(1, iteration + 1)
    ]
    return CoderState([finished, *starts], [finished] if did else [], -1, [])


@pytest.mark.parametrize(
    ("iteration", "by", "did", "noted"),
    [
        (2, "a", True, "a resumes: p"),
        (2, "a", False, "a resumes: p"),
        (3, "b", True, "b resumes: p"),
        (3, "b", False, "b fresh: The task."),
        (4, "b", False, "b resumes: p"),
        (3, "c", True, "b fresh: The task."),
    ],
)
async def test_a_resumption_goes_on_with_who_was_at_work(
    iteration: int, by: str, did: bool, noted: str
) -> None:
    """Or with who is to be, where the escalation is another now."""
    found: list[str] = []
    coder = coders(found).make(assigned("2:@b", begun(iteration, by, did=did)))
    assert coder.strengthen(iteration) == ""
    await coder.resume("p")
    assert found[-1].startswith(noted)
    assert [record.command for record in coder.work.commands] == ["earlier", f"{noted[0]} 1"], "once"


async def test_each_is_started_for_the_tasks_that_may_get_it() -> None:
    noted: list[str] = []
    await coders(noted).start([planned(""), planned("2:@b")])
    assert noted == ["a starts: t,t", "b starts: t"]
