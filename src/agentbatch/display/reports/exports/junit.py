"""A run as JUnit XML, so that a CI system shows its tasks as tests.

Its shape is junit-10.xsd of Jenkins' xUnit plugin, the only schema that a reader holds files to: no properties in a
`testcase`, no `skipped` in `testsuites`. GitLab (lib/gitlab/ci/parsers/test/junit.rb) knows a test by classname and
name, drops a second one of the same, and shows the text inside `failure`, not its `message` (gitlab-foss #53668); it
reads files below 30 MB.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Literal
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from agentbatch.patterns import regex
from agentbatch.runs.check_words import check_end, check_text, counted_checks, end_word, said_by, worth_a_line
from agentbatch.runs.kind import REHEARSAL
from agentbatch.runs.log_lines import cause_text, failure_text, reason_text
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState, VerdictRecord
from agentbatch.runs.verdict_words import missing, required
from agentbatch.text import clip, money

MAX_TEXTS = 16_000_000
"""Bytes of all texts together, as they are written; their first lines, as `message`, take a quarter of that at most."""
MAX_TEXT = 20_000
"""Bytes of one text."""
MAX_MESSAGE = 2_000
"""Bytes of its first line."""
MAX_NAME = 500
"""Bytes of a name or another attribute."""

Outcome = Literal["passed", "failure", "error", "skipped"]

_NOT_ITS_OWN = frozenset(
    {
        "model_error",
        "internal_error",
        "workspace_error",
        "no_machine",
        "coder_error",
        "evaluation_failed",
        "setup",
    }
)
"""Reasons that speak of a model, a server or a disk, not of the work."""

_NO_XML = regex("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may have, escaped or not."""


