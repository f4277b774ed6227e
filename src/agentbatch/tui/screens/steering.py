"""The keys of the run screen that send commands to the engine."""

from textual import work
from textual.events import Key

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.control.commands import Answer, send_command
from agentbatch.runs.control.user_message import say_arguments
from agentbatch.runs.kind import MAX_TASKS_AT_ONCE, resume_command, retry_command
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import clip
from agentbatch.tui.keys import keys_of
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.ask import AskScreen, Choice
from agentbatch.tui.screens.say import DraftMessage, SayScreen
from agentbatch.tui.screens.sized import SizedScreen

STEERING = frozenset(name for key in keys_of("run") if key.steers for name in key.keys.split(","))

SHOWN_ID = 40
"""Cells of a task's id in a question."""


class SteeringKeys(SizedScreen[None]):
    """Each action asks the engine for one thing; what it answers is shown, and its effect comes back as events."""

    view: RunView
    _redact: Redactor | None = None

    def __init__(self) -> None:
        super().__init__()
        self._drafts: dict[str, str] = {}
        """What was written to a task and has not been said, by its id."""

    @property
    def chosen(self) -> TaskState | None:
        """The task that the cursor is on."""
        raise NotImplementedError

    def on_key(self, event: Key) -> None:
        """A key that steers, of somebody who only looks on."""
        if not self.control and {event.key, event.character} & STEERING and self._lives():
            self.inform(
                "You are only looking on: `agentbatch attach --control` opens the run to steer it.", "warning"
            )

    def action_pause_task(self) -> None:
        task = self.chosen
        if task is not None:
            self._send("unpause" if task.paused else "pause", task=task.id)

    def action_pause_all(self) -> None:
        state = self.view.state
        held = state.paused or (
            any(task.paused for task in state.tasks.values())
            and all(
                task.paused or task.status == "queued" for task in state.tasks.values() if not task.finished
            )
        )
        self._send("unpause" if held else "pause", task=None)

    @work
    async def action_cancel_task(self) -> None:
        task = self.chosen
        if task is None or not self._lives():
            return
        name = clip(task.id, SHOWN_ID)
        if task.finished:
            self.inform(f"The task {name} is over: {task.status}.", "warning")
            return
        question = f"Cancel the task {name}? What it has done stays in its directory."
        if await self.app.push_screen_wait(
            AskScreen(question, [Choice("y", "Cancel the task", "yes")], "No")
        ):
            self._send("cancel", task=task.id)

    @work
    async def action_cancel_all(self) -> None:
        if not self._lives():
            return
        choices = [
            Choice("s", "Stop: nothing new starts, running iterations end first", "stop"),
            Choice("x", "Stop now: calls and commands under way are cut off", "now"),
        ]
        answer = await self.app.push_screen_wait(
            AskScreen("Stop the whole run? It can be resumed later.", choices, "No")
        )
        if answer:
            self._send("stop", now=answer == "now")

    def action_retry_task(self) -> None:
        task = self.chosen
        if task is not None and self._lives(again=task):
            self._ask("retry", {"task": task.id})

    def action_say(self) -> None:
        task = self.chosen
        if task is None or not self._lives() or not self.is_active:
            return
        name = clip(task.id, SHOWN_ID)
        if task.finished:
            self.inform(f"The task {name} is over: {task.status}. r begins it again.", "warning")
            return
        task_id = task.id

        def written(answer: DraftMessage | None) -> None:
            if answer is None:
                return
            self._drafts[task_id] = answer.text  # until it is said: a refusal loses nothing
            if answer.is_said:
                self._send("say", **say_arguments(task_id, answer.text, self._redact or str))

        screen = SayScreen(f"Say to the coder of {name}:", self._drafts.get(task_id, ""))
        self.app.push_screen(screen, written)

    def action_more(self) -> None:
        self._set_concurrency(self.view.state.max_concurrent + 1)

    def action_fewer(self) -> None:
        self._set_concurrency(self.view.state.max_concurrent - 1)

    def _set_concurrency(self, number: int) -> None:
        if not 1 <= number <= MAX_TASKS_AT_ONCE:
            self.inform(f"From 1 to {MAX_TASKS_AT_ONCE} tasks at the same time.", "warning")
        else:
            self._send("set-concurrency", number=number)

    def _lives(self, again: TaskState | None = None) -> bool:
        """Whether there is an engine; says what can be done when there is none. `again`: a task to be run again."""
        if self.view.condition == "running":
            return True
        state = self.view.state
        command, does = resume_command(state) or retry_command(state), "continues it"
        if again is not None and again.finished and again.status != "completed":
            command, does = retry_command(state, again.id), "runs the task again"
        more = f" `{command}` {does}." if command and self.view.folder is not None else ""
        self.inform(f"The run is over.{more}", "warning")
        return False

    def _send(self, name: str, **arguments: object) -> None:
        if self._lives():
            self._ask(name, arguments)

    @work(thread=True)
    def _ask(self, name: str, arguments: dict[str, object]) -> None:
        folder = self.view.folder
        if folder is None:
            return
        try:
            answer = send_command(folder, name, arguments)
        except UserError as error:
            answer = Answer(False, str(error))
        if name == "say" and answer.ok:
            self._drafts.pop(str(arguments["task"]), None)
        self.app.call_from_thread(self.inform, answer.text, "information" if answer.ok else "error")
