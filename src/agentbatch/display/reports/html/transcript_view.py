"""What a page shows of a task's steps: what was said, tool calls with their answers, checks with their output. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agentbatch.display.reports.html.words import cut
from agentbatch.runs import events as e
from agentbatch.runs.check_words import check_end, check_name, check_prefix
from agentbatch.tasks.results.steps import (
    Answer,
    ConversationShortened,
    Step,
    TranscriptItem,
    calls_of,
    text_of,
    thought_of,
)
from agentbatch.text import clip, counted, duration, money, tokens

MAX_SHOWN = 8_000
"""Characters of one text in a transcript."""


class FoldedEntry(NamedTuple):
    """Something in one line, and more of it for who opens it."""

    kind: str
    """`call`, `check`, `thought` or `told`."""
    title: str
    note: str
    good: bool | None
    texts: list[tuple[str, str]]
    """Names and texts."""


class Entry(NamedTuple):
    who: str
    """`iteration`, `coder`, `check`, `verdict`, `note`, or a message's role."""
    title: str
    note: str = ""
    text: str = ""
    folded: Sequence[FoldedEntry] = ()
    good: bool | None = None


def entries(happenings: Sequence[TranscriptItem]) -> Iterator[Entry]:
    for one in happenings:
        match one:
            case Step():
                yield _step(one)
            case ConversationShortened():
                yield Entry("note", "The conversation went on from a part of it.")
            case e.IterationStarted():
                by = f", {clip(one.other_coder, 40)}" if one.other_coder else ""
                yield Entry("iteration", f"Iteration {one.iteration}{by}")
            case e.CheckFinished():
                yield Entry("check", "", folded=[_check(one)])
            case e.VerdictReached():
                word = "accepted" if one.accepted else "not accepted"
                yield Entry("verdict", f"Evaluation of iteration {one.iteration}: {word}", good=one.accepted)
            case e.ModelCallFinished(error=""):
                what = "wrote checks" if one.purpose == "checks" else "judged"
                yield Entry("judge", f"evaluator {what}", _spent(one))
            case e.ModelCallFinished():
                yield Entry("note", f"A call of the {one.role}'s model failed: {one.error}", good=False)


def _cut(text: str) -> str:
    return cut(text, MAX_SHOWN)


def size_of(shown: Sequence[Entry]) -> int:
    """Characters of foreign text in it."""
    texts = (text for entry in shown for one in entry.folded for _, text in one.texts)
    return sum(len(entry.text) for entry in shown) + sum(map(len, texts))


def _step(step: Step) -> Entry:
    text = _cut(text_of(step.message))
    if step.role != "assistant":
        return Entry(
            step.role,
            "",
            folded=[FoldedEntry("told", _TOLD.get(step.role, step.role), "", None, [("", text)])],
        )
    thought = thought_of(step.message)
    folded = (
        [FoldedEntry("thought", "thoughts", counted(len(thought), "character"), None, [("", _cut(thought))])]
        if thought
        else []
    )
    answers = {answer.call_id: answer for answer in step.answers}
    folded += [
        _call(name, arguments, answers.get(call_id)) for call_id, name, arguments in calls_of(step.message)
    ]
    return Entry("coder", "coder", _spent(step.call), text, folded)


_TOLD = {"system": "told as the system", "user": "told to the coder"}


def _spent(call: e.ModelCallFinished | None) -> str:
    if call is None:
        return ""
    usage = call.usage
    cached = f" ({tokens(usage.cached)} cached)" if usage.cached else ""
    counts = f"{usage.shown(usage.input)} in{cached}, {usage.shown(usage.output)} out"
    return f"{clip(call.model, 60)}, {counts}, {money(call.cost)}, {call.latency:.1f}s"


def _call(name: str, arguments: str, answer: Answer | None) -> FoldedEntry:
    ended = answer.ended if answer is not None else None
    title = clip(f"{name} {_gist(arguments)}", 160)
    note = "did not run" if ended is None else f"{clip(ended.summary, 80)} {_seconds(ended.seconds)}".strip()
    texts = [(key, _cut(text)) for key, text in _arguments(arguments)]
    if answer is not None and answer.text:
        texts.append(("answer", _cut(answer.text)))
    return FoldedEntry("call", title, note, ended.ok if ended is not None else None, texts)


def _gist(arguments: str) -> str:
    return next((text for _, text in _arguments(arguments) if text.strip()), "")


def _arguments(text: str) -> list[tuple[str, str]]:
    """By name where it is a JSON object, as models should write it; else as it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [("arguments", text)]
    if not isinstance(found, dict):
        return [("arguments", text)]
    return [
        (str(key), value if isinstance(value, str) else json.dumps(value)) for key, value in found.items()
    ]


def _check(check: e.CheckFinished) -> FoldedEntry:
    name = check_name(check.kind, check.command, check.requirement)
    title = f"{check_prefix(check.kind)}: {clip(name, 160)}"
    end = check_end(check.kind, check.exit_code, check.seconds)
    good = None if check.kind == "look" else check.exit_code == 0
    return FoldedEntry(
        "check", title, end, good, [("command", _cut(check.command)), ("output", _cut(check.tail))]
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}s" if 0.05 <= seconds < 100 else duration(seconds) if seconds >= 100 else ""
