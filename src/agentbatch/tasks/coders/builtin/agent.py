"""A model with its conversation and its tools: what a turn of the builtin coder is driven with."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath

from agentbatch.model.reply import Message, ModelError, Reply, ToolCall, ToolSpec
from agentbatch.model.tokens import estimate_messages
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.agents.messages import tool_message
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.user_messages import UserMessages, no_messages
from agentbatch.tasks.coders.builtin import compaction
from agentbatch.tasks.coders.builtin.action_words import action_words
from agentbatch.tasks.coders.builtin.conversation import Conversation
from agentbatch.tasks.coders.builtin.definition import CoderLimits
from agentbatch.tasks.coders.builtin.toolbox import Finished, Others, run_tool
from agentbatch.tasks.coders.coder import Numbers, WorkLog
from agentbatch.workspace.tools.base import Toolbox
from agentbatch.workspace.tools.toolbox import summarise
from agentbatch.workspace.workspace import CommandRecord, ToolResult, Workspace

MALFORMED_REPLIES = 2
"""In a row, before the form of the calls changes."""

PROSE = frozenset((".md", ".txt", ".rst", ".adoc"))
"""Suffixes of files that are not run."""


def can_be_run(path: str) -> bool:
    """Whether a change of this file asks for a run before it is called done."""
    return PurePath(path).suffix.lower() not in PROSE


@dataclass
class Agent:
    """One task's: a genuine conversation, from the first turn to the last."""

    task_id: str
    model: RoleModel
    prompts: Prompts
    system_prompt: str
    toolbox: Toolbox
    specs: Sequence[ToolSpec]
    """The tools as the model gets them; made once a run."""
    workspace: Workspace
    limits: CoderLimits
    context_window: int
    """Tokens."""
    emit: Callable[[e.Event], None]
    stored: Callable[[], Awaitable[None]]
    """Waits until the messages so far are on disk; raises OSError when that fails."""
    redact: Redactor
    task_timeout: float | None = None
    has_checks: bool = False
    """Checks run what the coder made after the turn in any case."""
    whole: frozenset[str] = frozenset()
    """Names of the files that are all there is to write: a reply that has written the last of them ends the turn.
    Empty: only `finish` does."""
    work: WorkLog = field(default_factory=WorkLog)
    numbers: Numbers = field(default_factory=Numbers)
    """Of the task's conversations."""
    user_messages: UserMessages = field(default_factory=no_messages)
    """What the user says meanwhile."""
    others: Others = field(default_factory=dict)
    """Tools besides the toolbox."""
    untried: bool = False
    """No command has run since a runnable file changed."""

    def __post_init__(self) -> None:
        self.conversation = Conversation(self._record, numbers=self.numbers)
        self._seconds_before = 0.0
        self._specs_tokens = estimate_messages([], self.specs)
        self._scale = 1.0
        self._malformed = 0
        self._malformed_mode = self.model.used_mode
        self._began = time.monotonic()

    def add_tools(self, specs: Sequence[ToolSpec], others: Others) -> None:
        """Before the first turn: the model has these besides."""
        self.specs, self.others = [*self.specs, *specs], others
        self._specs_tokens = estimate_messages([], self.specs)

    def restore(self, generation: int, stored: Sequence[Message] = (), seconds: float = 0.0) -> None:
        """Continue the conversation that an earlier session of the run left, or begin one that follows on
        `generation`s before. `seconds`: what the task was at work."""
        self.conversation = Conversation(self._record, generation, stored, self.numbers)
        self._seconds_before = seconds

    def add_user_message(self, prompt: str) -> None:
        """The next prompt: the task itself, or the evaluator's follow-up."""
        if not self.conversation.messages:
            self.conversation.add({"role": "system", "content": self.system_prompt})
        self._say(prompt)

    def begin_conversation(self, prompt: str) -> None:
        """A new conversation with this as its first prompt: a weak model repeats what it finds in its old one. What
        it wrote is in the directory."""
        system: Message = {"role": "system", "content": self.system_prompt}
        self.conversation.replace([system, {"role": "user", "content": prompt}])

    async def complete(self, temperature: float | None = None) -> Reply:
        """One model call over the conversation; compacts before, and once more on an overflow.

        `temperature`: for this call alone; None: the definition's.
        """
        await self._compact_if_long()
        await self.stored()
        try:
            reply = await self._ask(temperature)
        except ModelError as error:
            if error.kind != "overflow":
                raise
            # The endpoint knows its window better than the price list.
            self.context_window = min(self.context_window, error.excess.window(int(self._size())))
            await self._compact()
            await self.stored()
            reply = await self._ask(temperature)
        if reply.usage.input and not reply.usage.estimated and self._estimate:
            # The next estimate leans on what the endpoint counted, within reason.
            self._scale = min(4.0, max(0.25, reply.usage.input / self._estimate))
        return reply

    async def _ask(self, temperature: float | None) -> Reply:
        return await self.model.complete(
            self.conversation.messages,
            purpose="code",
            tools=self.specs,
            temperature=temperature,
            input_tokens=self._estimate,
            before=self._hear,
        )

    async def _hear(self) -> None:
        """What the user has said goes out with the call that is about to be made, also one that a pause held."""
        if text := self.user_messages.take():
            self._say(text)
            await self.stored()

    async def run_call(self, call: ToolCall, *, refusal: str = "") -> ToolResult:
        """One tool call, as events and as evidence. `refusal`: the answer to a `finish` that is not taken."""
        name = self.redact(call.name)
        summary = summarise(self.toolbox, name, self.redact(call.arguments)).removeprefix(f"{name} ")
        self.emit(e.ToolCalled(task_id=self.task_id, call_id=call.id, tool=name, summary=summary))
        # On disk before it is done: after a kill -9 it is known that this call may have happened.
        await self.stored()
        began = time.monotonic()
        result = await run_tool(self.toolbox, call.name, call.arguments, self.workspace, self.others)
        if isinstance(result, Finished) and refusal:
            result = ToolResult(refusal, ok=False, note="not taken")
        file = result.file.path if result.file and not result.file.unchanged else ""
        self.emit(
            e.ToolFinished(
                task_id=self.task_id,
                call_id=call.id,
                tool=name,
                ok=result.ok,
                exit_code=result.command.exit_code if result.command else None,
                seconds=time.monotonic() - began,
                summary=result.note,
                changed=result.changed,
                command=asdict(self._redacted(result.command)) if result.command else None,
                file=self.redact(file),
            )
        )
        self.note(result.changed, result.command, file)
        return result

    def _redacted(self, command: CommandRecord) -> CommandRecord:
        return replace(command, command=self.redact(command.command), tail=self.redact(command.tail))

    def note(self, changed: bool, command: CommandRecord | None, file: str) -> None:
        """What a tool call has done, now or in an earlier session. `file`: the path of a file with a new content."""
        self.work.note(changed, command, file)
        if command is not None:
            self.untried = False
        elif file:
            self.untried = self.untried or can_be_run(file)

    def malformed(self) -> bool:
        """A reply held no call that could be carried out, though one was meant. After two in a row the model's tools
        are called in a simpler form from now on; true when that has just come about."""
        if self.model.used_mode != self._malformed_mode:
            self._malformed, self._malformed_mode = 0, self.model.used_mode
        self._malformed += 1
        if self._malformed < MALFORMED_REPLIES:
            return False
        self._malformed = 0
        return self.model.step_down(
            f"{MALFORMED_REPLIES} replies in a row held no call that could be carried out"
        )

    def wellformed(self) -> None:
        """A call was carried out."""
        self._malformed = 0

    def answer(self, call_id: str, text: str) -> None:
        self.conversation.add(tool_message(call_id, self.redact(text)))

    def nudge(self, kind: str, **values: object) -> None:
        """A word beside the conversation's own prompts: one kind of prompts/nudge.md."""
        self._say(self.nudge_text(kind, **values))

    def nudge_text(self, kind: str, **values: object) -> str:
        given = {
            "words": action_words(self.model.tool_mode),
            "count": 0,
            "notice": "",
            "subject": "",
            "error": "",
            "place": "",
            **values,
        }
        return self.redact(self.prompts.render("nudge.md", kind=kind, **given))

    def tell(self, text: str) -> None:
        """A warning for whoever watches the run."""
        self.emit(e.Notice(task_id=self.task_id, text=text))

    def seconds(self) -> float:
        """What the task has been at work."""
        return self._seconds_before + time.monotonic() - self._began

    def _say(self, text: str) -> None:
        self.conversation.add({"role": "user", "content": text})

    def _record(self, generation: int, position: int, message: dict[str, object]) -> None:
        self.emit(
            e.MessageAdded(task_id=self.task_id, generation=generation, index=position, message=message)
        )

    @property
    def _estimate(self) -> int:
        """Tokens of the conversation and the tools, without a vocabulary."""
        return self.conversation.tokens + self._specs_tokens

    def _size(self) -> float:
        return self._scale * self._estimate

    async def _compact_if_long(self) -> None:
        if self._size() > compaction.ELIDE_ABOVE * self.context_window:
            await self._compact()

    async def _compact(self) -> None:
        """Elide old tool results; when that is not enough, have the middle summarised."""
        before = self._size()
        self.conversation.replace(compaction.elide_tool_results(self.conversation.messages))
        if self._size() > compaction.SUMMARISE_ABOVE * self.context_window or self._size() > 0.9 * before:
            await self._summarise()
        if self._size() < before:
            text = f"Conversation compacted from about {before:,.0f} to {self._size():,.0f} tokens."
            self.emit(e.Notice(task_id=self.task_id, text=text, warning=False))

    async def _summarise(self) -> None:
        messages = self.conversation.messages
        sizes = [round(self._scale * estimate_messages([m])) for m in messages]
        cut = compaction.middle(messages, sizes, int(compaction.KEEP_SHARE * self.context_window))
        if cut is None:
            return
        head = [*messages[: cut[1]], {"role": "user", "content": self.prompts.render("compact.md")}]
        reply = await self.model.complete(compaction.elide_tool_results(head, 1), purpose="compact")
        summary = self.redact(reply.content) or "(no summary was given)"
        # The user's words are no part of what is summed up: they stay as they were said.
        kept = "\n\n".join(str(one.get("content")) for one in (*messages[: cut[0]], *messages[cut[1] :]))
        self.conversation.replace(
            compaction.summarised(messages, cut, self.user_messages.after(summary, kept))
        )
