"""A task's events and messages, folded into the blocks of its transcript. Pure."""

from dataclasses import replace
from typing import NamedTuple

from agentbatch.runs import events as e
from agentbatch.runs.log_lines import SET_UP_BEFORE, visited_text
from agentbatch.tasks.coders.coder import FAILED_ENDS, TURN_ENDS
from agentbatch.text import counted
from agentbatch.tui.lines.transcript.blocks import (
    Block,
    Call,
    Check,
    CoderMessage,
    Compacted,
    End,
    Head,
    Judged,
    Key,
    Note,
    NoteToCoder,
    Thought,
    TitledText,
    Tone,
)

SUMMARY_AT = 2
"""A summary's position in its conversation: behind the system's words and the task."""


class MessageRow(NamedTuple):
    """A message, without what it says."""

    key: Key
    role: str
    call_id: str
    """Of a tool's answer: the call that it answers."""
    speaks: bool
    """It has a text."""
    thinks: bool
    """It has reasoning."""


class Transcript:
    """The blocks of one task. `take` its events in order, the messages among them as rows."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.touched: set[int] = set()
        """Places of blocks that are not as they were; which the pane that shows them then empties."""
        self.begun = False
        """The task was at work, or has ended."""
        self._most = 0
        self._queued = 0
        self._generation: int | None = None
        """Of the latest conversation; None: there is no conversation yet."""
        self._count = 0
        """Messages in it."""
        self._copying = False
        """A new generation repeats what it keeps of the one before."""
        self._prompt_due = False
        """The next message of the user is the prompt that the iteration's head shows."""
        self._heard = False
        """The next message of the user has what the user has said."""
        self._assistant: Key | None = None
        self._open_calls: dict[str, int] = {}
        self._open_check: int | None = None
        self._follow_up = ""
        """Asked for by the evaluator, and not sent yet."""

    def take(self, event: e.Event | MessageRow) -> None:
        if isinstance(event, MessageRow):
            self._message(event)
            return
        self._copying = False
        match event:
            case e.TaskQueued():
                self._queue(event)
            case e.TaskRequeued():
                self._most = event.max_iterations or self._most
            case e.TaskStarted():
                self.begun = True
            case e.TaskResumed():
                self.begun = True
                self._note("The task resumes where an earlier session of the run left it.")
            case e.IterationStarted():
                self._begin(event)
            case e.TurnFinished() if event.end in FAILED_ENDS:
                self._note(TURN_ENDS[event.end], "warning")
            case e.VerdictReached():
                self._add(Judged(event))
                self._follow_up = event.follow_up if event.decision == "continue" else ""
            case e.TaskFinished():
                self._finish(event)
            case e.AttemptChosen():
                self._choose(event)
            case e.ToolCalled() | e.ToolFinished() | e.CheckStarted() | e.CheckFinished():
                self._work(event)
            case _:
                self._aside(event)

    def _work(self, event: e.ToolCalled | e.ToolFinished | e.CheckStarted | e.CheckFinished) -> None:
        """A tool, or a check, begins or ends."""
        match event:
            case e.ToolCalled():
                self._open_calls[event.call_id] = len(self.blocks)
                self._add(Call(event.call_id, event.tool, event.summary, self._assistant))
            case e.ToolFinished():
                self._finish_call(event)
            case e.CheckStarted():
                self._open_check = len(self.blocks)
                self._add(Check(event.command, kind=event.kind))
            case e.CheckFinished():
                place, self._open_check = self._open_check, None
                ended = Check(
                    event.command,
                    "done",
                    event.exit_code,
                    event.tail,
                    event.seconds,
                    event.kind,
                    event.requirement,
                )
                if place is None:
                    self._add(ended)
                else:
                    self._put(place, ended)

    def _aside(self, event: e.Event) -> None:
        """What is worth a note, and no more."""
        match event:
            case e.ModelCallRetried():
                words = f"attempt {event.attempt} failed, the next in {event.wait:.1f}s"
                self._note(f"{event.role.capitalize()}: {words}: {event.error}", "warning")
            case e.ModelCallFinished() if event.error:
                self._note(f"{event.role.capitalize()}: the call failed: {event.error}", "error")
            case e.UserSaid():
                self._add(TitledText(f"{event.by or 'The user'} says:", event.text))
            case e.UserHeard():
                self._heard = True
            case e.SetUp(kept=True):
                self._note(f"{SET_UP_BEFORE.capitalize()}.")
            case e.Visited():
                text = visited_text(event)
                self._note(f"{text[:1].upper()}{text[1:]}.")
            case e.Paused():
                self._note(f"Paused: {event.cause}" if event.cause else "Paused.", "warning")
            case e.Resumed():
                self._note("Resumed.")
            case e.Notice():
                self._note(event.text, "warning" if event.warning else "plain")

    # blocks ------------------------------------------------------------------------------------------------------

    def _add(self, block: Block) -> None:
        self.blocks.append(block)

    def _put(self, place: int, block: Block) -> None:
        self.blocks[place] = block
        self.touched.add(place)

    def _note(self, text: str, tone: Tone = "plain") -> None:
        self._add(Note(text, tone))

    # the task ----------------------------------------------------------------------------------------------------

    def _queue(self, event: e.TaskQueued) -> None:
        self._interrupt()
        self._most, self._generation, self._assistant = event.max_iterations, None, None
        self._follow_up = ""
        self._queued += 1
        if self._queued > 1 and self.begun:
            self._note("The task begins again, from its start.", "warning")

    def _begin(self, event: e.IterationStarted) -> None:
        self._add(Head(event.iteration, self._most, event.prompt, event.ts, event.other_coder))
        self._prompt_due, self._follow_up, self._heard = True, "", False

    def _choose(self, event: e.AttemptChosen) -> None:
        """Its attempts have been tried in the checks of all: that is over."""
        self.begun = True
        place, self._open_check = self._open_check, None
        if place is not None and isinstance(check := self.blocks[place], Check):
            self._put(place, replace(check, stage="done", exit_code=0))
        self._note(event.why)
        if event.attempt:
            self._note(f"{event.attempt} was taken; its transcript is in its own row.")

    def _finish(self, event: e.TaskFinished) -> None:
        self.begun = True
        self._interrupt()
        if self._follow_up:
            self._add(TitledText("Follow-up prompt, not sent", self._follow_up))
        self._add(End(event.status, event.reason, event.error, event.branch))

    def _interrupt(self) -> None:
        """Whatever was running is not any more."""
        for place in self._open_calls.values():
            block = self.blocks[place]
            if isinstance(block, Call) and block.stage == "running":
                self._put(place, replace(block, stage="interrupted"))
        if self._open_check is not None:
            check = self.blocks[self._open_check]
            if isinstance(check, Check):
                self._put(self._open_check, replace(check, stage="interrupted"))
        self._open_calls, self._open_check = {}, None

    def _finish_call(self, event: e.ToolFinished) -> None:
        place = self._open_calls.get(event.call_id)
        block = self.blocks[place] if place is not None else None
        if place is None or not isinstance(block, Call):
            return
        ended = replace(
            block,
            stage="done",
            ok=event.ok,
            exit_code=event.exit_code,
            seconds=event.seconds,
            note=event.summary,
        )
        self._put(place, ended)

    # the conversation --------------------------------------------------------------------------------------------

    def _message(self, row: MessageRow) -> None:
        known, self._generation = self._generation, row.key.generation
        if known is not None and known != row.key.generation:
            self._renew(row.key.generation)
        self._count = row.key.position + 1
        if self._copying:
            self._copied()
            return
        match row.role:
            case "user" if self._prompt_due:
                self._prompt_due = False
            case "user":
                self._add(NoteToCoder(row.key, of_user=self._heard))
                self._heard = False
            case "assistant":
                self._assistant = row.key
                if row.thinks:
                    self._add(Thought(row.key))
                if row.speaks:
                    self._add(CoderMessage(row.key))
            case "tool":
                self._answer(row)

    def _renew(self, generation: int) -> None:
        """A new generation begins, with a copy of what it keeps."""
        self._copying = True
        if self._prompt_due:
            self._prompt_due = False
            self._note("A new conversation: the coder knows its prompt and the directory, not what was said.")
            return
        summary, last = Key(generation, SUMMARY_AT), self.blocks[-1] if self.blocks else None
        if isinstance(last, Compacted):  # cutting old outputs was not enough
            self._put(len(self.blocks) - 1, Compacted(last.before, 0, summary))
        else:
            self._add(Compacted(self._count, 0, summary))

    def _copied(self) -> None:
        last = self.blocks[-1]
        if isinstance(last, Compacted):
            self._put(len(self.blocks) - 1, replace(last, after=self._count))

    def _answer(self, row: MessageRow) -> None:
        place = self._open_calls.pop(row.call_id, None)
        block = self.blocks[place] if place is not None else None
        if place is None or not isinstance(block, Call):
            self._add(Call(row.call_id, "", "", self._assistant, row.key, "not run", ok=False))
        else:
            stage = "interrupted" if block.stage == "running" else block.stage
            self._put(place, replace(block, answer=row.key, stage=stage))


def compaction_text(block: Compacted) -> str:
    """What became of the conversation."""
    if block.after >= block.before:
        return "Old outputs in the conversation were cut short"
    return f"Conversation summarised: {counted(block.before, 'message')} became {block.after:,}"
