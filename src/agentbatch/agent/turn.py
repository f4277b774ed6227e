"""One turn of the coder: from a prompt to `finish`, to plain text, or to a limit."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from agentbatch.agent.coder import Coder
from agentbatch.agent.progress import RepeatDetector
from agentbatch.agent.replies import assistant_message, classify, is_json_object, with_usable_ids
from agentbatch.agent.turn_limits import Spent, exceeded, near
from agentbatch.model.reply import Reply, ToolCall
from agentbatch.tools.base import ToolResult

TurnEnd = Literal["finished", "text", "stuck", "format_errors", "step_limit", "token_limit", "cost_limit"]
"""How a turn ended: `finish` was called; plain text (a question, a report); going in circles; too many empty
or malformed replies; a limit."""


@dataclass(frozen=True)
class TurnOutcome:
    end: TurnEnd
    text: str
    """The summary given to `finish`, or the last thing the coder said."""


async def run_turn(coder: Coder, prompt: str) -> TurnOutcome:
    """All that the coder does in answer to one prompt. Raises ModelError when a call fails for good."""
    coder.hear(prompt)
    return await _Turn(coder).run()


class _Turn:
    """The state of one turn, from a prompt to its end."""

    def __init__(self, coder: Coder) -> None:
        self.coder = coder
        self.spent = Spent(task_seconds=coder.seconds())
        self.repeats = RepeatDetector()
        self.tools_used = False
        self.format_errors = 0
        self.nudged_for_text = False
        self.warned = False
        self.last_text = ""

    async def run(self) -> TurnOutcome:
        while True:
            limit = exceeded(self.coder.limits, self.spent)
            if limit is not None:
                return TurnOutcome(limit, self.last_text)
            reply = await self.coder.complete()
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
            case "text" if self.tools_used or self.nudged_for_text:
                return TurnOutcome("text", self.last_text)
            case "text":
                self.nudged_for_text = True
                self.coder.nudge("no_tools")
                return None
            case "cut_off":
                return self._format_error("cut_off")
            case _:
                return self._format_error("empty")

    def _format_error(self, nudge: str | None) -> TurnOutcome | None:
        self.format_errors += 1
        if self.format_errors >= self.coder.limits.format_errors:
            return TurnOutcome("format_errors", self.last_text)
        if nudge is not None:
            self.coder.nudge(nudge)
        return None

    async def _run_calls(self, calls: tuple[ToolCall, ...], cut_off: bool) -> TurnOutcome | None:
        results: list[ToolResult] = []
        answered = 0
        try:
            for call in calls:
                last = answered == len(calls) - 1
                result = await self._run_call(call, cut_off=cut_off and last)
                self.coder.answer(call, result.text)
                answered += 1
                results.append(result)
                if result.finished:
                    break
        except asyncio.CancelledError:
            self._answer_rest(calls[answered:], "Interrupted: the outcome of this call is unknown.")
            raise
        if results[-1].finished:
            self._answer_rest(calls[answered:], "Skipped: the turn ended with `finish` before this call.")
            return TurnOutcome("finished", self.coder.redact(results[-1].summary.strip()))
        if all(result.invalid for result in results):
            return self._format_error(None)
        self.format_errors = 0
        self.tools_used = True
        return self._check_repeats(calls, results)

    async def _run_call(self, call: ToolCall, *, cut_off: bool) -> ToolResult:
        if cut_off and not is_json_object(call.arguments):
            text = (
                "Nothing was done: your reply hit the output limit inside this call. "
                "Write in smaller pieces, one call each."
            )
            return ToolResult(text, ok=False, invalid=True)
        return await self.coder.run_call(call)

    def _answer_rest(self, calls: tuple[ToolCall, ...], text: str) -> None:
        for call in calls:
            self.coder.answer(call, text)

    def _check_repeats(self, calls: tuple[ToolCall, ...], results: list[ToolResult]) -> TurnOutcome | None:
        parts: list[str] = []
        for call, result in zip(calls, results, strict=True):
            # A command's text tells its seconds, which differ from run to run.
            command = result.command
            seen = f"{command.exit_code}\0{command.tail}" if command else result.text
            parts += [call.name, call.arguments, seen]
        match self.repeats.observe(parts):
            case "stuck":
                return TurnOutcome("stuck", self.last_text)
            case "nudge":
                self.coder.nudge("repeat", count=self.repeats.count)
            case "new":
                pass
        return None

    def _warn_when_near(self) -> None:
        if self.warned:
            return
        notice = near(self.coder.limits, self.spent, self.coder.task_timeout)
        if notice and exceeded(self.coder.limits, self.spent) is None:
            self.warned = True
            self.coder.nudge("limit", notice=notice)
