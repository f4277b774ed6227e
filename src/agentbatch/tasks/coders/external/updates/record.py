"""What an agent of somebody else's does, as events, as messages in the OpenAI form, and as evidence.

Its calls are told one after another, in the order in which they began, each with its answer: agents run several at a
time, but a conversation has each call answered before the next message.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from agentbatch.runs import events as e
from agentbatch.tasks.agents.messages import tool_message
from agentbatch.tasks.coders.coder import Numbers, WorkLog
from agentbatch.tasks.coders.external.updates.calls import (
    EDITS,
    LOOKS,
    NAME,
    Call,
    Pieces,
    arguments_of,
    is_known,
    merged,
    tool_name,
)
from agentbatch.tasks.coders.external.updates.update import (
    AgentUpdate,
    CostUpdate,
    MessageChunk,
    PlanUpdate,
    ToolCallUpdate,
    UsageUpdate,
    cut,
)
from agentbatch.usage import Usage
from agentbatch.workspace.workspace import CommandRecord

MAX_OUTPUT = 30_000
"""Characters of what a call gave: as much as a command of ours may."""
MAX_COMMAND = 20_000
MAX_TAIL = 4_000
TAIL_LINES = 15
MAX_SUMMARY = 500
MAX_OPEN = 16
"""Calls under way at once; the oldest is told as it stands when there are more."""
MAX_TURN = 20_000_000
"""Characters of one turn's messages; what comes after them is left out."""
NOT_TOLD = "(What became of this call was not told.)"
LEFT_OUT = "(left out: the turn said too much)"


