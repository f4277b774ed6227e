"""What stands in for a transcript where there is none: a results file, a task that has not begun. Pure."""

import json

from agentbatch.files import json_object
from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import TaskState, VerdictRecord
from agentbatch.text import clip, counted
from agentbatch.tui.lines.transcript.blocks import Block, End, Judged, Note, TitledText

NO_TASK = "No task is chosen."
READING = "Reading the transcript ..."


def blocks_of_file(task: TaskState) -> list[Block]:
    """What a results file holds of a task."""
    blocks: list[Block] = [Note("A results file has no transcript; this is what it holds:")]
    blocks.append(TitledText("Prompt", task.first_prompt))
    if task.last_response:
        blocks.append(TitledText("Last response", task.last_response))
    blocks += [Judged(verdict_event(task.id, record)) for record in task.verdicts]
    if task.last_evaluation and not task.verdicts:
        blocks.append(TitledText("Last evaluation", _readable(task.last_evaluation)))
    if task.status in ("completed", "error", "timeout", "cancelled", "skipped"):
        blocks.append(End(task.status, task.reason or "", task.error, task.branch))
    elif task.error:
        blocks.append(Note(task.error, "error"))
    return blocks


def verdict_event(task_id: str, record: VerdictRecord) -> e.VerdictReached:
    """The event that a record was made of, as far as it is shown."""
    return e.VerdictReached(task_id=task_id, decision="done", **record.model_dump())


def _readable(evaluation: str) -> str:
    """A verdict is JSON there: broken into lines."""
    parsed = json_object(evaluation)
    return evaluation if parsed is None else json.dumps(parsed, ensure_ascii=False, indent=2)


def blocks_before_the_start(task: TaskState, attempts: int) -> list[Block]:
    """A task that waits for its turn. `attempts`: how many there are at it, which stand below it."""
    if attempts:
        words = f"{counted(attempts, 'attempt')}, each in a row of its own below."
        blocks: list[Block] = [Note(words)]
        return [*blocks, TitledText("Prompt", task.first_prompt)] if task.first_prompt else blocks
    waits = "It waits for its turn."
    if task.depends_on:
        waits = f"It waits for {', '.join(clip(name, 60) for name in task.depends_on[:10])}."
    blocks = [Note(f"This task has not begun. {waits}")]
    return [*blocks, TitledText("Prompt", task.first_prompt)] if task.first_prompt else blocks
