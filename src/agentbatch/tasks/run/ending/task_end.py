"""A task's end: what it did is kept and reported, whatever fails on the way."""

import asyncio
import errno
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from agentbatch.errors import UserError
from agentbatch.files import PRIVATE, write_atomic
from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import Activity
from agentbatch.runs.store.store import Store
from agentbatch.tasks.coders.coder import Coder
from agentbatch.tasks.evaluator.evaluator import Done
from agentbatch.tasks.results.changes import PATCH
from agentbatch.tasks.results.records import Records
from agentbatch.tasks.results.steps import TranscriptItem, steps
from agentbatch.tasks.results.transcript import TRANSCRIPT, trajectory
from agentbatch.tasks.run.beginning.setup import tear_down
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.ending.hidden_verify import hidden_verify
from agentbatch.tasks.run.task_directory import TaskDirectory
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.text import clip, first_line, list_names
from agentbatch.workspace.files.diff.diff import altered_work, changed_since, changes
from agentbatch.workspace.workspace import Ending, NoPlace, Snapshot, TaskWorkspace, WorkLeft

T = TypeVar("T")

MAX_NAMED = 5
"""Files in a notice."""

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

CHANGED_BETWEEN = "Its directory has changed since its work was accepted in an earlier session of the run."
UNWRITTEN = "The record of its changes could not be written"


def is_elsewhere(error: Exception) -> bool:
    """Nothing is wrong with the task: with room on its disk, or a machine for it, it can be resumed."""
    return isinstance(error, NoPlace) or getattr(error, "errno", None) in DISK_FULL