class Record:
    """One task's: a conversation from the first turn to the last, in as many sessions as it takes."""

    def __init__(
        self,
        task_id: str,
        directory: str,
        emit: Callable[[e.Event], None],
        redact: Callable[[str], str],
        *,
        numbers: Numbers,
        generation: int = 0,
        messages: Sequence[Mapping[str, Any]] = (),
        calls: int = 0,
    ) -> None:
        """`messages`: those of an earlier session of the run, which are in the store; `calls`: that there were."""
        self.work = WorkLog()
        self.messages: list[Mapping[str, Any]] = list(messages)
        self.calls = calls
        """Tool calls so far."""
        self._task_id = task_id
        self._directory = directory.rstrip("/") + "/"
        self._emit = emit
        self._redact = redact
        self._numbers = numbers
        self._generation = numbers.take(generation)
        self._begun = 0
        """Index of the conversation's first message."""
        self._text, self._thought = Pieces(), Pieces()
        self._last = ""
        self._plan = ""
        self._cost: float | None = None
        self._billed = 0.0
        self._tokens: UsageUpdate | None = None
        self._open: dict[str, Call] = {}
        """By the agent's id, in the order in which they began."""
        self._over: set[str] = set()
        """Ids of the turn's calls that are told to their end."""
        self._written = 0

    def begin_conversation(self) -> None:
        """The next prompt opens one that knows nothing of those before."""
        self._generation, self._begun = self._numbers.next(), len(self.messages)

    def prompt(self, text: str) -> None:
        """A turn begins with this."""
        self._last, self._written = "", 0
        self._over.clear()
        self._add({"role": "user", "content": text})

    def take(self, update: AgentUpdate) -> None:
        """What is new of the agent's work."""
        match update:
            case MessageChunk():
                (self._thought if update.thought else self._text).add(update.text)
            case ToolCallUpdate():
                self._call(update)
            case PlanUpdate():
                self._take_plan(update)
            case CostUpdate():
                self._cost = update.cost
            case UsageUpdate():
                self._tokens = update

    def end_turn(self) -> str:
        """The turn is over: what is open is closed. The last thing that the agent said."""
        self._tell(to_the_end=True)
        text, thought = self._said()
        if text or thought:
            self._add(_assistant(text or None, thought))
        return self._last

    def take_bill(self) -> tuple[float | None, Usage]:
        """What the agent says that it has cost since this was asked last, US dollars and tokens; None, and no tokens:
        it says nothing. Some agents' sums begin at 0 with each process."""
        usage, cost = self._tokens or UsageUpdate(0, 0), None
        untold = not usage.input + usage.output
        if self._cost is not None:
            cost = self._cost - self._billed if self._cost >= self._billed else self._cost
            self._billed = self._cost
        self._tokens = None
        return cost, Usage(**vars(usage), calls=1, untold=int(untold), estimated=not untold)

    @property
    def silent(self) -> bool:
        """Nothing was told in this turn."""
        return self._written == 0 and not self._open and not self._text.size and not self._thought.size

    def _clean(self, text: str) -> str:
        """Without keys, and such that it can be written down: halves of surrogate pairs are no text."""
        return self._redact(text.encode("utf-8", "replace").decode())

    def _said(self) -> tuple[str, str]:
        text, thought = self._clean(self._text.take()), self._clean(self._thought.take())
        self._last = text or self._last
        return cut(text), cut(thought, MAX_OUTPUT)

    # calls -------------------------------------------------------------------------------------------------------

    def _call(self, update: ToolCallUpdate) -> None:
        call = self._open.get(update.id)
        if call is None:
            if not update.begins and (
                update.id in self._over or (update.title is None and update.kind is None)
            ):
                return  # more of one that is over
            self.calls += 1
            call = self._open[update.id] = Call(f"call-{self.calls}", update, time.monotonic())
            call.before, call.thought = self._said()
        else:
            call.update = merged(call.update, update)
        if update.more:
            call.output.add(update.more)
        call.over = call.over or call.update.status in ("completed", "failed")
        self._tell()

    def _tell(self, *, to_the_end: bool = False) -> None:
        """Show the first of the open calls, and those behind it as far as they are over."""
        while self._open:
            name, call = next(iter(self._open.items()))
            if not call.shown and (call.over or to_the_end or is_known(call.update)):
                self._show(call)
            if not call.over and not to_the_end and len(self._open) <= MAX_OPEN:
                return
            if not call.shown:
                self._show(call)
            del self._open[name]
            self._over.add(name)
            self._finish(call)

    def _show(self, call: Call) -> None:
        update = call.update
        call.shown = self._clean(tool_name(update))
        command = self._clean(cut(update.command, MAX_COMMAND)) if update.command else ""
        tool = {"name": call.shown, "arguments": self._clean(arguments_of(update, command))}
        self._add(
            {
                **_assistant(call.before or None, call.thought),
                "tool_calls": [{"id": call.number, "type": "function", "function": tool}],
            }
        )
        title = update.title or ""
        if update.arguments and NAME.fullmatch(title):  # the tool's name once more
            title = tool["arguments"]
        summary = command or " ".join(map(self._relative, update.paths or ())) or title
        self._emit(
            e.ToolCalled(
                task_id=self._task_id,
                call_id=call.number,
                tool=call.shown,
                summary=self._clean(summary)[:MAX_SUMMARY],
            )
        )

    def _finish(self, call: Call) -> None:
        update = call.update
        output = cut(self._clean(update.output or call.output.take()), MAX_OUTPUT)
        seconds = time.monotonic() - call.began
        failed = update.status == "failed" or update.exit_code not in (None, 0)
        command = None
        if update.kind == "execute" and update.command:
            command = CommandRecord(
                self._clean(cut(update.command, MAX_COMMAND)),
                1 if failed and not update.exit_code else update.exit_code,  # it failed, and does not say how
                "\n".join(output.rstrip().split("\n")[-TAIL_LINES:])[-MAX_TAIL:],
                seconds,
                time.time(),
                told=True,
            )
        changed = call.over and not failed and update.kind not in LOOKS
        paths = [self._relative(path) for path in update.paths or ()]
        file = self._clean(paths[0]) if changed and update.kind in EDITS and paths else ""
        self._emit(
            e.ToolFinished(
                task_id=self._task_id,
                call_id=call.number,
                tool=call.shown,
                ok=call.over and not failed,
                exit_code=update.exit_code,
                seconds=seconds,
                summary="" if call.over else "its end was not told",
                changed=changed or command is not None,
                command=asdict(command) if command is not None else None,
                file=file,
            )
        )
        self.work.note(changed or command is not None, command, file)
        self._add(tool_message(call.number, output if call.over else output or NOT_TOLD))

    def _take_plan(self, plan: PlanUpdate) -> None:
        """A plan is told as a call that is over at once, where it is another one than before."""
        signs = {"completed": "x", "in_progress": "~"}
        text = "\n".join(f"[{signs.get(status, ' ')}] {entry}" for entry, status in plan.entries)
        if not plan.entries or text == self._plan:
            return
        self._plan = text
        done = sum(status == "completed" for _, status in plan.entries)
        now = next((entry for entry, status in plan.entries if status == "in_progress"), "")
        title = f"{done} of {len(plan.entries)} done" + (f", now: {now}" if now else "")
        name = f"\0plan-{self.calls}"  # no id of an agent's
        self._call(ToolCallUpdate(name, True, title, "plan", "completed", output=text))

    def _relative(self, path: str) -> str:
        return path.removeprefix(self._directory) or path

    def _add(self, message: dict[str, Any]) -> None:
        size = len(json.dumps(message, ensure_ascii=False))
        if self._written + size > MAX_TURN and message["role"] != "user":
            message = {**message, "content": LEFT_OUT}
            message.pop("reasoning_content", None)
        if message["role"] != "user":
            self._written += size
        self.messages.append(message)
        self._emit(
            e.MessageAdded(
                task_id=self._task_id,
                generation=self._generation,
                index=len(self.messages) - 1 - self._begun,
                message=message,
            )
        )


def _assistant(text: str | None, thought: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    return {**message, "reasoning_content": thought} if thought else message
