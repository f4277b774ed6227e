"""A task of a stored run that says and does what a test tells it to, through the real store and the coder's own
conversation."""

import json
from pathlib import Path
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.coders.builtin.conversation import Conversation
from agentbatch.usage import Usage
from tests.runs import stored_runs


class Talk:
    """The task `t0` under way."""

    def __init__(self, base: Path, tasks: int = 1, store: Store | None = None, task_id: str = "t0") -> None:
        self.store = store or stored_runs.begin(base, tasks)
        self.task_id = task_id
        self.conversation = Conversation(self._record)
        self.calls = 0
        self.iteration = 0

    def emit(self, event: e.Event) -> None:
        self.store.emit(event)

    def flush(self) -> None:
        self.store.flush()

    def _record(self, generation: int, position: int, message: dict[str, Any]) -> None:
        self.emit(
            e.MessageAdded(task_id=self.task_id, generation=generation, index=position, message=message)
        )

    def begin(self, prompt: str) -> None:
        """The task starts with this prompt."""
        self.emit(e.TaskStarted(task_id=self.task_id))
        self.prompt(prompt)

    def prompt(self, prompt: str, *, anew: bool = False) -> None:
        """Another iteration."""
        self.iteration += 1
        self.emit(e.IterationStarted(task_id=self.task_id, iteration=self.iteration, prompt=prompt))
        system = {"role": "system", "content": "You are the Coder."}
        if anew:
            self.conversation.replace([system, {"role": "user", "content": prompt}])
            return
        if not self.conversation.messages:
            self.conversation.add(system)
        self.nudge(prompt)

    def nudge(self, text: str) -> None:
        self.conversation.add({"role": "user", "content": text})

    def say(self, text: str = "", *calls: tuple[str, dict[str, Any] | str], reasoning: str = "") -> list[str]:
        """The coder's answer; returns the ids of its calls."""
        self.emit(e.ModelCallStarted(task_id=self.task_id, role="coder", model="m"))
        self.emit(
            e.ModelCallFinished(
                task_id=self.task_id, role="coder", model="m", usage=Usage(input=9, output=1, calls=1),
                cost=None, latency=0.1, attempts=1,
            )
        )  # fmt: skip
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if reasoning:
            message["reasoning_content"] = reasoning
        ids = [f"c{self.calls + n}" for n in range(len(calls))]
        self.calls += len(calls)
        if calls:
            message["tool_calls"] = [
                {
                    "id": call_id,
                    "type": "function",
                    "function": {
                        "name": name,
                        "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                    },
                }
                for call_id, (name, arguments) in zip(ids, calls, strict=True)
            ]
        self.conversation.add(message)
        return ids

    def call(self, call_id: str, tool: str, summary: str) -> None:
        self.emit(e.ToolCalled(task_id=self.task_id, call_id=call_id, tool=tool, summary=summary))

    def done(self, call_id: str, tool: str, output: str, **outcome: Any) -> None:
        fields = {"ok": True, "seconds": 0.25, **outcome}
        self.emit(e.ToolFinished(task_id=self.task_id, call_id=call_id, tool=tool, **fields))
        self.answer(call_id, output)

    def answer(self, call_id: str, text: str) -> None:
        self.conversation.add({"role": "tool", "tool_call_id": call_id, "content": text})

    def bash(self, command: str, output: str, exit_code: int = 0, said: str = "") -> None:
        """The coder runs a command, and gets its output."""
        (call_id,) = self.say(said, ("bash", {"command": command}))
        self.call(call_id, "bash", command[:80])
        self.done(call_id, "bash", output, ok=exit_code == 0, exit_code=exit_code)

    def verdict(self, accepted: bool = False, **fields: Any) -> None:
        self.emit(
            e.VerdictReached.model_validate(
                {
                    "task_id": self.task_id,
                    "iteration": self.iteration,
                    "accepted": accepted,
                    "verdict": None,
                    "decision": "done" if accepted else "continue",
                }
                | fields
            )
        )

    def end(self, **fields: Any) -> None:
        self.emit(
            e.TaskFinished.model_validate(
                {"task_id": self.task_id, "status": "completed", "reason": "accepted"} | fields
            )
        )
