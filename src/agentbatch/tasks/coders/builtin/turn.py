"""One turn of the coder: from a prompt to `finish`, to plain text, or to a limit."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from agentbatch.model.reply import Reply, ToolCall
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.agents.toolbox import Finish, Finished
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.coders.builtin.conversation import unanswered
from agentbatch.tasks.coders.builtin.loops import LoopDetector, Pattern
from agentbatch.tasks.coders.builtin.replies import (
    assistant_message,
    classify,
    is_json_object,
    looks_like_call,
    with_usable_ids,
)
from agentbatch.tasks.coders.builtin.turn_limits import Spent, exceeded, near
from agentbatch.workspace.tools.bash import Bash
from agentbatch.workspace.workspace import ToolResult

TurnEnd = Literal["finished", "text", "stuck", "format_errors", "step_limit", "token_limit", "cost_limit"]
"""How a turn ended: `finish` was called; plain text (a question, a report); going in circles; too many empty
or malformed replies; a limit."""


@dataclass(frozen=True)
class TurnOutcome:
    end: TurnEnd
    text: str
    """The summary given to `finish`, or the last thing the coder said."""
    circle: Pattern | None = None
    """How a stuck turn went in circles."""


FRESH_TEMPERATURE = 0.8
"""For the call after a nudge about a circle, where the model's own is lower: at the usual 0 to 0.2 it would say the
same again."""

IN_FLIGHT = "Interrupted: the outcome of this call is unknown. Look at what is there before you repeat it."
NOT_BEGUN = "Not run: the run was interrupted before this call. Repeat it if it is still to be done."
"""Answers to the tool calls that an interruption met under way, or waiting behind one that was."""

MAX_SUBJECT = 200
"""Characters of a command or path that a nudge names."""


def must_run_first(coder: Coder) -> bool:
    """Whether `finish` comes too early: what can be run was not, or nothing was done, and no check will tell."""
    unseen = coder.untried or not coder.active
    return unseen and not coder.has_checks and Bash.name in coder.toolbox


async def run_turn(coder: Coder, prompt: str, *, anew: bool = False) -> TurnOutcome:
    """All that the coder does in answer to one prompt. Raises ModelError when a call fails for good.

    `anew`: the prompt opens a new conversation, and the first reply may differ more from what the model would most
    likely say, which has failed.
    """
    turn = _Turn(coder)
    if anew:
        coder.begin_anew(prompt)
        turn.vary()
    else:
        coder.add_user_message(prompt)
    return await turn.run()


async def resume_turn(coder: Coder, spent: Spent, *, begun: Collection[str], tools_used: bool) -> TurnOutcome:
    """The rest of a turn that an earlier session of the run began. No finished call is repeated.

    `spent`: what the turn has used up; `begun`: ids of the tool calls that were started; `tools_used`: some of them
    were carried out. What it was told about going in circles is forgotten.
    """
    turn = _Turn(coder, spent)
    turn.tools_used = tools_used
    answered = False
    for call in unanswered(coder.conversation.messages):
        coder.answer(call["id"], IN_FLIGHT if call["id"] in begun else NOT_BEGUN)
        answered = True
    last = coder.conversation.messages[-1]
    if last["role"] == "assistant" and not answered:
        return TurnOutcome("text", coder.redact(str(last.get("content") or "").strip()))
    return await turn.run()


class _Turn:
    """The state of one turn, from a prompt to its end."""

    def __init__(self, coder: Coder, spent: Spent | None = None) -> None:
        self.coder = coder
        self.spent = spent or Spent(task_seconds=coder.seconds())
        self.loops = LoopDetector(coder.workspace.info.directory)
        self.tools_used = False
        self.format_errors = 0
        self.nudged_for_text = False
        self.nudged_to_run = False
        self.next_temperature: float | None = None
        self.warned = False
        self.last_text = ""

    async def run(self) -> TurnOutcome:
        while True:
            limit = exceeded(self.coder.limits, self.spent)
            if limit is not None:
                return TurnOutcome(limit, self.last_text)
            reply = await self.coder.complete(self.next_temperature)
            self.next_temperature = None
            self._account(reply)
            end = await self._take(reply)
            if end is not None:
                return end
            self._warn_when_near()

    def _account(self, reply: Reply) -> None:
        cost = self.coder.model.cost(reply.usage)
        self.spent = Spent(
            steps=self.spent.steps + 1,
            tokens=self.spent.tokens + reply.usage.total,
            cost=None if cost is None or self.spent.cost is None else self.spent.cost + cost,
            task_seconds=self.coder.seconds(),
        )

    async def _take(self, reply: Reply) -> TurnOutcome | None:
        """Act on one reply; the outcome when it ends the turn."""
        calls = with_usable_ids(reply.tool_calls, self.coder.conversation.call_ids)
        self.coder.conversation.add(assistant_message(reply, calls))
        if reply.content.strip():
            self.last_text = self.coder.redact(reply.content.strip())
        match classify(reply):
            case "calls":
                return await self._run_calls(calls, reply.cut_off)
            case "text":
                return self._text(reply)
            case "cut_off":
                return self._format_error("cut_off")
            case _:
                return self._format_error("empty", self.coder.misformed())

    def _text(self, reply: Reply) -> TurnOutcome | None:
        """Words alone: a question or a report, or a call in a form that nobody understood."""
        if not self.tools_used and looks_like_call(reply.content) and self.coder.misformed():
            self.nudged_for_text = False
        if self.tools_used or self.nudged_for_text:
            return TurnOutcome("text", self.last_text)
        self.nudged_for_text = True
        self.coder.nudge("no_tools")
        return None

    def _format_error(self, nudge: str | None, stepped_down: bool = False) -> TurnOutcome | None:
        """`stepped_down`: the model goes on in a simpler form, and begins anew."""
        self.format_errors = 0 if stepped_down else self.format_errors + 1
        if self.format_errors >= self.coder.limits.format_errors:
            return TurnOutcome("format_errors", self.last_text)
        if nudge is not None:
            self.coder.nudge(nudge)
        return None

    async def _run_calls(self, calls: tuple[ToolCall, ...], cut_off: bool) -> TurnOutcome | None:
        results: list[ToolResult] = []
        try:
            for call in calls:
                last = len(results) == len(calls) - 1
                result = await self._run_call(call, results, cut_off=cut_off and last)
                self.coder.answer(call.id, result.text)
                results.append(result)
                if isinstance(result, Finished):
                    break
        except asyncio.CancelledError:
            self._answer_rest(calls[len(results) : len(results) + 1], IN_FLIGHT)
            self._answer_rest(calls[len(results) + 1 :], NOT_BEGUN)
            raise
        last_result = results[-1]
        if isinstance(last_result, Finished):
            self._answer_rest(
                calls[len(results) :], "Skipped: the turn ended with `finish` before this call."
            )
            return TurnOutcome("finished", self.coder.redact(last_result.summary.strip()))
        if all(result.invalid for result in results):
            return self._format_error(None, not cut_off and self.coder.misformed())
        self.format_errors = 0
        self.coder.wellformed()
        self.tools_used = True
        return self._check_loops(calls, results)

    async def _run_call(self, call: ToolCall, before: Sequence[ToolResult], *, cut_off: bool) -> ToolResult:
        if cut_off and not is_json_object(call.arguments):
            text = (
                "Nothing was done: your reply hit the output limit inside this call. "
                "Write in smaller pieces, one call each."
            )
            return ToolResult(text, ok=False, invalid=True)
        return await self.coder.run_call(
            call, refusal=self._finish_refusal(before) if call.name == Finish.name else ""
        )

    def _finish_refusal(self, before: Sequence[ToolResult]) -> str:
        """Why a `finish` after these calls of its reply is not taken; empty when it is.

        Where checks run after the turn, they tell what a failed call may have meant.
        """
        if not self.coder.has_checks and not all(result.ok for result in before):
            return self.coder.nudge_text("unseen_failure")
        if not must_run_first(self.coder) or self.nudged_to_run:
            return ""
        self.nudged_to_run = True
        self.coder.untried = False  # It has been told; what it changes after this is another matter.
        return self.coder.nudge_text("run_first")

    def _answer_rest(self, calls: tuple[ToolCall, ...], text: str) -> None:
        for call in calls:
            self.coder.answer(call.id, text)

    def _check_loops(self, calls: tuple[ToolCall, ...], results: list[ToolResult]) -> TurnOutcome | None:
        circle = self.loops.observe(list(zip(calls, results, strict=True)))
        if circle is None:
            return None
        if circle.stuck:
            return TurnOutcome("stuck", self.last_text, circle.pattern)
        self.vary()
        self.coder.nudge(
            circle.pattern,
            count=circle.count,
            subject=shortened(circle.subject, MAX_SUBJECT),
            error=circle.spot.error,
            place=circle.spot.place,
        )
        return None

    def vary(self) -> None:
        """Let the next reply be less likely than the ones before it."""
        own = self.coder.model.client.temperature
        self.next_temperature = None if own is not None and own > FRESH_TEMPERATURE else FRESH_TEMPERATURE

    def _warn_when_near(self) -> None:
        if self.warned:
            return
        notice = near(self.coder.limits, self.spent, self.coder.task_timeout)
        if notice and exceeded(self.coder.limits, self.spent) is None:
            self.warned = True
            self.coder.nudge("limit", notice=notice)
