"""A run's state, folded from its events. Every screen, file and command shows a RunState."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile

from agentbatch.runs import events as e
from agentbatch.runs.state.attempts import taken_from, with_attempts
from agentbatch.runs.state.bills import Bill, add_call, total_cost, total_usage
from agentbatch.runs.state.task_reducer import new_task, reduce_task
from agentbatch.runs.state.task_state import Said, TaskState
from agentbatch.usage import Usage


@dataclass
class RunState:
    """A whole run. `apply` is the only way it changes; it does no I/O and reads no clock."""

    info: e.RunStarted | None = None
    tasks: dict[str, TaskState] = field(default_factory=dict)
    """By task id, in task order."""
    attempts: dict[str, TaskState] = field(default_factory=dict)
    """Of tasks that are tried more than once: each attempt, by its id, as a task stands in `tasks`."""
    requests: e.RequestsProgressed | None = None
    """How far a batch of plain requests is; None: it has not reported yet, or there is none."""
    bills: tuple[Bill, ...] = ()
    finished: e.RunFinished | None = None
    notices: list[str] = field(default_factory=list)
    last_seq: int = 0
    paused: bool = False
    """No task starts, and those under way stop before their next model call."""
    quotas: dict[str, e.QuotaUsedUp] = field(default_factory=dict)
    """Endpoints whose quota is used up, by host: their calls wait."""
    max_concurrent: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Tasks by status; kept so that a screen over 10,000 tasks need not count them at each event."""

    def apply(self, event: e.Event) -> TaskState | None:
        """Fold one event in; returns the task it changed, if any."""
        self.last_seq = event.seq
        match event:
            case e.TaskEvent():  # first: nearly all are
                return self._apply_to_task(event)
            case e.RunStarted():
                self.info = event
                self.max_concurrent = event.max_concurrent
                self.paused = False
                self.quotas = {}
                self.finished = None
                self.notices = list(event.warnings)
            case e.RunFinished():
                self.finished = event
                self.quotas = {}
            case e.QuotaUsedUp():
                self.quotas = {**self.quotas, event.endpoint: event}
            case e.QuotaReturned():
                self.quotas = {host: one for host, one in self.quotas.items() if host != event.endpoint}
            case e.Notice():
                if event.warning:
                    self.notices.append(event.text)
            case e.RequestsProgressed():
                self.requests = event
                model = self.info.coder_model if self.info else ""
                bill = Bill(role="request", model=model, usage=event.usage, cost=event.cost)
                self.bills = (bill.model_copy(update={"cost_input": None, "cost_output": None}),)
            case e.ConcurrencyChanged():
                self.max_concurrent = event.max_concurrent
            case e.Paused(task_id=None) | e.Resumed(task_id=None):
                self.paused = isinstance(event, e.Paused)
            case e.Paused(task_id=str(task_id)) | e.Resumed(task_id=str(task_id)):
                held = self.by_id[task_id].model_copy(update={"paused": isinstance(event, e.Paused)})
                return self.put(held)
        return None

    def _apply_to_task(self, event: e.TaskEvent) -> TaskState | None:
        known = self.by_id
        if isinstance(event, e.TaskQueued) and event.task_id not in known:
            return self.put(new_task(event))
        if isinstance(event, e.AttemptChosen):
            chosen = self.attempts.get(event.attempt)
            return self.put(taken_from(self.tasks[event.task_id], event, chosen))
        if isinstance(event, e.ModelCallFinished):
            self.bills = add_call(self.bills, event)
        before = known[event.task_id]
        after = reduce_task(before, event)
        return self.put(after) if after is not before else None

    def put(self, task: TaskState) -> TaskState:
        """Take a task, or an attempt at one, as it is, keeping the counts true."""
        if task.attempt_of:
            self.attempts[task.id] = task
            if (whole := self.tasks.get(task.attempt_of)) is not None:
                self.put(with_attempts(whole, self.attempts_of(whole.id)))
            return task
        before = self.tasks.get(task.id)
        if before is None or before.status != task.status:
            if before is not None:
                self.counts[before.status] -= 1
            self.counts[task.status] = self.counts.get(task.status, 0) + 1
        self.tasks[task.id] = task
        return task

    def seconds(self, now: float) -> float:
        """Wall clock of all its sessions until its end, or until `now`."""
        if self.info is None:
            return 0.0
        end = self.finished.ts if self.finished is not None else now
        return self.info.seconds_before + max(0.0, end - self.info.ts)

    @property
    def by_id(self) -> Mapping[str, TaskState]:
        """Tasks and attempts."""
        return ChainMap(self.tasks, self.attempts) if self.attempts else self.tasks

    def attempts_of(self, task_id: str) -> list[TaskState]:
        """In their order; empty: it is done once."""
        ids = takewhile(self.attempts.__contains__, (e.attempt_id(task_id, number) for number in count(1)))
        return [self.attempts[one] for one in ids]

    def said_to(self, task_id: str) -> list[Said]:
        """What the user has said to a task, in order; to an attempt, what was said to its task as well."""
        task = self.by_id.get(task_id)
        whole = self.tasks.get(task.attempt_of) if task else None
        found = (*(task.said if task else ()), *(whole.said if whole else ()))
        return sorted(found, key=lambda one: one.seq)

    def unheard(self, task_id: str) -> list[Said]:
        """What of it its coder has not been told."""
        said = self.said_to(task_id)
        return [one for one in said if one.seq > self.by_id[task_id].heard]

    @property
    def total(self) -> int:
        """Tasks, or plain requests; also those that no event has named yet."""
        return max(len(self.tasks), self.info.total_tasks if self.info else 0)

    @property
    def asleep(self) -> e.QuotaUsedUp | None:
        """The quota that calls wait for, the first that is back; None: they wait for none."""
        return min(self.quotas.values(), key=lambda quota: quota.until, default=None)

    @property
    def usage(self) -> Usage:
        return total_usage(self.bills)

    @property
    def cost(self) -> float | None:
        return total_cost(self.bills)

    @property
    def exit_code(self) -> int:
        """Of a run of tasks: 0, all that were asked for are completed; 130, it was interrupted or killed; 1, some are
        not."""
        asked_for = (task for task in self.tasks.values() if task.reason != "left_out")
        if all(task.status == "completed" for task in asked_for):
            return 0
        return 130 if self.finished is None or self.finished.interrupted else 1

    def count(self, *statuses: str) -> int:
        return sum(self.counts.get(status, 0) for status in statuses)


def seconds_at_work(state: RunState) -> float:
    """Wall clock of all sessions of a run that is not running now; of one that was killed, until the last that is
    known of it."""
    seen = [task.finished_at or task.activity.since for task in state.tasks.values()]
    return state.seconds(max(seen, default=0.0))
