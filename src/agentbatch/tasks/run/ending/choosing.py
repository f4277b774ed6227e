"""A task that was tried more than once: its attempts are over, the best is chosen, and its work becomes the task's."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from agentbatch.cancellation import to_the_end
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import reading
from agentbatch.runs.store.history import TaskHistory, load_histories
from agentbatch.tasks.attempts.ranking import Candidate, standings, why
from agentbatch.tasks.evaluator.evaluator import CheckOutcome, Done, EvaluatorRecord, Start
from agentbatch.tasks.results.changes import PATCH
from agentbatch.tasks.results.taken_over import take_over
from agentbatch.tasks.run.beginning.setup import tear_down
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.ending.task_end import in_words, is_elsewhere, reported_bug
from agentbatch.tasks.run.resume.resumed_task import prepared_record
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import (
    Ending,
    NoPlace,
    Protected,
    Snapshot,
    TaskWorkspace,
    WorkLeft,
    Workspace,
)

CHANGED_SINCE = "its directory has changed since its work was judged"
UNHEARD = "it was over before the user said more"
NONE_COMPLETED = "No model completed it."
UNTRIED = "could not be tried in the checks of all attempts"


@dataclass
class _Attempt:
    """One attempt, as its task finds it."""

    planned: PlannedTask
    state: TaskState
    place: TaskWorkspace
    history: TaskHistory
    before: Snapshot = field(default_factory=lambda: Snapshot({}))
    after: Snapshot = field(default_factory=lambda: Snapshot({}))
    protected: Protected | None = None
    workspace: Workspace | None = None
    seen: bool = False
    """`before` and `after` are known."""
    left: bool = False
    problem: str = ""
    """Why nothing can be done with it, as part of a sentence."""

    @property
    def number(self) -> int:
        return e.attempt_number(self.planned.id)

    @property
    def verdict(self) -> e.VerdictReached | None:
        """The latest."""
        found = [event for event in self.history.events if isinstance(event, e.VerdictReached)]
        return found[-1] if found else None

    @property
    def completed(self) -> bool:
        return self.state.status == "completed" and not self.problem

    def candidate(self, tried: Sequence[CheckOutcome]) -> Candidate:
        state = self.state
        return Candidate(
            attempt=self.planned.id,
            completed=self.completed,
            tried=tuple(tried),
            score=_score(self.verdict),
            hidden=state.hidden,
            cost=state.cost,
            tokens=None if state.usage.untold else state.usage.total,
            cancelled=state.status == "cancelled",
            problem=self.problem,
        )

    @property
    def known(self) -> EvaluatorRecord:
        return EvaluatorRecord(prepared_record(self.history), self.verdict.evaluated if self.verdict else {})


class Choosing:
    """The task's own turn, after its attempts. A `RunningTask`."""

    def __init__(self, context: RunContext, planned: PlannedTask, attempts: Sequence[PlannedTask]) -> None:
        self._context = context
        self._planned = planned
        self._attempts = attempts
        self._emit = context.store.emit
        self._running: asyncio.Task[object] | None = None
        self._cancelled: Done | None = None
        self._left = WorkLeft()
        self._changed = 0
        self.denied = False
        self.ending = True  # its attempts are over

    def stop_clock(self) -> None:
        """No model is called: it is not held."""

    def start_clock(self) -> None:
        """See stop_clock."""

    def cancel(self, reason: e.Reason, text: str) -> None:
        self._cancelled = Done("cancelled", reason, text)

    def interrupt(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def run(self) -> None:
        """Every ending is an event. Raises OSError where the store cannot be written."""
        if self._state.finished:  # it was cancelled before its turn
            await self.give_up()
            return
        self._running = asyncio.current_task()
        attempts: list[_Attempt] = []
        resumable = False
        try:
            await self._open(attempts)
            done = await (self._compared(attempts) if self._planned.compared else self._chosen(attempts))
        except asyncio.CancelledError:
            done = self._cancelled or Done("cancelled", "interrupted", self._context.signals.stop_cause)
            resumable = self._cancelled is None
        except (OSError, UserError) as error:
            reason: e.Reason = "no_machine" if isinstance(error, NoPlace) else "workspace_error"
            done = Done("error", reason, in_words(error))
            resumable = is_elsewhere(error)
        except Exception as error:  # noqa: BLE001 - as in a task's loop: one broken task must not end the others
            done = reported_bug(self._context.store, self._planned.id, error)
        with suppress(asyncio.CancelledError):
            await to_the_end(self._end(done, resumable, attempts))

    async def _compared(self, attempts: Sequence[_Attempt]) -> Done:
        """Nothing is chosen or brought back: what was done stays as patches."""
        for one in attempts:
            await self._leave(one, superseded=True)
        if any(one.state.status == "completed" for one in attempts):
            return Done("completed", "compared")
        return Done("error", "compared", NONE_COMPLETED)

    async def give_up(self) -> None:
        """The task is over without a choice: nothing of its attempts stays but their patches, where these are whole."""
        attempts: list[_Attempt] = []
        try:
            await self._open(attempts)
        except (OSError, UserError) as error:
            self._notify([f"What its attempts have left cannot be looked at: {in_words(error)}"])
        with suppress(asyncio.CancelledError):
            await to_the_end(self._leave_rest(attempts))
            await to_the_end(self._close(attempts))

    async def _chosen(self, attempts: Sequence[_Attempt]) -> Done:
        choice = self._state.choice or await self._choose(attempts)
        best = next((one for one in attempts if one.planned.id == choice.attempt), None)
        for one in attempts:
            if one is not best:
                await self._leave(one, superseded=True)
        if best is None:
            return Done("cancelled", "cancelled", choice.why)
        left = self._left = await self._leave(best)
        if best.state.status == "completed":
            lost = f"Attempt {best.number}: {best.problem}." if best.problem else ""
            unapplied = left.unapplied if self._planned.bring_back else ""
            if text := left.problem or lost or unapplied:
                return Done("error", "workspace_error", text)
        self._changed = best.state.changed_files
        # It ends as its attempt has ended: for good.
        return Done(cast(e.FinalStatus, best.state.status), best.state.reason or "accepted", best.state.error)

    async def _choose(self, attempts: Sequence[_Attempt]) -> e.AttemptChosen:
        """Which is the best: stored, so that it is the same after a kill."""
        begun = [one for one in attempts if one.state.begun]
        judged = [one for one in begun if one.state.verdicts]
        rivals = [one for one in judged if one.completed] or judged
        tried: dict[str, Sequence[CheckOutcome]] = {}
        if len(rivals) > 1:
            task_id = self._planned.id
            self._emit(e.CheckStarted(task_id=task_id, kind="own", command="the checks of all its attempts"))
            known = [one.known for one in rivals]
            tried = {one.planned.id: await self._try(one, known) for one in rivals}
        found = standings([one.candidate(tried.get(one.planned.id, ())) for one in begun])
        best = found[0].attempt if found else ""
        chosen = e.AttemptChosen(task_id=self._planned.id, attempt=best, why=why(found), standings=found)
        self._emit(chosen)
        self._context.store.flush()
        return chosen

    async def _try(self, one: _Attempt, known: Sequence[EvaluatorRecord]) -> Sequence[CheckOutcome]:
        """Nothing is told of one in which something fails that is not the checks' own."""
        if one.workspace is None or one.problem:
            return ()
        try:
            fork = await one.workspace.fork()
            try:
                planned = replace(one.planned, root=Path(fork.info.directory))
                evaluator = self._context.evaluators.make(planned)
                await evaluator.prepare(
                    Start(planned, fork, one.before, one.protected, record=one.known.prepared)
                )
                return await evaluator.compare(one.before, one.after, known)
            finally:
                await fork.close()
        except (OSError, UserError) as error:
            if is_elsewhere(error):
                raise
            self._notify([f"Attempt {one.number} {UNTRIED}: {in_words(error)}"])
            return ()

    async def _open(self, found: list[_Attempt]) -> None:
        """As they are now; those too of which nobody knows that they were begun: a kill may have come before it was
        stored, and behind the making of their place."""
        store = self._context.store
        store.flush()
        states = [store.state.attempts[one.id] for one in self._attempts]
        with reading(store.folder.database) as connection:
            histories = load_histories(connection, states)
        for one, state in zip(self._attempts, states, strict=True):
            place = self._context.make_workspace(one, resume=True, at_work=False)
            found.append(_Attempt(one, state, place, histories[one.id]))
            if state.begun:
                await self._look(found[-1])

    async def _look(self, one: _Attempt) -> None:
        try:
            baseline = await self._context.beginnings.load(one.planned.id)
            one.before, one.protected = baseline.snapshot, baseline.protected
            one.workspace = await one.place.start()
            one.after = await one.workspace.snapshot(one.before)
            one.seen = True
        except (OSError, ValueError, UserError) as error:
            one.problem = in_words(error).rstrip(".")
            return
        if one.completed and self._context.store.state.unheard(one.planned.id):
            one.problem = UNHEARD
            return
        judged = one.verdict.judged if one.completed and one.verdict is not None else ""
        if judged not in ("", one.after.digest):
            one.problem = CHANGED_SINCE

    async def _leave(self, one: _Attempt, superseded: bool = False) -> WorkLeft:
        folder, task = self._context.store.folder, self._planned
        message = f"agentbatch: {task.id}\n\nRun {folder.run_id}, attempt {one.number}.\n\n{task.task.first_prompt}\n"
        patch = str(folder.task(one.planned.id) / PATCH)
        # What a coder has done and nobody has seen may be more than its patch holds.
        superseded = superseded and (one.seen or not one.state.iteration)
        completed = one.completed and not superseded
        if one.workspace is not None:  # only now: the checks of all may need what its setup has started
            self._notify(await tear_down(self._context.store, one.planned, one.workspace))
        one.left = True
        left = await one.place.leave(
            Ending(completed, False, one.before, one.after, message, patch, superseded=superseded)
        )
        self._notify(left.notices)
        return left

    async def _end(self, done: Done, resumable: bool, attempts: Sequence[_Attempt]) -> None:
        store, state = self._context.store, self._state
        if not resumable:
            await self._leave_rest(attempts)
        self._emit(
            e.TaskFinished(
                task_id=state.id,
                status=done.status,
                reason=done.reason,
                error=store.redact(done.error),
                last_response=state.last_response,
                last_evaluation=state.last_evaluation,
                changed_files=self._changed,
                resumable=resumable,
                branch=self._left.branch,
            )
        )
        store.flush()
        await self._close(attempts, resumable)

    async def _leave_rest(self, attempts: Sequence[_Attempt]) -> None:
        for one in attempts:
            if not one.left:
                await self._leave(one, superseded=True)

    async def _close(self, attempts: Sequence[_Attempt], resumable: bool = False) -> None:
        for one in attempts:
            self._notify(await one.place.close())
        if not resumable:
            await self._context.beginnings.drop(*(one.id for one in self._attempts))
            await self._take_files()

    async def _take_files(self) -> None:
        """What was kept of the chosen attempt is where a task has it."""
        choice, problems = self._state.choice, list[str]()
        if choice is None or not choice.attempt:
            return

        def take() -> None:
            try:
                take_over(self._context.store.folder, choice.attempt, self._planned.id)
            except OSError as error:
                problems.append(
                    f"What attempt {e.attempt_number(choice.attempt)} has kept is not there: {error}"
                )

        # Behind its transcript, which is written there too.
        await self._context.store.in_background(take)
        self._notify(problems)

    def _notify(self, notices: Iterable[str]) -> None:
        for text in notices:
            self._emit(e.Notice(task_id=self._planned.id, text=self._context.store.redact(text)))

    @property
    def _state(self) -> TaskState:
        return self._context.store.state.tasks[self._planned.id]


def _score(verdict: e.VerdictReached | None) -> float:
    found = (verdict.verdict or {}).get("score") if verdict is not None else None
    return float(found) if isinstance(found, int | float) else 0.0
