"""A run in a background process on the tests' own rehearsal server, and the app over it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import open_run
from agentbatch.runs.services.background import Background, start_background
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.reading.view import open_view
from agentbatch.tui.screens.run import RunScreen
from tests.support.keys import KEY, without_settings
from tests.support.screens import sees, until

COMPLETE = {
    "requirements": [{"text": "The file is there.", "met": True, "evidence": "@"}],
    "missing": [],
    "complete": True,
    "blocked": False,
    "score": 1.0,
    "follow_up_prompt": "",
}


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])

HELD = bash("echo here > begun; until [ -e go ]; do sleep 0.05; done")
"""A command that ends when the test says so."""


def script(name: str, *coder: Say) -> Script:
    return Script(
        prompt=f"Do {name}.",
        coder=[*(coder or [bash("touch made")]), FINISH],
        evaluator=[Say(verdict=COMPLETE)],
    )


class Project:
    """A folder with tasks `a`, `b`, …, each in a directory of its name."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.environ = {
            **without_settings(folder.parent),
            "XDG_CACHE_HOME": str(folder.parent / "cache"),
            "OPENAI_API_KEY": KEY,
            "CODER_ENDPOINT": base_url,
            "EVALUATION_BASE_URL": base_url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
            "AGENTBATCH_TOOL_MODE": "native",
            "AGENTBATCH_RETRY_DELAY": "0.01",
            "AGENTBATCH_SANDBOX": "none",
        }
        self.engines: list[Background] = []

    def write_tasks(self, names: Sequence[str]) -> None:
        tasks = [{"id": name, "dir": name, "first_prompt": f"Do {name}."} for name in names]
        (self.folder / "task.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")

    async def start(self, *words: str) -> Background:
        background = await asyncio.to_thread(
            start_background, list(words), self.folder, self.environ, lifeline=True
        )
        self.engines.append(background)
        while not self.state().tasks:  # the run can be watched, its tasks come a moment later
            await asyncio.sleep(0.02)
        return background

    def let_go(self, *names: str) -> None:
        for name in names:
            (self.folder / name / "go").touch()

    def state(self) -> RunState:
        """What the results of the run are, from its database."""
        return open_run(RunFolder(self.engines[-1].run_folder), outline=False).state

    def task(self, name: str) -> TaskState:
        return self.state().tasks[name]


@asynccontextmanager
async def project(tmp_path: Path, scripts: Sequence[Script]) -> AsyncIterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    async with RehearsalServer(scripts, key=KEY) as server:
        made = Project(folder, server.base_url)
        made.write_tasks([each.prompt[3:-1] for each in scripts])
        try:
            yield made
        finally:
            for tasks in folder.iterdir():
                if tasks.is_dir() and not tasks.name.startswith("."):
                    (tasks / "go").touch()  # without a sandbox commands outlive an engine that is killed
            for engine in made.engines:
                with suppress(ProcessLookupError):
                    engine.process.kill()
                engine.process.wait()


def app_over(engine: Background, *, control: bool = True, own: bool = True, **options: Any) -> AgentbatchApp:
    view = open_view(RunFolder(engine.run_folder))
    return AgentbatchApp(
        lambda app: app.run_screen(view, control=control, engine=engine if own else None), **options
    )


def run_screen(pilot: Pilot[Any]) -> RunScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, RunScreen))


async def at_work(pilot: Pilot[Any], made: Project, name: str) -> None:
    """The task's held command runs, and the screen knows the run."""
    await until(pilot, lambda: (made.folder / name / "begun").exists(), f"{name} is at work")
    await sees(pilot, "agentbatch running")
    await tasks_shown(pilot)


async def tasks_shown(pilot: Pilot[Any]) -> None:
    """The screen has read the tasks, and one is chosen: keys that steer it have an effect."""
    await until(pilot, lambda: run_screen(pilot).chosen is not None, "the tasks have come up")
