"""One task from start to end: coder turn, evaluation, decision, until it is done. It knows the three doors (Coder,
Workspace, Evaluator) and the store, and nothing of models, shells or message formats."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.errors import UserError
from agentbatch.model.reply import ModelError
from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.spending.budget import BudgetExhausted
from agentbatch.tasks.agents.project import Project
from agentbatch.tasks.agents.user_messages import UserMessages
from agentbatch.tasks.coders.coder import Assignment, Coder, CoderFailed, TurnOutcome
from agentbatch.tasks.evaluator.evaluator import (
    Continue,
    Decision,
    Done,
    Evaluator,
    Prepared,
    Start,
    TurnEvidence,
)
from agentbatch.tasks.run.beginning.setup import SetupFailed, is_set_up
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.ending.task_end import TaskEnd, is_elsewhere, out_of_time, reported_bug
from agentbatch.tasks.run.resume.resumed_task import ResumedTask, prepared_record, resumed_task
from agentbatch.tasks.run.task_directory import TaskDirectory
from agentbatch.tasks.run.user.user_messages import found_unless_unread, unless_unread
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import NoPlace, TaskWorkspace

RESUMABLE = frozenset({"endpoint", "transient", "rate", "denied"})
"""Kinds of failed model calls in which nothing is wrong with the task: with its endpoint back, it can be resumed."""

VERIFIED_ALONE = "Accepted by verify, no evaluator."


def _as_last_evaluation(event: e.VerdictReached) -> str:
    """What the results give as the last evaluation."""
    if event.verdict is not None:
        return json.dumps(event.verdict, ensure_ascii=False)
    return event.evaluated.get("failure") or " ".join(event.refusals) or VERIFIED_ALONE


class EndpointUnusable(Exception):
    """An endpoint refuses everything (key, quota): continuing with other tasks is pointless."""


class TaskLoop:
    """One task. `run` emits everything that happens and leaves the task's files."""

    def __init__(self, context: RunContext, planned: PlannedTask, history: TaskHistory | None) -> None:
        """`history`: what an earlier session of the run left of this task, which is resumed."""
        self._context = context
        self._resumed = resumed_task(history) if history else None
        # Who began it goes on with it, whoever begins the others now.
        self._planned = replace(planned, coder=self._resumed.began) if self._resumed else planned
        self._prepared = prepared_record(history) if history else {}
        self._is_set_up = history is not None and is_set_up(planned, history)
        self._place: TaskWorkspace | None = None
        self._directory: TaskDirectory | None = None
        self._coder: Coder | None = None
        self._iteration = 0
        """The latest that is over."""
        self._evaluated = True
        """The directory was seen by the latest evaluation: nothing was done since."""
        self._judged = ""
        """Digest of the directory at the latest evaluation of an earlier session."""
        self._wall_clock: asyncio.Timeout | None = None
        self._time_left: float | None = None
        """Seconds, of a paused task with a time limit."""
        self._running: asyncio.Task[object] | None = None
        self.denied = False
        """It ended on a refusal that does not say whose fault it is: perhaps all tasks would."""
        self._cancelled: Done | None = None
        """Its own end was asked for, not the run's."""
        self.ending = False
        """It is at its end: its coder hears nothing any more."""
        self._emit = context.store.emit
        self._user_messages = UserMessages(planned.id, context.store.state, self._emit, context.worded)
        known = context.store.state.by_id[planned.id]
        self._last_text = known.last_response
        self._last_evaluation = known.last_evaluation

    async def run(self) -> bool:
        """Whether it was completed. Raises EndpointUnusable when the run should stop; every other ending is an
        event."""
        planned, before = self._planned, self._context.store.state.by_id[self._planned.id].seconds_before
        self._running = asyncio.current_task()
        if self._resumed is not None:
            self._emit(e.TaskResumed(task_id=planned.id))
        else:
            self._emit(e.TaskStarted(task_id=planned.id))
        stop_run = ""
        resumable = False
        left = None if planned.timeout is None else max(0.0, planned.timeout - before)
        try:
            async with asyncio.timeout(left) as self._wall_clock:
                done = await self._work(before)
                resumable = done.reason == "interrupted"
        except asyncio.CancelledError:
            done, resumable = self._interrupted(), self._cancelled is None
        except ModelError as error:
            done = Done("error", "model_error", str(error))
            stop_run = str(error) if error.kind == "endpoint" else ""
            resumable, self.denied = error.kind in RESUMABLE, error.kind == "denied"
        except BudgetExhausted as error:
            resumable = error.scope == "run"
            done = Done("cancelled" if resumable else "timeout", "budget", str(error))
        except (OSError, UserError) as error:
            if self._wall_clock is not None and self._wall_clock.expired():
                done = out_of_time(planned.timeout or 0, self._context.store.state.by_id[planned.id].activity)
            else:
                done = Done("error", _reason(error), str(error) or type(error).__name__)
                resumable = is_elsewhere(error)
        except Exception as error:  # noqa: BLE001 - the border of a task: one broken task must not end the others
            done = reported_bug(self._context.store, planned.id, error)
        self.ending = not resumable
        # To its end also when cancelled now: without it, the task would stay under way in a run that is over.
        with suppress(asyncio.CancelledError):
            await to_the_end(self._end().finish(done, resumable, self._last_text, self._last_evaluation))
        if stop_run:
            raise EndpointUnusable(stop_run)
        return self._context.store.state.by_id[planned.id].status == "completed"

    def stop_clock(self) -> None:
        """The task is paused: its time limit stands still."""
        when = self._wall_clock.when() if self._wall_clock is not None else None
        if when is not None:
            self._time_left = when - asyncio.get_running_loop().time()
            self._set_clock(None)

    def start_clock(self) -> None:
        """It continues with the time that it had left."""
        left, self._time_left = self._time_left, None
        if left is not None:
            self._set_clock(asyncio.get_running_loop().time() + left)

    def _set_clock(self, when: float | None) -> None:
        if self._wall_clock is not None:
            with suppress(RuntimeError):  # it is over already, and a call of its coder's is not
                self._wall_clock.reschedule(when)

    def cancel(self, reason: e.Reason, text: str) -> None:
        """It is cancelled for this reason, and never continues."""
        self._cancelled = Done("cancelled", reason, text)

    def interrupt(self) -> None:
        """End it at once; it can be resumed."""
        if self._running is not None:
            self._running.cancel()

    def _interrupted(self) -> Done:
        return self._cancelled or Done("cancelled", "interrupted", self._context.signals.stop_cause)

    async def _work(self, seconds: float) -> Done:
        resumed, self._resumed = self._resumed, None
        # First: from here on, what an earlier session has left in its directory is kept.
        place = self._place = self._context.make_workspace(self._planned, resume=resumed is not None)
        evaluator = self._context.evaluators.make(self._planned)
        directory, coder = await self._begin(place, evaluator, resumed, seconds)
        self._evaluated = resumed is None  # what an earlier session has left was not looked at yet
        decision = unless_unread(
            self._first_step(evaluator, coder, resumed), waiting=self._user_messages.waiting
        )
        under_way = resumed if resumed and resumed.under_way else None
        while isinstance(decision, Continue):
            self._evaluated = False
            if stronger := coder.strengthen(self._iteration + 1):
                text = f"{stronger} takes over from iteration {self._iteration + 1}."
                self._emit(e.Notice(task_id=self._planned.id, text=text, warning=False))
            outcome = await self._turn(coder, decision, under_way)
            under_way = None
            self._iteration += 1
            decision = await self._evaluate(evaluator, directory, coder, outcome)
            decision = unless_unread(
                decision, waiting=self._user_messages.waiting
            )  # what was said while it was stored
            self._evaluated = True
            if isinstance(decision, Continue) and self._context.signals.draining:
                return self._interrupted()
        return decision

    async def _begin(
        self, place: TaskWorkspace, evaluator: Evaluator, resumed: ResumedTask | None, seconds: float
    ) -> tuple[TaskDirectory, Coder]:
        context = self._context
        workspace = await place.start()
        planned = self._planned = replace(
            self._planned, root=Path(workspace.info.directory), source=self._planned.root
        )
        directory = self._directory = TaskDirectory(workspace)
        if resumed is None:
            await directory.begin(context, planned, place, is_set_up=self._is_set_up)
        else:
            await directory.resume(context, planned)
        project = directory.project(context, planned, resumed.project if resumed else None)
        prepared = await self._prepare(evaluator, directory, project)
        self._coder = context.coders.make(
            Assignment(
                task=planned,
                workspace=workspace,
                has_checks=prepared.runs_work,
                project=project,
                changes=partial(directory.changes, context.store.redact),
                user_messages=self._user_messages,
                seconds_before=seconds,
                reruns=context.store.state.by_id[planned.id].reruns,
                state=resumed.coder if resumed else None,
            )
        )
        return directory, self._coder

    async def _prepare(self, evaluator: Evaluator, directory: TaskDirectory, project: Project) -> Prepared:
        """What it has prepared is stored: it may have been paid for."""
        start = Start(
            self._planned,
            directory.workspace,
            directory.before,
            directory.protected,
            project,
            self._prepared,
        )
        prepared = await evaluator.prepare(start)
        if prepared.record and prepared.record != self._prepared:
            self._emit(e.EvaluatorPrepared(task_id=self._planned.id, record=dict(prepared.record)))
            await self._context.store.stored()
        return prepared

    def _first_step(self, evaluator: Evaluator, coder: Coder, resumed: ResumedTask | None) -> Decision:
        """The first prompt of this session, or the end; of a resumed task, by what is known of its iterations."""
        if resumed is None:
            return Continue(evaluator.opening(coder.style))
        if resumed.verdicts:
            self._last_evaluation = _as_last_evaluation(resumed.verdicts[-1])
            self._judged = resumed.verdicts[-1].judged
        self._last_text = resumed.last_text
        self._iteration = len(resumed.verdicts)
        decision = evaluator.restore(resumed.verdicts)
        return Continue(resumed.prompt) if resumed.under_way else decision

    async def _turn(self, coder: Coder, step: Continue, under_way: ResumedTask | None) -> TurnOutcome:
        """A whole turn, or what is left of one."""
        if under_way is not None and under_way.outcome is not None:
            return under_way.outcome
        iteration = self._iteration + 1
        if under_way is not None:
            outcome = await coder.resume(step.prompt)
        else:
            coder_name = self._planned.stage("", iteration).coder
            prompt = self._user_messages.prompt(step.prompt, fresh=step.fresh)
            self._emit(
                e.IterationStarted(
                    task_id=self._planned.id, iteration=iteration, prompt=prompt, coder=coder_name
                )
            )
            outcome = await coder.turn(prompt, fresh=step.fresh)
        self._emit(
            e.TurnFinished(
                task_id=self._planned.id,
                iteration=iteration,
                end=outcome.end,
                text=outcome.text,
                circle=outcome.loop or "",
            )
        )
        # The evaluation begins: the turn is not to be repeated.
        await self._context.store.stored()
        return outcome

    async def _evaluate(
        self, evaluator: Evaluator, directory: TaskDirectory, coder: Coder, outcome: TurnOutcome
    ) -> Decision:
        """What the turn has left is judged; the verdict is stored."""
        self._last_text = outcome.text
        restored = await directory.restore()
        await directory.look()
        found = await evaluator.evaluate(
            TurnEvidence(
                iteration=self._iteration,
                outcome=outcome,
                work=coder.work,
                style=coder.style,
                before=directory.before,
                after=directory.after,
                restored=restored,
                said=self._user_messages.said,
            )
        )
        found = found_unless_unread(found, waiting=self._user_messages.waiting)
        directory.after = found.after or directory.after
        event = replace(found, after=directory.after).event(self._planned.id, self._iteration)
        self._last_evaluation = _as_last_evaluation(event)
        self._emit(event)
        # The judge's answer is paid for: it is not to be asked again.
        await self._context.store.stored()
        return found.decision

    def _end(self) -> TaskEnd:
        return TaskEnd(
            self._context,
            self._planned,
            self._place,
            self._directory,
            self._coder,
            unseen=not self._evaluated,
            judged=self._judged,
        )


def _reason(error: Exception) -> e.Reason:
    """What could not be used, where nothing of the task's own work is to blame."""
    if isinstance(error, SetupFailed):
        return "setup"
    if isinstance(error, NoPlace):
        return "no_machine"
    return "coder_error" if isinstance(error, CoderFailed) else "workspace_error"
