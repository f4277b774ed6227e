"""One task as text: what was asked, what came of it, why, what was changed. Pure."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from agentbatch.display.reports.tiering_words import escalation_words
from agentbatch.display.signs import SHOWN_SIGNS
from agentbatch.runs.check_words import check_end, check_text, counted_checks, end_word, said_by, worth_a_line
from agentbatch.runs.events import AttemptChosen
from agentbatch.runs.listing import shown_status
from agentbatch.runs.log_lines import cause_text
from agentbatch.runs.state.acceptance import accepted_words
from agentbatch.runs.state.task_state import SetupRecord, TaskState, VerdictRecord
from agentbatch.runs.verdict_words import missing, required
from agentbatch.text import UNKNOWN, clip, counted, duration, fold, harmless, money, tokens
from agentbatch.workspace.files.diff.file_diff import FileChange

MAX_LINES = 40
"""Of a prompt or an answer."""

MAX_FILES = 200
MAX_TAIL = 15
"""Lines of what a command of `setup` printed."""


def render_task(
    task: TaskState,
    changes: Sequence[FileChange],
    folder: Path | None,
    now: float,
    columns: int,
    *,
    alive: bool = True,
) -> list[str]:
    """Lines of at most `columns` where paths allow it. `folder`: the task's in the run's; None: it is not here.
    `alive`: an engine works on its run."""
    sections = (
        _head(task, now, columns, alive=alive),
        ["Prompt", *_text(task.first_prompt, columns)],
        ["Said by the user", *_said(task, columns)] if task.said else [],
        ["Setup", *_setup(task.setup, columns)] if task.setup else [],
        list(_attempts(task.choice, columns)) if task.choice else [],
        [line for record in task.verdicts for line in _verdict(record, columns)],
        _changes(changes, columns),
        ["Last answer", *_text(task.last_response, columns)] if task.last_response.strip() else [],
        _places(task, folder),
    )
    return [line for section in sections if section for line in [*section, ""]][:-1]


def _head(task: TaskState, now: float, columns: int, *, alive: bool) -> list[str]:
    status = task.status if task.finished else shown_status(task, alive=alive)
    why = cause_text(task)
    used = f"{task.usage.shown(task.usage.total)} tokens, {money(task.cost)}"
    return [
        clip(f"{SHOWN_SIGNS[status]} {status} · {task.id}", columns),
        *(fold(f"  {clip(why, 2_000)}", columns, 2) if why else []),
        *([f"  in {clip(task.dir, columns - 5)}"] if task.dir not in ("", ".") else []),
        *([f"  by {clip(task.other_coders, columns - 5)}"] if task.other_coders else []),
        *([f"  on {clip(task.place, columns - 5)}"] if task.place else []),
        f"  {counted(task.iteration, 'iteration')} of {task.max_iterations or UNKNOWN}, "
        f"{duration(task.duration(now))}, {used}",
        *(part for text in escalation_words([task]) for part in fold(f"  {text}", columns, 4)),
    ]


def _said(task: TaskState, columns: int) -> Iterator[str]:
    for one in task.said:
        unheard = "" if one.seq <= task.heard else ", not heard"
        yield f"  {clip(one.by, 40) or 'the user'}{unheard}:"
        yield from (f"  {line}" for line in _text(one.text, columns - 2))


def _setup(commands: Sequence[SetupRecord], columns: int) -> Iterator[str]:
    for one in commands:
        text = f"{one.kind} {check_end(one.kind, one.exit_code, one.seconds)}: {clip(one.command, 400)}"
        yield from fold(f"  {text}", columns, 4)
        for line in one.tail.strip().splitlines()[-MAX_TAIL:]:
            yield from fold(f"    {clip(line, 400)}", columns, 6)


def _attempts(choice: AttemptChosen, columns: int) -> Iterator[str]:
    yield "Attempts"
    yield from fold(f"  {clip(choice.why, 400)}", columns, 2)
    for one in choice.standings:
        checks = f", {one.passed} of {counted(one.checks, 'check')}" if one.checks else ""
        alike = f", {one.alike} alike" if one.alike > 1 else ""
        score = f", judge {one.score:.2f}" if one.score else ""
        used = f", {UNKNOWN if one.tokens is None else tokens(one.tokens)} tokens, {money(one.cost)}"
        state = "completed" if one.completed else clip(one.problem, 120) or "not completed"
        mark = "→" if one.attempt == choice.attempt else " "
        yield from fold(f"{mark} {one.attempt}  {state}{checks}{alike}{score}{used}", columns, 4)


def _verdict(record: VerdictRecord, columns: int) -> Iterator[str]:
    outcome = accepted_words(record.verdict, record.checks) if record.accepted else "not accepted"
    yield f"Iteration {record.iteration}: {outcome}"
    if record.checks:
        yield from fold(f"  checks: {counted_checks(record.checks)}", columns, 4)
    for check in worth_a_line(record.checks):
        yield from fold(f"  {end_word(check)} {clip(check_text(check), 400)}", columns, 4)
        if check.said:
            yield from fold(f"    it printed: {clip(check.said, 400)}", columns, 6)
    if not record.accepted:
        for text in dict.fromkeys(one for one in record.refusals if not said_by(one, record.checks)):
            yield from fold(f"  - {clip(text, 1_000)}", columns, 4)
        for text in missing(record.verdict):
            yield from fold(f"  missing: {clip(text, 1_000)}", columns, 4)
    for one in required(record.verdict):
        shown = "; ".join(proof.text for proof in one.proofs)
        word = "met" if one.met else "not met"
        yield from fold(f"  {word}: {clip(f'{one.text}: {shown}' if shown else one.text, 600)}", columns, 4)


def _changes(changes: Sequence[FileChange], columns: int) -> list[str]:
    lines = [f"  {change.kind:<8} {clip(change.path, columns - 11)}" for change in changes[:MAX_FILES]]
    if len(changes) > MAX_FILES:
        lines.append(f"  … and {len(changes) - MAX_FILES:,} more")
    return [f"Changed: {counted(len(changes), 'file')}", *lines] if changes else []


def _places(task: TaskState, folder: Path | None) -> list[str]:
    """Never cut: somebody will copy them."""
    lines = [f"Branch      {task.branch}"] if task.branch else []
    return lines + ([f"Transcript  {folder / 'coder.traj.json'}"] if folder is not None else [])


def _text(text: str, columns: int) -> list[str]:
    given = text.strip("\n").splitlines()
    lines = [part for line in given[:MAX_LINES] for part in fold(f"  {harmless(line)}", columns, 2)]
    return lines + ([f"  … {len(given) - MAX_LINES:,} more lines"] if len(given) > MAX_LINES else [])