def export_junit(state: RunState, now: float, title: str = "") -> str:
    """Pure. `title` names a run without an id. `now`: for tasks that have not ended."""
    tasks = sorted(state.tasks.values(), key=lambda task: task.index)
    most = most_bytes(len(tasks))
    info = state.info
    run = (info.run_id if info else "") or title or "agentbatch"
    tally = {
        "tests": len(tasks),
        **{f"{name}s": sum(outcome(task) == name for task in tasks) for name in ("failure", "error")},
        "skipped": sum(outcome(task) == "skipped" for task in tasks),
    }
    figures = {name: str(number) for name, number in tally.items()} | {"time": f"{state.seconds(now):.3f}"}
    of_all = {name: figure for name, figure in figures.items() if name != "skipped"}
    root = ET.Element("testsuites", {"name": "agentbatch", **of_all})
    begun = info.ts if info else 0.0
    moment = datetime.fromtimestamp(begun, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    suite = ET.SubElement(root, "testsuite", {"name": xml_line(run), **figures, "timestamp": moment})
    _properties(suite, _of_run(state))
    suite_name = xml_line(PurePath(info.task_file).stem) if info and info.task_file else "agentbatch"
    for task, name in zip(tasks, _names(tasks), strict=True):
        classname = ".".join(filter(None, (suite_name, *xml_line(task.dir).strip("./").split("/"))))
        case = ET.SubElement(
            suite, "testcase", {"classname": classname, "name": name, "time": f"{task.duration(now):.3f}"}
        )
        _outcome(case, task, most)
        if figures_of_it := _of_task(task):
            ET.SubElement(case, "system-out").text = "\n".join(": ".join(pair) for pair in figures_of_it)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def most_bytes(tasks: int) -> int:
    """Of the text of one of so many tasks."""
    return min(MAX_TEXT, MAX_TEXTS // max(1, tasks))


def outcome(task: TaskState) -> Outcome:
    if task.status == "completed":
        return "passed"
    if task.status in ("cancelled", "skipped") or not task.finished:
        return "skipped"
    return "error" if task.reason in _NOT_ITS_OWN else "failure"


def xml_line(text: str, most: int = MAX_NAME) -> str:
    """Foreign text as one line of what XML can have."""
    return _within(clip(text, 500), most)


def xml_text(text: str, most: int) -> str:
    """As `xml_line`, with its line ends: as much of its beginning as takes `most` bytes."""
    kept = _within(text, most)
    return kept if len(kept) == len(text) else f"{kept}\n… ({len(text) - len(kept):,} more characters)"


def _within(text: str, most: int) -> str:
    """Its beginning, at most so many bytes as it is written: escapes and all."""
    kept = _NO_XML.sub("\ufffd", text[:most])
    while (size := len(escape(kept, {'"': "&quot;"}).encode())) > most:
        kept = kept[: len(kept) * most // size]
    return kept


def _names(tasks: Sequence[TaskState]) -> Iterator[str]:
    """Ids as XML has them, each once: two that differ in signs which are not shown get their number."""
    seen: set[str] = set()
    for task in tasks:
        name = xml_line(task.id) or f"task {task.index + 1}"
        name = name if name not in seen else f"{name} ({task.index + 1})"
        seen.add(name)
        yield name


def _properties(parent: ET.Element, values: Sequence[tuple[str, str]]) -> None:
    if values:
        properties = ET.SubElement(parent, "properties")
        for name, value in values:
            ET.SubElement(properties, "property", {"name": name, "value": xml_line(value)})


def _of_run(state: RunState) -> list[tuple[str, str]]:
    info = state.info
    known = [] if info is None else [("coder", info.worker), ("evaluator", info.evaluator_model)]
    note = [("note", REHEARSAL)] if info is not None and info.rehearsal else []
    return [(name, value) for name, value in known if value] + _spent(state) + note


def _of_task(task: TaskState) -> list[tuple[str, str]]:
    iterations = [("iterations", str(task.iteration))] if task.iteration else []
    accepted = [("accepted_by", task.accepted_by)] if task.accepted_by and task.status == "completed" else []
    coder = [("coder", task.other_coders)] if task.other_coders else []
    return [*iterations, *coder, *accepted, *(_spent(task) if task.usage.calls else [])]


def _spent(of: RunState | TaskState) -> list[tuple[str, str]]:
    cost = [] if of.cost is None else [("cost_usd", f"{of.cost:.6f}")]
    counts = [("input_tokens", str(of.usage.input)), ("output_tokens", str(of.usage.output))]
    return [*([] if of.usage.unknown else counts), *cost]


def _outcome(case: ET.Element, task: TaskState, most: int) -> None:
    result = outcome(task)
    if result == "passed":
        return
    reason = reason_text(task.reason) if task.reason else "it has not ended"
    message = cause_text(task) or reason
    found = ET.SubElement(case, result, {"message": xml_line(message, min(MAX_MESSAGE, most // 4))})
    if result != "skipped":
        found.set("type", xml_line(task.reason or task.status))
        found.text = xml_text("\n".join(failure_lines(task)), most)


def failure_lines(task: TaskState) -> Iterator[str]:
    """Why it is not completed: its error, what the last evaluation misses, what its checks printed."""
    spent = f"{task.iteration} of {task.max_iterations or '?'} iterations, {money(task.cost)}"
    yield f"{task.status}: {reason_text(task.reason) if task.reason else ''} ({spent})"
    if task.error:
        yield failure_text(task.error)
    for one in task.setup:
        if one.exit_code != 0:
            yield f"\n{one.kind}: $ {one.command}\n{one.tail}\n({check_end(one.kind, one.exit_code, one.seconds)})"
    if task.verdicts:
        yield from _verdict(task.verdicts[-1])
    elif task.last_evaluation:
        yield task.last_evaluation
    if task.last_verify is not None and task.last_verify.exit_code != 0:
        code = task.last_verify.exit_code
        ended = "out of time" if code is None else f"exit {code}"
        yield f"\n$ {task.last_verify.command}\n{task.last_verify.tail}\n({ended})"


def _verdict(record: VerdictRecord) -> Iterator[str]:
    yield f"\nThe last evaluation (iteration {record.iteration}):"
    if record.checks:
        yield f"checks: {counted_checks(record.checks)}"
    for check in worth_a_line(record.checks):
        yield f"- {end_word(check)} {check_text(check)}" + (f": {check.said}" if check.said else "")
    for text in dict.fromkeys([*record.refusals, *missing(record.verdict)]):
        if not said_by(text, record.checks):
            yield f"- {text}"
    for one in required(record.verdict):
        if not one.met:
            shown = "; ".join(proof.text for proof in one.proofs)
            yield f"- not met: {one.text}" + (f" ({shown})" if shown else "")
    for path in record.tampering:
        yield f"- changed test or protected file: {path}"
