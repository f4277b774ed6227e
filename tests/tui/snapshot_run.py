"""A run in a folder, the same to the last second whenever it is made: for pictures of the screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.store import Store
from agentbatch.tasks.coders.builtin.conversation import Conversation
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.reading.view import open_view
from agentbatch.usage import Usage
from tests.support.run_events import NOON, run_started

PRICES = "".join(
    f'[models."{name}"]\ninput = {given}\noutput = {written}\ncached = {given / 10}\n'
    for name, given, written in (
        ("deepseek-chat", 0.3, 1.1), ("gpt-5-mini", 0.25, 2.0), ("m-cheap", 0.05, 0.1), ("m-dear", 15.0, 75.0),
    )
)  # fmt: skip
"""Prices of its own: those of the market change."""

NAMES = ("parse-dates", "csv-export", "rate-limiter", "统计-report", "readme", "flaky-tests", "docs")

PROOF = {"ref": "C2", "quote": "Ran 3 tests", "where": "command, exit 0: python -m unittest -q"}
IN_FILE = {"ref": "F1", "quote": "def parse(text):", "where": "file dates.py (added)"}
MET = {"text": "Dates of three forms are read.", "met": True, "evidence": [IN_FILE]}
OWN = {"ref": "K3", "quote": "ValueError", "where": "evaluator's check, passed: A wrong date is an error."}
WORDS = {"ref": "", "quote": "parse('31.2.') returns a date.", "where": ""}
UNMET = {"text": "A wrong date is an error.", "met": False, "evidence": [WORDS]}


class Scene:
    """Writes events at seconds after noon."""

    def __init__(self, base: Path) -> None:
        self.now = NOON
        folder = RunFolder(base / ".agentbatch" / "runs" / "20270115-120000-ab12")
        folder.path.mkdir(parents=True)
        self.store = Store(folder, Redactor([]), clock=lambda: self.now)
        self._ids = count()

    def at(self, second: float, *events: e.Event) -> None:
        self.now = NOON + second
        for event in events:
            self.store.emit(event)

    def begin(self, task_file: Path) -> None:
        self.at(
            0,
            run_started(
                len(NAMES),
                run_id="20270115-120000-ab12",
                coder_model="deepseek-chat",
                evaluator_model="gpt-5-mini",
                sandbox="bubblewrap",
                task_file=str(task_file),
                settings={"compare_models": ["deepseek-chat", "gpt-5-mini", "m-cheap", "m-dear"]},
            ),
        )
        for index, name in enumerate(NAMES):
            prompt = f"Write {name} with its tests. Nothing but the standard library."
            self.at(
                0, e.TaskQueued(task_id=name, index=index, dir=name, first_prompt=prompt, max_iterations=10)
            )

    def work(self, task: str, second: float, iteration: int = 1) -> None:
        """An iteration with a call, a message with a tool call, and its answer."""
        if iteration == 1:
            self.at(second, e.TaskStarted(task_id=task))
        prompt = f"Write {task} with its tests." if iteration == 1 else "A wrong date has to be an error."
        self.at(second, e.IterationStarted(task_id=task, iteration=iteration, prompt=prompt))
        talk = Conversation(self._record(task), generation=iteration - 1)
        talk.add({"role": "user", "content": prompt})
        call = f"call-{next(self._ids)}"
        self.at(second + 8, self.bill(task, "coder", "deepseek-chat", 0.0031))
        talk.add(
            {
                "role": "assistant",
                "content": "I'll look at what is there first.",
                "tool_calls": [
                    {
                        "id": call,
                        "type": "function",
                        "function": {"name": "bash", "arguments": '{"command": "python -m unittest -q"}'},
                    }
                ],
            }
        )
        self.at(
            second + 9, e.ToolCalled(task_id=task, call_id=call, tool="bash", summary="python -m unittest -q")
        )
        self.at(
            second + 11,
            e.ToolFinished(
                task_id=task,
                call_id=call,
                tool="bash",
                ok=True,
                exit_code=iteration == 1,
                seconds=2.0,
                changed=True,
            ),
        )
        said = "FAILED (failures=1)\nexit code 1" if iteration == 1 else "Ran 3 tests\nOK\nexit code 0"
        talk.add({"role": "tool", "tool_call_id": call, "content": said})

    def _record(self, task: str):  # type: ignore[no-untyped-def]
        def record(generation: int, index: int, message: dict[str, object]) -> None:
            self.store.emit(e.MessageAdded(task_id=task, generation=generation, index=index, message=message))

        return record

    def bill(self, task: str, role: e.Role, model: str, cost: float | None) -> e.Event:
        return e.ModelCallFinished(
            task_id=task,
            role=role,
            model=model,
            purpose="code" if role == "coder" else "judge",
            usage=Usage(input=12_000, cached=9_000, output=640, reasoning=120, calls=1),
            cost=cost,
            cost_input=cost and cost * 0.4,
            cost_output=cost and cost * 0.6,
            latency=4.0,
            attempts=1,
        )

    def judge(self, task: str, second: float, iteration: int, *, accepted: bool) -> None:
        shown = [{**MET, "evidence": [PROOF]}, {**UNMET, "met": True, "evidence": [OWN]}]
        requirements = shown if accepted else [MET, UNMET]
        verdict = {
            "requirements": requirements,
            "missing": [] if accepted else ["A wrong date is no error."],
            "complete": accepted,
            "blocked": False,
            "score": 1.0 if accepted else 0.6,
            "follow_up_prompt": "" if accepted else "A wrong date has to be an error.",
        }
        checks = [
            e.CheckLine(kind="sound", command="the form of the changed files", passed=True),
            e.CheckLine(kind="own", command="./check", passed=True, requirement="Three forms are read."),
            e.CheckLine(
                kind="own", command="./check", passed=accepted, requirement="A wrong date is an error."
            ),
        ]
        self.at(
            second,
            e.TurnFinished(task_id=task, iteration=iteration, end="finished", text="Done."),
            self.bill(task, "evaluator", "gpt-5-mini", 0.0042),
            e.VerdictReached(
                task_id=task,
                iteration=iteration,
                accepted=accepted,
                verdict=verdict,
                refusals=[] if accepted else ["A wrong date is no error."],
                checks=checks,
                decision="done" if accepted else "continue",
                follow_up=str(verdict["follow_up_prompt"]),
            ),
        )


@contextmanager
def scene(base: Path) -> Iterator[Scene]:
    """A run in the middle: three tasks are over (one in error), two at work (one waits for a rate limit), two queued.

    For an async test: the store needs its loop. It is alive until the context ends.
    """
    made = Scene(base)
    (base / "prices.toml").write_text(PRICES, encoding="utf-8")
    made.begin(base / "task.json")
    made.work("parse-dates", 1)
    made.judge("parse-dates", 20, 1, accepted=False)
    made.work("parse-dates", 22, 2)
    made.judge("parse-dates", 40, 2, accepted=True)
    made.at(40, e.TaskFinished(task_id="parse-dates", status="completed", reason="accepted", changed_files=2))
    made.work("csv-export", 2)
    error = "No usable answer: api.example.com answered 500."
    made.at(30, e.TaskFinished(task_id="csv-export", status="error", reason="model_error", error=error))
    made.work("rate-limiter", 31)
    made.at(
        50,
        e.ModelCallStarted(task_id="rate-limiter", role="coder", model="deepseek-chat"),
        e.RateLimited(task_id="rate-limiter", role="coder", wait=45.0, cause="rate limit (429)"),
    )
    made.work("统计-report", 41)
    made.at(55, e.ModelCallStarted(task_id="统计-report", role="coder", model="deepseek-chat"))
    made.store.flush()
    yield made


NOW = NOON + 60


def over(made: Scene, **options: Any) -> AgentbatchApp:
    view = open_view(made.store.folder)
    return AgentbatchApp(lambda app: app.run_screen(view, control=True), now=lambda: NOW, **options)
