"""A small task through a coder, from end to end: what `agentbatch doctor --coder NAME` tries."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from agentbatch.cli.setup.check import Check
from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.rehearsal.library import sample_scripts
from agentbatch.runs import events as e
from agentbatch.runs.log_lines import line
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.run.prepare.own_files import planted_coders
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.run_batch import run_batch
from agentbatch.text import clip, counted, duration, money
from agentbatch.workspace.preparation import own_environment

TASK = "fizzbuzz.py with a function fizzbuzz"
"""In the prompt of the sample task that is tried."""
VERIFY = "python3 -B -c \"from fizzbuzz import fizzbuzz; assert fizzbuzz(15)[-1] == 'FizzBuzz'\""
SECONDS = 600.0
ITERATIONS = 3


SHOWN = (e.AgentSession, e.IterationStarted, e.ModelCallFinished, e.ToolCalled, e.CheckFinished, e.Notice)
"""What is told of the task while it runs."""


async def coder_check(settings: Settings, folder: Path, tell: Callable[[str], None]) -> Check:
    """Its own verify decides, no evaluator is asked. Without a key the rehearsal model plays; with one the coder's is
    asked, and that costs. `tell` is given a line for each step."""

    def follow(event: e.Event, state: RunState) -> None:
        if isinstance(event, SHOWN):
            for text in line(event, state, verbose=True):
                tell(text.replace(" task 1/1:", "", 1))

    name = f"coder {settings.coder_name}"
    entry = CoderKinds(folder).entries.get(settings.coder_name)
    if entry is not None and entry.own and not settings.trust_changes and (planted := planted_coders(folder)):
        return Check("fail", name, planted)
    with tempfile.TemporaryDirectory(prefix="agentbatch-doctor-") as place:
        own = Path(place).resolve()
        for kind in ("agents", "prompts"):
            if (folder / kind).is_dir():
                shutil.copytree(folder / kind, own / kind)
        prompt = next(one.prompt for one in sample_scripts() if TASK in one.prompt)
        task = {
            "id": "doctor",
            "dir": "work",
            "first_prompt": prompt,
            "verify": VERIFY,
            "coder": settings.coder_name,
        }
        (own / "task.json").write_text(json.dumps({"tasks": [task]}), encoding="utf-8")
        small = {
            "tasks": Path("task.json"),
            "mode": "serial",
            "judge": "none",
            "max_iterations": ITERATIONS,
            "timeout": SECONDS,
        }
        try:
            tell(f"{settings.coder_name} gets a small task, and at most {SECONDS / 60:.0f} minutes for it")
            # What lies here a task may have put here.
            environ = own_environment(os.environ, [own, Path.cwd()])
            prepared = prepare(settings.model_copy(update=small), folder=own, environ=environ)
            outcome = await run_batch(prepared, listeners=[follow])
        except UserError as error:
            return Check("fail", name, str(error))
    (ended,) = outcome.state.tasks.values()
    if ended.status == "completed":
        return Check("ok", name, f"a small task completed: {_took(ended)}")
    return Check("fail", name, clip(f"a small task was not completed: {ended.error} ({_took(ended)})", 1_000))


def _took(task: TaskState) -> str:
    usage = task.usage
    called = f"{counted(usage.calls, 'call')}, {usage.shown(usage.total)} tokens"
    return f"{counted(task.iteration, 'iteration')}, {called}, {money(task.cost)}, {duration(task.duration(0.0))}"
