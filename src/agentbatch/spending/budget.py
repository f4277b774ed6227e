"""The run's budget: every model call asks it before it starts, and waits while others hold what is left.

One line for the whole run, first come, first served. Waiting calls are woken by calls that end and by the end of the
run's time; nothing polls.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agentbatch.runs.events import Role
from agentbatch.spending.allowance import Allowance, Amount, Scope
from agentbatch.text import duration
from agentbatch.usage import Usage


class BudgetExhausted(Exception):
    """A call may not start any more. `str()` is the sentence for a person."""

    def __init__(self, scope: Scope, sentence: str) -> None:
        super().__init__(sentence)
        self.scope: Scope = scope
        """`task`: that task ends; `run`: no call starts any more in this session."""
        self.sentence = sentence


class RunBudget:
    """What a run may spend, and each of its tasks. One event loop only.

    A call starts when what was spent, what is held for the calls under way and what it is expected to take stay within
    every limit. It waits when only the others' part stands in its way. When it would not fit without them either, the
    scope is exhausted, for the rest of the session and for every call: waiting ones, later ones, smaller ones. So calls
    under way can pass the limit by no more than each takes beyond what was expected of it.
    """

    def __init__(
        self,
        max_cost: float | None = None,
        max_tokens: int | None = None,
        max_seconds: float | None = None,
        *,
        spent_cost: float | None = 0.0,
        spent_tokens: int = 0,
        spent_seconds: float = 0.0,
        on_exhausted: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """None: no limit. `spent_…`: in earlier sessions of the run; None: the cost is unknown. `max_seconds` is wall
        clock and counts from here. `on_exhausted` is called once with the reason why the run's budget is used up.
        """
        self.exhausted = ""
        """Why no call of the run starts any more, as a sentence; empty while they do."""
        self._allowance = Allowance("run", max_cost, max_tokens, spent_cost, spent_tokens)
        self._max_seconds = max_seconds
        self._clock = clock
        self._deadline = None if max_seconds is None else clock() + max_seconds - spent_seconds
        self._on_exhausted = on_exhausted
        self._tasks: dict[str, TaskBudget] = {}
        self._line: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._outputs: dict[Role, tuple[int, int]] = {}
        """Calls and their output tokens, of each role."""

    def task(
        self,
        task_id: str,
        *,
        max_cost: float | None = None,
        max_tokens: int | None = None,
        spent_cost: float | None = 0.0,
        spent_tokens: int = 0,
    ) -> "TaskBudget | None":
        """The task's part, the same at every asking: what is given counts the first time. None: nothing limits it."""
        known = self._tasks.get(task_id)
        if known is not None:
            return known
        allowance = Allowance("task", max_cost, max_tokens, spent_cost, spent_tokens)
        if not (allowance.limited or self._allowance.limited or self._deadline is not None):
            return None
        made = self._tasks[task_id] = TaskBudget(self, allowance)
        return made

    def whole(self) -> "TaskBudget":
        """For calls that belong to no task: only the run's own limits count."""
        return TaskBudget(self, Allowance("run"))

    def expected_output(self, role: Role) -> int | None:
        """Tokens that the role's answers had in this session, on average; None before the first."""
        calls, tokens = self._outputs.get(role, (0, 0))
        return -(-tokens // calls) if calls else None

    async def _reserve(self, task: "TaskBudget", call: Amount, model: str) -> None:
        waiter = _Waiter(task, call, model, asyncio.get_running_loop().create_future())
        self._line.append(waiter)
        self._pump()
        try:
            refused = await waiter.answer
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        if refused is not None:
            raise refused

    def _abandon(self, waiter: "_Waiter") -> None:
        """A waiting call was cancelled, perhaps in the moment between its answer and its waking."""
        if waiter.answer.cancelled():
            self._pump()
        elif waiter.answer.result() is None:
            self._settle(waiter.task, waiter.call, Amount(0, 0.0))

    def _settle(self, task: "TaskBudget", held: Amount, billed: Amount, most: Amount | None = None) -> None:
        for allowance in (self._allowance, task.allowance):
            allowance.settle(held, billed, most)
        self._pump()

    def _learn(self, role: Role, usage: Usage) -> None:
        calls, tokens = self._outputs.get(role, (0, 0))
        self._outputs[role] = (calls + usage.calls, tokens + usage.output)

    def _pump(self) -> None:
        """Answer every call at the head of the line that can be answered."""
        before = self.exhausted
        while self._line:
            head = self._line[0]
            if not head.answer.done():
                refused = self._refused(head)
                if refused is None and not self._has_room(head):
                    break
                if refused is None:
                    self._allowance.hold(head.call)
                    head.task.allowance.hold(head.call)
                head.answer.set_result(refused)
            self._line.popleft()
        self._set_timer()
        if self.exhausted and not before and self._on_exhausted is not None:
            self._on_exhausted(self.exhausted)

    def _refused(self, head: "_Waiter") -> BudgetExhausted | None:
        if not self.exhausted and self._deadline is not None and self._clock() >= self._deadline:
            self.exhausted = f"The run's time of {duration(self._max_seconds or 0.0)} is used up."
        if self.exhausted:
            return BudgetExhausted("run", self.exhausted)
        # Before the run's: a call that its task cannot pay says nothing about the run.
        task = head.task
        task.exhausted = task.exhausted or task.allowance.refusal(head.call, head.model)
        if task.exhausted:
            return BudgetExhausted("task", task.exhausted)
        self.exhausted = self._allowance.refusal(head.call, head.model)
        return BudgetExhausted("run", self.exhausted) if self.exhausted else None

    def _has_room(self, head: "_Waiter") -> bool:
        return self._allowance.has_room(head.call) and head.task.allowance.has_room(head.call)

    def _set_timer(self) -> None:
        """Those who wait are woken at the end of the run's time."""
        if self._timer is not None and not self._line:
            self._timer.cancel()
            self._timer = None
        elif self._timer is None and self._line and self._deadline is not None:
            left = max(0.0, self._deadline - self._clock())
            self._timer = asyncio.get_running_loop().call_later(left, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        self._pump()


class TaskBudget:
    """One task's part of the run's budget; both of its roles reserve here."""

    def __init__(self, run: RunBudget, allowance: Allowance) -> None:
        self.allowance = allowance
        self.exhausted = ""
        """Why no call of the task starts any more, as a sentence."""
        self._run = run

    def expected_output(self, role: Role) -> int | None:
        return self._run.expected_output(role)

    async def reserve(self, model: str, tokens: int, cost: float | None) -> "Reservation":
        """Wait until a call of about so many tokens and US dollars may start, and hold them for it.

        Raises BudgetExhausted when it may not start any more. Whoever gets a Reservation settles it.
        """
        call = Amount(tokens, cost)
        await self._run._reserve(self, call, model)
        return Reservation(self._run, self, call)


class Reservation:
    """What is held for one call."""

    def __init__(self, run: RunBudget, task: TaskBudget, held: Amount) -> None:
        self._run = run
        self._task = task
        self._held = held

    def settle(self, role: Role, usage: Usage, cost: float | None, most: Amount | None = None) -> None:
        """The call is over: what was billed takes the place of what was held. Once, and whatever became of it. `most`:
        what may have been billed, where that is not known; it is what counts here."""
        if not usage.estimated:
            self._run._learn(role, usage)
        billed = Amount(usage.total, cost if usage.total else 0.0)
        self._run._settle(self._task, self._held, billed, most or billed)


@dataclass
class _Waiter:
    task: TaskBudget
    call: Amount
    model: str
    answer: "asyncio.Future[BudgetExhausted | None]"
    """None: the call may start, and what it takes is held."""
