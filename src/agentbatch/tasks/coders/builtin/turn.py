"""One turn of the coder: from a prompt to `finish`, to plain text, or to a limit."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from agentbatch.files import json_object
from agentbatch.model.reply import Reply, ToolCall
from agentbatch.tasks.agents.messages import assistant_message
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.coders.builtin.agent import Agent
from agentbatch.tasks.coders.builtin.conversation import unanswered
from agentbatch.tasks.coders.builtin.loops import LoopDetector
from agentbatch.tasks.coders.builtin.replies import classify, looks_like_call, with_usable_ids
from agentbatch.tasks.coders.builtin.stored_turn import StoredTurn
from agentbatch.tasks.coders.builtin.toolbox import Finish, Finished
from agentbatch.tasks.coders.builtin.turn_limits import TurnSpending, exceeded, near
from agentbatch.tasks.coders.coder import TurnOutcome
from agentbatch.workspace.tools.bash import Bash
from agentbatch.workspace.workspace import ToolResult

FRESH_TEMPERATURE = 0.8
"""For the call after a nudge about a loop, where the model's own is lower: at the usual 0 to 0.2 it would say the same
again."""

IN_FLIGHT = "Interrupted: the outcome of this call is unknown. Look at what is there before you repeat it."
NOT_BEGUN = "Not run: the run was interrupted before this call. Repeat it if it is still to be done."
"""Answers to the tool calls that an interruption met under way, or waiting behind one that was."""

MAX_SUBJECT = 200
"""Characters of a command or path that a nudge names."""


def must_run_first(agent: Agent) -> bool:
    """Whether `finish` comes too early: what can be run was not, or nothing was done, and no check will follow."""
    unseen = agent.untried or not agent.work.active
    return unseen and not agent.has_checks and Bash.name in agent.toolbox


async def run_turn(agent: Agent, prompt: str, *, fresh: bool) -> TurnOutcome:
    """All that the agent does in answer to one prompt. Raises ModelError when a call fails for good.

    `fresh`: the prompt opens a new conversation, and the first reply may differ more from what the model would most
    likely say, which has failed.
    """
    turn = _Turn(agent)
    if fresh:
        agent.begin_conversation(prompt)
        turn.vary()
    else:
        agent.add_user_message(prompt)
    return await turn.run()


async def resume_turn(agent: Agent, stored: StoredTurn) -> TurnOutcome:
    """The rest of a turn that an earlier session of the run began. No finished call is repeated. The nudges that it got
    about loops are forgotten."""
    turn = _Turn(agent, replace(stored.spent, task_seconds=agent.seconds()))
    turn.tools_used = stored.tools_used
    answered = False
    for call in unanswered(agent.conversation.messages):
        agent.answer(call["id"], IN_FLIGHT if call["id"] in stored.begun else NOT_BEGUN)
        answered = True
    last = agent.conversation.messages[-1]
    if last["role"] == "assistant" and not answered and not agent.user_messages.waiting:
        return TurnOutcome("text", agent.redact(str(last.get("content") or "").strip()))
    return await turn.run()


class _Turn:
    """The state of one turn, from a prompt to its end."""

    def __init__(self, agent: Agent, spent: TurnSpending | None = None) -> None:
        self.agent = agent
        self.spent = spent or TurnSpending(task_seconds=agent.seconds())
        self.loops = LoopDetector(agent.workspace.info.directory)
        self.tools_used = False
        self.written: set[str] = set()
        self.format_errors = 0
        self.nudged_for_text = False
        self.nudged_to_run = False
        self.next_temperature: float | None = None
        self.warned = False
        self.last_text = ""

    async def run(self) -> TurnOutcome:
        while True:
            limit = exceeded(self.agent.limits, self.spent)
            if limit is not None:
                return TurnOutcome(limit, self.last_text)
            reply = await self.agent.complete(self.next_temperature)
            self.next_temperature = None
            self._account(reply)
            end = await self._take(reply)
            if end is not None and (end.failed or not self.agent.user_messages.waiting):
                return end
            self._warn_when_near()

    def _account(self, reply: Reply) -> None:
        cost = self.agent.model.cost(reply.usage)
        self.spent = TurnSpending(
            steps=self.spent.steps + 1,
            tokens=self.spent.tokens + reply.usage.total,
            cost=None if cost is None or self.spent.cost is None else self.spent.cost + cost,
            task_seconds=self.agent.seconds(),
        )

    async def _take(self, reply: Reply) -> TurnOutcome | None:
        """Act on one reply; the outcome when it ends the turn."""
        calls = with_usable_ids(reply.tool_calls, self.agent.conversation.call_ids)
        self.agent.conversation.add(assistant_message(reply, calls))
        if reply.content.strip():
            self.last_text = self.agent.redact(reply.content.strip())
        match classify(reply):
            case "calls":
                return await self._run_calls(calls, reply.cut_off)
            case "text":
                return self._text(reply)
            case "cut_off":
                return self._format_error("cut_off")
            case "filtered":
                self.agent.tell("The endpoint's content filter withheld a reply of the Coder's model.")
                return self._format_error("filtered")
            case _:
                return self._format_error("empty", self.agent.malformed())

    def _text(self, reply: Reply) -> TurnOutcome | None:
        """Words alone: a question or a report, or a call in a form that was not understood."""
        if not self.tools_used and looks_like_call(reply.content) and self.agent.malformed():
            self.nudged_for_text = False
        if self.tools_used or self.nudged_for_text:
            return TurnOutcome("text", self.last_text)
        self.nudged_for_text = True
        self.agent.nudge("no_tools")
        return None

    def _format_error(self, nudge: str | None, stepped_down: bool = False) -> TurnOutcome | None:
        """`stepped_down`: the model continues in a simpler form, and its errors are counted from 0."""
        self.format_errors = 0 if stepped_down else self.format_errors + 1
        if self.format_errors >= self.agent.limits.format_errors:
            return TurnOutcome("format_errors", self.last_text)
        if nudge is not None:
            self.agent.nudge(nudge)
        return None

    async def _run_calls(self, calls: tuple[ToolCall, ...], cut_off: bool) -> TurnOutcome | None:
        results: list[ToolResult] = []
        try:
            for call in calls:
                last = len(results) == len(calls) - 1
                result = await self._run_call(call, results, cut_off=cut_off and last)
                self.agent.answer(call.id, result.text)
                results.append(result)
                if isinstance(result, Finished):
                    break
        except asyncio.CancelledError:
            self._answer_rest(calls[len(results) : len(results) + 1], IN_FLIGHT)
            self._answer_rest(calls[len(results) + 1 :], NOT_BEGUN)
            raise
        latest = results[-1]
        if isinstance(latest, Finished):
            self._answer_rest(
                calls[len(results) :], "Skipped: the turn ended with `finish` before this call."
            )
            return TurnOutcome("finished", self.agent.redact(latest.summary.strip()))
        if all(result.invalid for result in results):
            return self._format_error(None, not cut_off and self.agent.malformed())
        self.format_errors = 0
        self.agent.wellformed()
        self.tools_used = True
        if self._has_written_all(results):
            return TurnOutcome("finished", self.last_text)
        return self._check_loops(calls, results)

    def _has_written_all(self, results: Sequence[ToolResult]) -> bool:
        """The reply did nothing but write, and there is nothing more to write (see `Agent.whole`)."""
        files = [result.file for result in results if result.ok and result.file]
        self.written.update(PurePath(file.path).name for file in files)
        return len(files) == len(results) and bool(self.agent.whole) and self.written >= self.agent.whole

    async def _run_call(self, call: ToolCall, before: Sequence[ToolResult], *, cut_off: bool) -> ToolResult:
        if cut_off and json_object(call.arguments) is None:
            text = (
                "Nothing was done: your reply hit the output limit inside this call. "
                "Write in smaller pieces, one call each."
            )
            return ToolResult(text, ok=False, invalid=True)
        return await self.agent.run_call(
            call, refusal=self._finish_refusal(before) if call.name == Finish.name else ""
        )

    def _finish_refusal(self, before: Sequence[ToolResult]) -> str:
        """Why a `finish` after these calls of its reply is not taken; empty when it is.

        Where checks run after the turn, they show what a failed call meant.
        """
        if not self.agent.has_checks and not all(result.ok for result in before):
            return self.agent.nudge_text("unseen_failure")
        if not must_run_first(self.agent) or self.nudged_to_run:
            return ""
        self.nudged_to_run = True
        self.agent.untried = False  # It was asked once; what it changes after this is another matter.
        return self.agent.nudge_text("run_first")

    def _answer_rest(self, calls: tuple[ToolCall, ...], text: str) -> None:
        for call in calls:
            self.agent.answer(call.id, text)

    def _check_loops(self, calls: tuple[ToolCall, ...], results: list[ToolResult]) -> TurnOutcome | None:
        loop = self.loops.observe(list(zip(calls, results, strict=True)))
        if loop is None:
            return None
        if loop.stuck:
            return TurnOutcome("stuck", self.last_text, loop.pattern)
        self.vary()
        self.agent.nudge(
            loop.pattern,
            count=loop.count,
            subject=shortened(loop.subject, MAX_SUBJECT),
            error=loop.spot.error,
            place=loop.spot.place,
        )
        return None

    def vary(self) -> None:
        """Let the next reply be less likely than the ones before it."""
        own = self.agent.model.client.temperature
        self.next_temperature = None if own is not None and own > FRESH_TEMPERATURE else FRESH_TEMPERATURE

    def _warn_when_near(self) -> None:
        if self.warned:
            return
        notice = near(self.agent.limits, self.spent, self.agent.task_timeout)
        if notice and exceeded(self.agent.limits, self.spent) is None:
            self.warned = True
            self.agent.nudge("limit", notice=notice)
