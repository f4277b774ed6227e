"""A coder and an evaluator of a test's own, without any model: a batch through the doors, interrupted, resumed."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from agentbatch.api import RunOutcome, run_batch
from agentbatch.config import load_settings
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Listener, Store
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.coder import Assignment, CoderFailed, PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.evaluator.evaluator import (
    CheckOutcome,
    Continue,
    Decision,
    Done,
    EvaluatorRecord,
    Found,
    Prepared,
    Start,
    TurnEvidence,
)
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.local import local_workspaces
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import Order, Snapshot, Workspace, Workspaces
from tests.support.sent_workspaces import SentTaskWorkspace, SentWorkspaces
from tests.workspace.repositories import git, make_repository, needs_git

Moment = Literal["turn", "evaluation", ""]

Door = Literal[
    "start", "evaluator made", "prepare", "coder made", "resume", "evaluate", "close", "transcript"
]


class SessionOpened(e.TaskEvent):
    """What an agent in a process of its own would store: the id by which its session is found again."""

    resumes: ClassVar[bool] = True
    type: Literal["test_session_opened"] = "test_session_opened"
    session: str


@dataclass
class World:
    """What the two note in one session of the run; it stands still at the moment that is to be interrupted."""

    moment: Moment = ""
    noted: list[str] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    raises: Mapping[Door, BaseException] = field(default_factory=dict)
    """What is raised where: code of somebody else's raises whatever it likes."""

    def come_to(self, door: Door) -> None:
        if door in self.raises:
            raise self.raises[door]

    async def pass_by(self, moment: Moment) -> None:
        if moment == self.moment:
            self.reached.set()
            await asyncio.Event().wait()


class TinyCoder:
    def __init__(self, world: World, parts: RunParts, assignment: Assignment) -> None:
        self._world, self._assignment = world, assignment
        self.style = PromptStyle({"finish": "stop"})
        events = assignment.state.events if assignment.state else ()
        known = [event.session for event in events if isinstance(event, SessionOpened)]
        self.session = known[0] if known else f"session of {assignment.task.id}"
        self.work = WorkLog(active=bool(known))
        self.conversation: list[dict[str, Any]] = [
            {"role": "assistant", "content": f"This is {self.session}."}
        ]
        if not known:
            parts.store.emit(SessionOpened(task_id=assignment.task.id, session=self.session))

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        self._world.noted.append(f"turn: {prompt}")
        name = "done" if prompt == "Now make done." else "begun"
        if name == "done":
            await self._world.pass_by("turn")
        return await self._write(name)

    async def resume(self, prompt: str) -> TurnOutcome:
        self._world.noted.append(f"resume in {self.session}: {prompt}")
        self._world.come_to("resume")
        return await self._write("done")

    async def _write(self, name: str) -> TurnOutcome:
        written = await self._assignment.workspace.call("write_file", {"path": name, "content": "x\n"})
        assert written.ok
        self.work.active = True
        return TurnOutcome("finished", f"I made {name}.")

    def strengthen(self, iteration: int) -> str:
        return ""

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        self._world.come_to("transcript")
        return self.conversation

    async def close(self) -> None:
        self._world.noted.append("closed")
        self._world.come_to("close")


@dataclass
class TinyCoders:
    world: World
    parts: RunParts
    tools: tuple[str, ...] = ("write_file",)
    command_timeout: float = 60.0

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        self.world.noted.append(f"start: {len(tasks)}")
        self.world.come_to("start")

    def make(self, assignment: Assignment) -> TinyCoder:
        self.world.come_to("coder made")
        return TinyCoder(self.world, self.parts, assignment)


@dataclass
class TinyEvaluator:
    """Accepts a directory with a file `done` in it."""

    world: World
    workspace: Workspace | None = None
    task: PlannedTask | None = None

    async def prepare(self, start: Start) -> Prepared:
        self.world.come_to("prepare")
        self.task, self.workspace = start.task, start.workspace
        return Prepared(runs_work=True)

    def opening(self, style: PromptStyle) -> str:
        assert self.task is not None
        return f"{self.task.task.first_prompt} Then {style.words['finish']}."

    def restore(self, verdicts: Sequence[e.VerdictReached]) -> Decision:
        self.world.noted.append(f"restore: {[event.evaluated['seen'] for event in verdicts]}")
        return Continue(verdicts[-1].follow_up) if verdicts else Continue("")

    async def compare(
        self, before: Snapshot, after: Snapshot, known: Sequence[EvaluatorRecord]
    ) -> Sequence[CheckOutcome]:
        return [CheckOutcome("done", "done" in after.files)]

    async def evaluate(self, evidence: TurnEvidence) -> Found:
        assert self.workspace is not None
        assert evidence.work.active
        self.world.come_to("evaluate")
        seen = sorted(evidence.after.files)
        self.world.noted.append(f"evaluate {evidence.iteration}: {evidence.outcome.text}")
        if "done" in seen:
            await self.world.pass_by("evaluation")
        check = await self.workspace.run("test -e done", 300.0)
        if check.exit_code == 0:
            return Found(Done("completed", "accepted"), "verify", record={"seen": seen})
        return Found(Continue("Now make done."), "verify", ("done is missing",), record={"seen": seen})


