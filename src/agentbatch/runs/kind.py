"""What a run is a batch of: tasks, or plain requests. What differs between them is asked here, and nowhere else."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import UNKNOWN, clip, counted, harmless

MAX_TASKS_AT_ONCE = 1000
"""As for --parallel."""

MAX_REQUESTS_AT_ONCE = 10_000
"""As for --concurrency."""

REHEARSAL = "rehearsal model: scripted replies, no AI"

NO_EVALUATOR = "none: each task's verify decides"

TEXT_WIDTH = 400
"""Cells of foreign text in a line: errors are worth reading whole, a novel is not."""

MAX_ID = 60
"""Cells of a run's id. Ours are shorter."""


class Counts(NamedTuple):
    total: int
    ok: int
    failed: int
    """At their end, and worth running again."""
    open: int
    """Not at their end: a resumption runs them."""


class RunKind(Protocol):
    """What a kind of run answers. Pure."""

    has_tasks: bool
    """It can be shown task by task."""
    max_at_once: int

    def counts(self, state: RunState) -> Counts: ...

    def resumable(self, state: RunState) -> bool:
        """Something is left that a resumption does."""
        ...

    def whole(self, state: RunState) -> bool:
        """Everything has come to its own end, well or not."""
        ...

    def seconds_left(self, state: RunState, now: float) -> float | None:
        """Until its end, estimated; None when that cannot be said."""
        ...

    def outcome(self, state: RunState) -> str:
        """What became of all, as `3 completed, 1 error`."""
        ...

    def mode(self, info: e.RunStarted, at_once: int) -> str:
        """How it runs, in words."""
        ...

    def models(self, info: e.RunStarted) -> str:
        """Its models in a few words; empty when an old results file does not say. Not harmless."""
        ...

    def origin(self, info: e.RunStarted) -> list[str]:
        """Lines that say what works on it, and where its answers go."""
        ...

    def header(self, info: e.RunStarted) -> list[str]:
        """Lines that introduce it: its number and pace, then its models and their hosts."""
        ...


class TasksKind:
    """Coding tasks."""

    has_tasks = True
    max_at_once = MAX_TASKS_AT_ONCE

    def counts(self, state: RunState) -> Counts:
        tasks = state.tasks.values()
        failed = sum(map(_worth_running_again, tasks))
        left = sum(not task.finished or task.resumable for task in tasks)
        return Counts(state.total, state.count("completed"), failed, left)

    def resumable(self, state: RunState) -> bool:
        return any(not task.finished or task.resumable for task in state.tasks.values())

    def whole(self, state: RunState) -> bool:
        return all(task.at_its_end for task in state.tasks.values())

    def seconds_left(self, state: RunState, now: float) -> float | None:
        """If the rest take as long as those that ended so far."""
        tasks = state.tasks.values()
        ended = [task.duration(now) for task in tasks if task.finished and task.duration(now) > 0]
        if not ended:
            return None
        mean = sum(ended) / len(ended)
        rest = [max(0.0, mean - task.duration(now)) for task in tasks if not task.finished]
        return sum(rest) / max(1, min(state.max_concurrent, len(rest)))

    def outcome(self, state: RunState) -> str:
        tasks = state.tasks.values()
        ended: Counter[str] = Counter(task.status for task in tasks if task.at_its_end)
        counts = [(ended[status], status) for status in state.counts]
        counts.append((len(tasks) - ended.total(), "not finished"))
        return ", ".join(f"{number} {what}" for number, what in counts if number)

    def mode(self, info: e.RunStarted, at_once: int) -> str:
        return f"parallel, {at_once} at a time" if info.mode == "parallel" else info.mode

    def models(self, info: e.RunStarted) -> str:
        if info.rehearsal:
            return info.model_copy(update={"coder_model": "rehearsal"}).worker
        other = info.evaluator_model if info.judged and info.evaluator_model != info.coder_model else ""
        return info.worker + (f", {other}" if other else "")

    def origin(self, info: e.RunStarted) -> list[str]:
        evaluator = clip(info.evaluator_model, 60) if info.judged else "none"
        where = [f"on the cluster {clip(info.cluster, 60)}"] if info.cluster else []
        return [f"coder {clip(info.worker, 60)}, evaluator {evaluator}", *where]

    def header(self, info: e.RunStarted) -> list[str]:
        evaluator = NO_EVALUATOR
        if info.judged:
            host = _host(info.evaluator_endpoint, info.rehearsal)
            evaluator = f"{clip(info.evaluator_model, 60)}{host}"
        return [
            f"{counted(info.total_tasks, 'task')}, {self.mode(info, info.max_concurrent)}",
            f"coder {clip(info.worker, 60)}{_host(info.coder_endpoint, info.rehearsal)}",
            f"evaluator {evaluator}",
            f"sandbox {clip(info.sandbox, 40)}",
            *([f"cluster {clip(info.cluster, 60)}"] if info.cluster else []),
        ]