class TaskEnd(NamedTuple):
    """What there is of a task that ends; None: it did not come so far."""

    context: RunContext
    planned: PlannedTask
    place: TaskWorkspace | None
    directory: TaskDirectory | None
    coder: Coder | None
    unseen: bool
    """Something was done in the directory since it was seen last."""
    judged: str = ""
    """Digest of the directory as an earlier session judged it; empty: none did, or it was not kept."""

    async def finish(self, done: Done, resumable: bool, last_response: str, last_evaluation: str) -> None:
        """Leave the patch, keep the work, say that the task has ended, have its transcript written. What fails on the
        way is reported, and the rest happens all the same. Raises OSError where the store cannot be written."""
        store, task_id = self.context.store, self.planned.id
        changed, left = store.state.by_id[task_id].changed_files, WorkLeft()
        if self.coder is not None:
            await self._attempt("Its coder could not be closed", self.coder.close)
        if self.directory is not None and done.status == "completed":
            done = await self._unlike_judged(self.directory) or done
        if self.directory is not None:
            total = await self._write_changes(self.directory)
            if total is None and done.status == "completed":  # then its files must stay
                done = Done("error", "workspace_error", f"{UNWRITTEN}.")
            elif total is not None and self.coder is not None:
                changed = total
        commands = self.planned.task.hidden_verify
        if self.directory is not None and commands and not resumable and done.status != "cancelled":
            workspace, timeout = self.directory.workspace, self.context.verify_timeout
            run = partial(hidden_verify, task_id, workspace, commands, timeout, store.redact)
            seen = await self._attempt("Its hidden_verify could not run", run)
            if seen is not None:
                store.emit(seen)
        if self.directory is not None and not resumable and not self.planned.attempt_of:
            down = partial(tear_down, store, self.planned, self.directory.workspace)
            self._notify(await self._attempt("Its teardown could not run", down) or ())
        if self.place is not None:
            leave = partial(self.place.leave, self._ending(done.status == "completed", resumable))
            left = await self._attempt("Its work could not be kept", leave) or left
            self._notify(left.notices)
            if left.problem and done.status == "completed":
                done = Done("error", "workspace_error", left.problem)
        store.emit(
            e.TaskFinished(
                task_id=task_id,
                status=done.status,
                reason=done.reason,
                error=store.redact(done.error),
                last_response=last_response,
                last_evaluation=last_evaluation,
                changed_files=changed,
                resumable=resumable,
                branch=left.branch,
            )
        )
        await store.stored()
        if not self.planned.attempt_of and not store.state.tasks[task_id].may_continue:
            await self.context.beginnings.drop(task_id)
        if self.place is not None:
            problems = await self._attempt("Its workspace could not be closed", self.place.close)
            self._notify(problems or ())
        messages = await self._attempt("Its conversation is not known", self._messages)
        # Not awaited here: the next task need not wait for it, and run.db has the conversation.
        store.in_background(partial(self._write_transcript, messages or ()))

    async def _write_changes(self, directory: TaskDirectory) -> int | None:
        if self.unseen:
            await self._attempt("Its directory could not be looked at", directory.look)
        return await self._attempt(UNWRITTEN, partial(directory.write_changes, self.context, self.planned))

    async def _unlike_judged(self, directory: TaskDirectory) -> Done | None:
        """How a completed task ends whose work is not any more what was judged: a process that it left behind has
        written to it, say. What else has changed since is named, and nobody keeps it as this task's."""
        judged = directory.after
        look = partial(directory.workspace.snapshot, judged)
        now = await self._attempt("Its directory could not be looked at", look)
        if now is None:
            return Done("error", "workspace_error", "Whether its work is still what was judged is not known.")
        if self.unseen:  # the verdict is of an earlier session: of which files, nobody knows any more
            directory.after = now
            if self.judged in ("", now.digest):
                return None
            if self.planned.isolation != "none":
                return Done("error", "workspace_error", CHANGED_BETWEEN)
            self._notify([CHANGED_BETWEEN])  # by anybody: it is the user's own directory
            return None
        altered = altered_work(directory.before, judged, now)
        if altered:
            directory.after = now
            return Done("error", "workspace_error", changed_since(altered))
        since = changes(judged, now)
        others = sorted((*since.added, *since.modified, *since.deleted))
        if others:
            names = list_names(others, MAX_NAMED, 80)
            self._notify([f"Changed after the work was judged, and not looked at: {names}."])
        return None

    async def _attempt(self, failed: str, step: Callable[[], Awaitable[T]]) -> T | None:
        """One step; code behind a door may raise anything in it, and even say that it was cancelled."""
        try:
            return await step()
        except (Exception, asyncio.CancelledError) as error:
            own = asyncio.current_task()
            if own is not None and own.cancelling():
                raise
            self._notify([f"{failed}: {in_words(error)}"])
            return None

    def _ending(self, completed: bool, resumable: bool) -> Ending:
        store, planned, directory = self.context.store, self.planned, self.directory
        return Ending(
            completed=completed,
            resumable=resumable or bool(self.planned.attempt_of),  # its task chooses
            untouched=directory is not None and not store.state.by_id[planned.id].iteration,
            before=directory.before if directory is not None else Snapshot({}),
            after=directory.after if directory is not None else Snapshot({}),
            message=f"agentbatch: {planned.id}\n\nRun {store.folder.run_id}.\n\n{planned.task.first_prompt}\n",
            patch=str(store.folder.task(planned.id) / PATCH),
        )

    def _notify(self, notices: Iterable[str]) -> None:
        for text in notices:
            self.context.store.emit(e.Notice(task_id=self.planned.id, text=self.context.store.redact(text)))

    async def _messages(self) -> Sequence[Mapping[str, Any]]:
        return self.coder.transcript() if self.coder is not None else ()

    def _write_transcript(self, messages: Sequence[Mapping[str, Any]]) -> None:
        store = self.context.store
        task = store.state.by_id[self.planned.id]
        if self.coder is None and task.iteration:
            return  # interrupted before it was resumed: what is there is whole
        happened: list[TranscriptItem] = []
        with suppress(UserError):  # then nobody knows what its calls cost
            happened = steps(Records(store.folder).conversation(task))
        try:
            text = trajectory(task, messages, happened)
        except (TypeError, ValueError, RecursionError) as error:  # of another coder: no JSON
            note = f"The conversation cannot be written down: {in_words(error)}"
            text = trajectory(task, [{"role": "system", "content": note}])
        write_atomic(store.folder.task(task.id) / TRANSCRIPT, store.redact(text), mode=PRIVATE, follow=False)


def in_words(error: BaseException) -> str:
    """What code behind a door has raised, as part of a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, (OSError, UserError)):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def out_of_time(seconds: float, doing: Activity) -> Done:
    """How a task ends whose time is over, and which command ran just then: it may have waited for ever."""
    ran = first_line(doing.detail) if doing.kind in ("tool", "verify") else ""
    while_it_ran = f" while this ran: {clip(ran, 200)}" if ran else ""
    return Done("timeout", "wall_clock", f"The task ran out of its {seconds:g} seconds{while_it_ran or '.'}")


def reported_bug(store: Store, task_id: str, error: Exception) -> Done:
    """How a task ends in which something is wrong with us; the log has where."""
    trace = "".join(traceback.format_exception(error))
    store.emit(e.Notice(task_id=task_id, text=store.redact(f"Internal error in task {task_id}:\n{trace}")))
    return Done("error", "internal_error", f"Internal error: {type(error).__name__}: {error}")