@dataclass
class TinyEvaluators:
    world: World

    tools: ClassVar[tuple[str, ...]] = ()

    def make(self, task: PlannedTask) -> TinyEvaluator:
        self.world.come_to("evaluator made")
        return TinyEvaluator(self.world)


async def run(
    folder: Path,
    world: World,
    resume: Path | None = None,
    *,
    coders: type["TinyCoders"] = TinyCoders,
    listeners: Sequence[Listener] = (),
    open_workspaces: Callable[[PreparedRun, Store], Workspaces] = local_workspaces,
) -> RunOutcome:
    """All tasks of the folder; stopped at once when the world stands still. No endpoint is ever asked."""
    nowhere = "http://127.0.0.1:9/v1"
    environ = {**os.environ, "OPENAI_API_KEY": "sk-test-0123456789abcdef"}
    given = {"coder_endpoint": nowhere, "evaluation_base_url": nowhere, "mode": "serial", "sandbox": "none"}
    prepared = prepare(
        load_settings(given, environ, folder=folder),
        folder=folder,
        environ=environ,
        resume=RunFolder(resume) if resume is not None else None,
    )
    engines: list[Engine] = []

    async def stop() -> None:
        await world.reached.wait()
        engines[0].signal()
        engines[0].signal()

    stopping = asyncio.ensure_future(stop())
    try:
        return await run_batch(
            prepared,
            listeners=listeners,
            on_start=engines.append,
            open_workspaces=open_workspaces,
            make_coders=lambda parts: coders(world, parts),
            make_evaluators=lambda _: TinyEvaluators(world),
        )
    finally:
        stopping.cancel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tasks = [{"id": "a", "dir": "work/a", "first_prompt": "Make it."}]
    (tmp_path / "task.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    return tmp_path


WHOLE = [
    "start: 1",
    "turn: Make it. Then stop.",
    "evaluate 1: I made begun.",
    "turn: Now make done.",
    "evaluate 2: I made done.",
    "closed",
]


async def test_a_batch_runs_through_the_doors_alone(folder: Path) -> None:
    world = World()
    outcome = await run(folder, world)
    assert (outcome.exit_code, world.noted) == (0, WHOLE)
    task = outcome.state.tasks["a"]
    assert (task.status, task.iteration, task.last_response, task.changed_files) == (
        "completed", 2, "I made done.", 2
    )  # fmt: skip
    assert sorted(path.name for path in (folder / "work/a").iterdir()) == ["begun", "done"]
    transcript = json.loads((outcome.run_folder / "tasks/a/coder.traj.json").read_text(encoding="utf-8"))
    assert [message["content"] for message in transcript["messages"]] == ["This is session of a."]


@pytest.mark.parametrize(
    ("moment", "before", "after"),
    [
        ("turn", WHOLE[:4], ["resume in session of a: Now make done.", "evaluate 2: I made done.", "closed"]),
        ("evaluation", WHOLE[:5], ["evaluate 2: I made done.", "closed"]),
    ],
)
async def test_an_interrupted_batch_resumes_where_it_was(
    folder: Path, moment: Moment, before: list[str], after: list[str]
) -> None:
    world = World(moment)
    stopped = await run(folder, world)
    assert (stopped.exit_code, world.noted) == (130, [*before, "closed"])
    assert stopped.state.tasks["a"].resumable
    world = World()
    outcome = await run(folder, world, stopped.run_folder)
    assert world.noted == ["start: 1", "restore: [['begun']]", *after]
    task = outcome.state.tasks["a"]
    assert (outcome.exit_code, task.status, task.iteration) == (0, "completed", 2)
    assert [record.accepted for record in task.verdicts] == [False, True]


class Noted:
    """Notices of a run."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: e.Event, _: RunState) -> None:
        if isinstance(event, e.Notice):
            self.texts.append(event.text)


@pytest.fixture
def repository(folder: Path) -> Path:
    """The task works in a worktree of it."""
    work = make_repository(folder / "work/a", {"a.txt": "old\n"})
    task = {"id": "a", "dir": "work/a", "first_prompt": "Make it.", "isolation": "worktree"}
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}), encoding="utf-8")
    return work


@needs_git
@pytest.mark.parametrize("error", [RuntimeError("broken pipe"), asyncio.CancelledError()])
async def test_a_coder_that_cannot_be_closed_costs_a_notice_and_nothing_else(
    folder: Path, repository: Path, error: BaseException
) -> None:
    world, noted = World(raises={"close": error, "transcript": ValueError("it is gone")}), Noted()
    outcome = await run(folder, world, listeners=[noted])
    task = outcome.state.tasks["a"]
    assert (outcome.exit_code, task.status, task.changed_files) == (0, "completed", 2)
    assert git(repository, "show", f"{task.branch}:done") == "x"
    of_task = outcome.run_folder / "tasks/a"
    assert (of_task / "changes.patch").exists()
    assert (of_task / "coder.traj.json").exists()
    assert not (of_task / "work/trees").exists(), "the workspace was closed"
    assert noted.texts == [
        f"Its coder could not be closed: {type(error).__name__}{': broken pipe' if str(error) else ''}",
        "Its conversation is not known: ValueError: it is gone",
    ]


@needs_git
@pytest.mark.parametrize("door", ["evaluator made", "prepare", "coder made", "resume", "evaluate"])
async def test_a_door_that_breaks_ends_its_task_only_and_keeps_what_was_done(
    folder: Path, repository: Path, door: Door
) -> None:
    stopped = await run(folder, World("turn"))
    assert (stopped.exit_code, stopped.state.tasks["a"].resumable) == (130, True)
    noted = Noted()
    outcome = await run(folder, World(raises={door: KeyError("x")}), stopped.run_folder, listeners=[noted])
    task = outcome.state.tasks["a"]
    assert (outcome.exit_code, task.status, task.reason, task.resumable) == (
        1,
        "error",
        "internal_error",
        False,
    )
    assert task.error == "Internal error: KeyError: 'x'"
    assert git(repository, "show", f"{task.branch}:begun") == "x"
    (notice,) = [text for text in noted.texts if "Internal error in task a" in text]
    assert "Traceback" in notice


async def test_a_coder_that_cannot_work_is_not_told_as_a_directory_that_cannot_be_used(folder: Path) -> None:
    outcome = await run(folder, World(raises={"coder made": CoderFailed("Its program is gone.")}))
    task = outcome.state.tasks["a"]
    told = (outcome.exit_code, task.status, task.reason, task.error)
    assert told == (1, "error", "coder_error", "Its program is gone.")


async def test_a_coder_that_cannot_start_ends_the_run_which_can_be_resumed(folder: Path) -> None:
    outcome = await run(folder, World(raises={"start": RuntimeError("not installed")}))
    task, finished = outcome.state.tasks["a"], outcome.state.finished
    assert (outcome.exit_code, task.reason, task.resumable) == (1, "interrupted", True)
    assert finished is not None
    assert finished.error == "The coder could not be started: RuntimeError: not installed"
    assert (await run(folder, World(), outcome.run_folder)).exit_code == 0


async def test_a_conversation_that_is_no_json_is_a_sentence_in_the_transcript(folder: Path) -> None:
    class Strange(TinyCoders):
        def make(self, assignment: Assignment) -> TinyCoder:
            coder = super().make(assignment)
            coder.conversation = [{"role": "assistant", "content": {1, 2}}]
            return coder

    outcome = await run(folder, World(), coders=Strange)
    assert outcome.exit_code == 0
    transcript = json.loads((outcome.run_folder / "tasks/a/coder.traj.json").read_text(encoding="utf-8"))
    assert "cannot be written down: TypeError" in transcript["messages"][0]["content"]


class Breaking(SentWorkspaces):
    """What can only be said once a task, or the run, is over goes wrong."""

    def make(self, order: Order) -> SentTaskWorkspace:
        there = super().make(order)

        async def close() -> tuple[str, ...]:
            raise RuntimeError("the node is gone")

        there.close = close  # type: ignore[method-assign]
        return there

    async def close(self) -> None:
        raise RuntimeError("all nodes are gone")


async def test_a_workspace_that_cannot_be_closed_costs_a_notice_and_nothing_else(folder: Path) -> None:
    noted = Noted()
    outcome = await run(
        folder,
        World(),
        listeners=[noted],
        open_workspaces=lambda prepared, store: Breaking(local_workspaces(prepared, store)),
    )
    assert (outcome.exit_code, outcome.state.tasks["a"].status) == (0, "completed")
    assert (outcome.run_folder / "tasks/a/coder.traj.json").exists()
    assert noted.texts == [
        "Its workspace could not be closed: RuntimeError: the node is gone",
        "The workspaces could not be closed: RuntimeError: all nodes are gone",
    ]