class RequestsKind:
    """Plain requests: one call each, no tasks. `RequestsProgressed` says how far they are."""

    has_tasks = False
    max_at_once = MAX_REQUESTS_AT_ONCE

    def counts(self, state: RunState) -> Counts:
        if state.requests is None:
            total = state.info.total_tasks if state.info is not None else 0
            return Counts(total, 0, 0, total)
        known = state.requests
        return Counts(known.total, known.ok, known.failed, known.total - known.ok - known.failed)

    def resumable(self, state: RunState) -> bool:
        # All answered, but the output could not be written: a resumption writes it, and pays nothing.
        output_missing = state.requests is not None and state.finished is not None and state.finished.error
        return self.counts(state).open > 0 or bool(output_missing)

    def whole(self, state: RunState) -> bool:
        return not self.resumable(state)

    def seconds_left(self, state: RunState, now: float) -> float | None:
        return state.requests.seconds_left if state.requests is not None else None

    def outcome(self, state: RunState) -> str:
        counts = self.counts(state)
        return f"{counts.ok:,} ok, {counts.failed:,} failed, {counts.open:,} not asked"

    def mode(self, info: e.RunStarted, at_once: int) -> str:
        if info.provider_batch:
            return "plain requests by the provider's batch service"
        return f"plain requests, at most {at_once} at a time"

    def models(self, info: e.RunStarted) -> str:
        return f"{'rehearsal' if info.rehearsal else info.coder_model}, plain requests"

    def origin(self, info: e.RunStarted) -> list[str]:
        return [f"model {clip(info.coder_model, 60)}", f"answers in {harmless(info.output)}"]

    def header(self, info: e.RunStarted) -> list[str]:
        pace = "by the batch service" if info.provider_batch else f"at most {info.max_concurrent} at a time"
        return [
            f"{counted(info.total_tasks, 'plain request')}, {pace}",
            f"model {clip(info.coder_model, 60)}{_host(info.coder_endpoint, info.rehearsal)}",
        ]


KINDS: Mapping[str, RunKind] = {"tasks": TasksKind(), "requests": RequestsKind()}


def kind_of(info: e.RunStarted | None) -> RunKind:
    """Of a run; one that has not said yet is taken for tasks."""
    return KINDS[info.kind if info is not None else "tasks"]


def ending(state: RunState) -> Literal["finished", "interrupted"]:
    """The word for how a run ended: in its log, its summary, `status` and the app."""
    end = state.finished
    early = end is not None and (end.interrupted or bool(end.error))
    if early and state.count("completed") < len(state.tasks):
        return "interrupted"
    return "finished" if kind_of(state.info).whole(state) else "interrupted"


def models_text(info: e.RunStarted | None) -> str:
    """Not harmless."""
    return (kind_of(info).models(info) if info else "") or UNKNOWN


def run_header(info: e.RunStarted) -> list[str]:
    """What a run is: its id, number and pace, its models, its warnings."""
    resumed = f" resumed (session {info.session})" if info.session > 1 else ""
    first, *rest = kind_of(info).header(info)
    return [
        f"agentbatch {info.version}, run {clip(info.run_id, MAX_ID)}{resumed}: {first}",
        *rest,
        *([REHEARSAL] if info.rehearsal else []),
        *(f"warning: {clip(text, TEXT_WIDTH)}" for text in info.warnings),
    ]


def resume_command(state: RunState) -> str:
    """`agentbatch resume RUN`; empty when nothing is left to do."""
    if state.info is None or not kind_of(state.info).resumable(state):
        return ""
    return f"agentbatch resume {clip(state.info.run_id, MAX_ID)}"


def retry_command(state: RunState, task_id: str = "") -> str:
    """The command that runs again what failed, or of it one task; empty when nothing failed for good, or where what
    failed is a figure."""
    if state.info is None or not kind_of(state.info).counts(state).failed or state.info.compared:
        return ""
    pattern = "^" + re.escape(harmless(task_id)).replace("\\-", "-") + "$"
    only = f" --filter {shlex.quote(pattern)}" if task_id else ""
    return f"agentbatch resume {clip(state.info.run_id, MAX_ID)} --retry-failed{only}"


def reason_command(state: RunState) -> str:
    """The command that runs again what failed for one of several reasons; empty where there are not several."""
    reasons = {task.reason for task in state.tasks.values() if _worth_running_again(task) and task.reason}
    if len(reasons) < 2 or not (retry := retry_command(state)):
        return ""
    return (
        f"{retry.removesuffix('--retry-failed')}--reason {min(reasons, key=lambda name: (len(name), name))}"
    )


def _worth_running_again(task: TaskState) -> bool:
    return (
        task.finished
        and not task.resumable
        and task.status in ("error", "timeout", "cancelled")
        and task.reason != "left_out"
    )


def _host(endpoint: str, rehearsal: bool) -> str:
    """Host, port and path: what of an endpoint is wrong most often. The rest of a URL may carry a password."""
    if rehearsal or not endpoint:
        return ""
    parts = urlsplit(endpoint)
    place = parts.netloc.rpartition("@")[2] + parts.path
    return f" at {clip(place if parts.hostname else 'an unnamed host', 60)}"
