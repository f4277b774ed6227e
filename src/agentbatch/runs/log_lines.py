"""An event as lines for a person: what the plain display prints and what run.log holds."""

import time
from functools import lru_cache

from agentbatch.config import BUILTIN
from agentbatch.runs import events as e
from agentbatch.runs.check_words import (
    check_end,
    check_name,
    check_prefix,
    check_text,
    counted_checks,
    end_word,
    last_said,
    said_by,
)
from agentbatch.runs.kind import TEXT_WIDTH, ending, kind_of, run_header
from agentbatch.runs.state.acceptance import accepted_words
from agentbatch.runs.state.bills import total_costs
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.verdict_words import required, why_not
from agentbatch.text import (
    UNKNOWN,
    clip,
    clock_text,
    counted,
    duration,
    first_line,
    harmless,
    list_names,
    money,
    tokens,
)

SHORT_WIDTH = 120
"""Cells of a command, a prompt or a missing requirement in a line of the verbose form."""

MAX_REQUIREMENTS = 8
MAX_CHECKS = 5
"""Checks of which something became that a verdict names; how each ended has a line of its own."""

VERIFIED_ALONE = "accepted by verify, no evaluator"

_REASONS = {
    "max_iterations": "iteration limit reached",
    "stalled": "no progress in three iterations",
    "blocked": "blocked: the evaluator sees no way to do it",
    "wall_clock": "time limit reached",
    "evaluation_failed": "the evaluator gave no valid verdict",
    "model_error": "model call failed",
    "workspace_error": "the working directory could not be used",
    "no_machine": "there was no machine for it",
    "setup": "its setup failed",
    "coder_error": "its coder could not work",
    "internal_error": "internal error",
    "budget": "its budget is used up",
    "interrupted": "the run ended before it did",
    "dependency_failed": "what it depends on is not completed",
    "left_out": "not in the task file any more",
    "superseded": "another attempt was completed first",
    "compared": "models were compared on it, nothing was brought back",
}


def reason_text(reason: str) -> str:
    """A reason in words."""
    return _REASONS.get(reason, reason.replace("_", " "))


_LEADS = ("No progress", "Not accepted after ")
"""How an error begins that first says what the reason says already, and then the cause."""


def _split(error: str) -> tuple[str, str]:
    """What a task's error says of the reason, or nothing, and the cause."""
    lead, _, cause = error.partition(". ")
    return (lead, cause) if cause.strip() and lead.startswith(_LEADS) else ("", error)


def failure_text(error: str) -> str:
    """A task's error with its cause first: what comes last is cut first."""
    lead, cause = _split(error)
    return f"{cause} ({lead[0].lower()}{lead[1:]})" if lead else error


def cause_text(task: TaskState) -> str:
    """Why a task is not completed: the cause that its error tells (`verify failed: 1 test failed`), else the reason.
    Empty: it is completed, or has not ended."""
    if task.status == "completed":
        return ""
    return _split(task.error)[1] or (reason_text(task.reason) if task.reason else "")


def line(event: e.Event, state: RunState, verbose: bool) -> list[str]:
    """The lines for `event`, with `state` as it is after the event; most events have none unless `verbose`.

    Pure but for the time zone: times are the event's own, in local time.
    """
    if isinstance(event, e.MessageAdded):  # a quarter of all
        return []
    texts = [*(_step(event) if verbose else _refused(event, state)), *_plain(event, state)]
    if not texts:
        return []
    stamp = _stamp(int(event.ts))
    task = state.by_id.get(getattr(event, "task_id", None) or "")
    attempt = f" attempt {e.attempt_number(task.id)}" if task and task.attempt_of else ""
    prefix = f"{stamp} task {task.index + 1}{_places(state)}{attempt}:" if task else stamp
    return [f"{prefix} {text}" for text in texts]


@lru_cache(maxsize=8)
def _stamp(second: int) -> str:
    """Of an epoch second; a run has many events in one."""
    return time.strftime("[%H:%M:%S]", time.localtime(second))


def _places(state: RunState) -> str:
    """The `/N` of `task i/N`: the number of tasks; nothing when a filter left tasks out, whose number is not known."""
    last = next(reversed(state.tasks.values()))
    return f"/{state.total}" if last.index < state.total else ""


def _plain(event: e.Event, state: RunState) -> list[str]:
    match event:
        case e.RunStarted():
            return run_header(event)
        case e.TaskResumed():
            task = state.by_id[event.task_id]
            place = f" in iteration {task.iteration}" if task.iteration else ""
            return [f"resumed{place}: {clip(task.id, 60)} in {clip(task.dir, 60) or '.'}"]
        case e.TaskStarted():
            task = state.by_id[event.task_id]
            by = f", by {task.other_coders}" if task.other_coders else ""
            return [f"started: {clip(task.id, 60)} in {clip(task.dir, 60) or '.'}{by}"]
        case e.TaskPlaced():
            return [clip(event.place, 60)] if event.place else []
        case e.ProjectRead():
            return [_read(event, state.by_id[event.task_id].coder)]
        case e.CheckStarted() if state.attempts_of(event.task_id):
            return ["its attempts are over: the best is chosen"]
        case e.SetUp(kept=True):
            return [SET_UP_BEFORE]
        case e.CheckStarted(kind="setup" | "teardown"):
            return [f"{event.kind}: {clip(event.command, SHORT_WIDTH)}"]
        case e.UserSaid():
            return [f"{clip(event.by, 40) or 'the user'} says: {clip(_joined(event.text), TEXT_WIDTH)}"]
        case e.UserHeard():
            return ["the coder is told what the user said"]
        case e.Visited():
            return [visited_text(event)]
        case e.HiddenVerified():
            failed = f" failed: {clip(last_said(event.tail) or event.command, SHORT_WIDTH)}"
            return [f"hidden_verify{' passed' if event.passed else failed}"]
        case e.AttemptChosen():
            return [clip(event.why, TEXT_WIDTH)]
        case e.CheckStarted() | e.ModelCallStarted(purpose="judge" | "checks"):
            return _look(state.by_id[event.task_id])
        case e.VerdictReached(tampering=[_, *_]):
            return [f"changed tests or protected files: {list_names(event.tampering, cells=60)}"]
        case e.TaskFinished():
            return _finish(event, state)
        case e.RequestsProgressed(worth_a_line=True):
            return [requests_line(event)]
        case e.ConcurrencyChanged():
            return [f"{event.max_concurrent} at a time from now on"]
        case e.Paused():
            return [f"paused: {clip(event.cause, TEXT_WIDTH)}" if event.cause else "paused"]
        case e.Resumed():
            return ["resumed"]
        case e.QuotaUsedUp():
            lines = [asleep_text(event, event.ts)]
            return [*lines, f"  {clip(event.cause, TEXT_WIDTH)}"] if event.cause else lines
        case e.QuotaReturned():
            return [f"the quota of {clip(event.endpoint, 100)} should be back: going on"]
        case e.Notice():
            return [f"note: {clip(event.text, TEXT_WIDTH)}"]
        case e.RunFinished():
            return [_run_end(event, state)]
    return []


SET_UP_BEFORE = "setup: what an earlier one has made, by its setup_cache"


def visited_text(visit: e.Visited) -> str:
    """What a user did in a task's place."""
    if visit.changed is None:
        return "a shell was open in its place, and what was changed is not known"
    did = f"changed {list_names(visit.changed, cells=80)}" if visit.changed else "changed nothing"
    return f"a shell was open in its place for {duration(visit.seconds)}, and {did}"


def asleep_text(quota: e.QuotaUsedUp, now: float) -> str:
    """Until when the run sleeps, and why."""
    when = f"until {clock_text(quota.until, now)} ({duration(quota.until - now)})"
    return f"asleep {when}: the quota of {clip(quota.endpoint, 100)} is used up"


def requests_line(figures: e.RequestsProgressed) -> str:
    """How far a batch of plain requests is."""
    left = "" if figures.seconds_left is None else f", about {duration(figures.seconds_left)} left"
    used = figures.usage.shown(figures.usage.total)
    return (
        f"{figures.ok + figures.failed:,}/{figures.total:,} requests, {figures.failed:,} failed, {used} tokens, "
        f"cost {money(figures.cost)}{left if figures.ok + figures.failed < figures.total else ''}"
    )


def _read(event: e.ProjectRead, coder: str) -> str:
    """Files that the coder is told of; what it reads itself is its own affair."""
    own = event.rules if coder != BUILTIN else ""
    given = list_names([path for path in event.files if path != own], cells=80)
    parts = [f"given with the task: {given}"] if given else []
    parts += [f"{clip(own, 80)} is left to {clip(coder, 40)}, who reads it itself"] if own else []
    return "; ".join(parts)


def _look(task: TaskState) -> list[str]:
    """Once an evaluation, with its first check or call; once for what comes before the work."""
    if task.looks != 1:
        return []
    return [
        f"iteration {task.iteration} evaluating" if task.iteration else "the evaluator prepares its checks"
    ]


def _finish(event: e.TaskFinished, state: RunState) -> list[str]:
    task = state.by_id[event.task_id]
    lines = []
    if event.reason == "max_iterations":
        lines.append(f"iteration limit reached ({task.max_iterations}){_because(failure_text(event.error))}")
    elif event.error:
        lines.append(f"{event.status}: {clip(failure_text(event.error), TEXT_WIDTH)}")
    elif event.status == "completed" and task.verified_alone:
        lines.append(VERIFIED_ALONE)
    elif event.status != "completed" and event.status != event.reason:
        lines.append(f"{event.status}: {reason_text(event.reason)}")
    if not task.begun:
        # It has no figures; of ten thousand that an interruption left the run's end says the number.
        return [] if event.reason == "interrupted" else lines
    return [*lines, _finish_line(task, state)]


def _because(error: str) -> str:
    return f": {clip(error, TEXT_WIDTH)}" if error else ""


def _finish_line(task: TaskState, state: RunState) -> str:
    """Seconds, [k/N], status, iterations, tokens in/out/calls, cost in/out."""
    usage = task.usage
    done = state.count("completed", "error", "timeout", "cancelled", "skipped")
    costs = total_costs(task.bills)
    known = (costs.input, costs.output) != (None, None)
    cost = f"{money(costs.input)} in/{money(costs.output)} out" if known else UNKNOWN
    return (
        f"{task.status} in {task.duration(0.0):.1f}s [{done}/{state.total}], "
        f"{counted(task.iteration, 'iteration')}, "
        f"tokens {usage.shown(usage.input)} in/{usage.shown(usage.output)} out/{counted(usage.calls, 'call')}, "
        f"cost {cost}"
    )


def _run_end(event: e.RunFinished, state: RunState) -> str:
    counts = kind_of(state.info).outcome(state)
    if event.error:
        return f"run stopped: {clip(event.error, TEXT_WIDTH)} ({counts})"
    return f"run {ending(state)}: {counts}"


def _step(event: e.Event) -> list[str]:
    """The steps that only the verbose form shows."""
    match event:
        case e.IterationStarted():
            by = f", {clip(event.other_coder, 40)}" if event.other_coder else ""
            return [f"iteration {event.iteration}{by}: {clip(first_line(event.prompt), SHORT_WIDTH)}"]
        case e.ModelCallRetried():
            return [
                f"{event.role}: attempt {event.attempt} failed, next in {event.wait:.1f}s: "
                f"{clip(event.error, TEXT_WIDTH)}"
            ]
        case e.RateLimited():
            return [f"{event.role}: waiting about {duration(event.wait)}: {clip(event.cause, SHORT_WIDTH)}"]
        case e.ModelCallProgressed():
            written = f"{tokens(event.tokens, estimated=True)} tokens"
            return [f"{event.role}: generating {written}, {duration(event.seconds)}"]
        case e.ModelCallFinished():
            return [_call(event)]
        case e.AgentSession(late=True):
            return []
        case e.AgentSession():
            done = "is back in its session" if event.taken_up else "has begun a session"
            return [f"{clip(event.agent or event.coder, SHORT_WIDTH)} {done}"]
        case e.ToolCalled():
            return [f"{clip(event.tool, 40)}: {clip(event.summary, SHORT_WIDTH)}"]
        case e.ToolFinished():
            return [_tool_end(event)]
        case e.CheckFinished():
            outcome = check_end(event.kind, event.exit_code, event.seconds)
            name = clip(check_name(event.kind, event.command, event.requirement), SHORT_WIDTH)
            text = f"{check_prefix(event.kind)} {outcome}: {name}"
            last = last_said(event.tail)
            return [text] if event.exit_code == 0 or not last else [text, f"  {clip(last, SHORT_WIDTH)}"]
        case e.VerdictReached():
            return _verdict(event)
    return []


def _joined(text: str) -> str:
    """Several lines as one in which they can be told apart."""
    return " · ".join(line for line in map(harmless, text[:10_000].splitlines()) if line)


def _refused(event: e.Event, state: RunState) -> list[str]:
    """Why there is another iteration, where nothing else is told of the verdict."""
    if not isinstance(event, e.VerdictReached) or event.accepted or event.decision == "done":
        return []
    why = _joined(why_not(event.verdict, event.checks, event.refusals))
    return [f"iteration {event.iteration} not accepted{f': {clip(why, SHORT_WIDTH)}' if why else ''}"]


def _call(event: e.ModelCallFinished) -> str:
    what = {"code": "coder", "judge": "judge", "checks": "checks", "compact": "compaction"}[event.purpose]
    retries = f", {counted(event.attempts - 1, 'retry', 'retries')}" if event.attempts > 1 else ""
    if event.error:
        return f"{what} call failed after {event.latency:.1f}s{retries}: {clip(event.error, TEXT_WIDTH)}"
    used = event.usage
    cached = f" ({used.cached:,} cached)" if used.cached else ""
    called = f"{what}'s turn, as it tells" if event.told else f"{what} call"
    if used.unknown:
        return f"{what}'s turn, of which it tells no tokens: {event.latency:.1f}s, {money(event.cost)}"
    return (
        f"{called}: {used.shown(used.input)} in{cached}, "
        f"{used.shown(used.output)} out, {event.latency:.1f}s{retries}, "
        f"{money(event.cost)}"
    )


def _tool_end(event: e.ToolFinished) -> str:
    outcome = f"exit {event.exit_code}" if event.exit_code is not None else "ok" if event.ok else "failed"
    note = clip(event.summary, SHORT_WIDTH)
    return f"{clip(event.tool, 40)}: {outcome}, {event.seconds:.1f}s" + (
        f": {note}" if note and note != outcome else ""
    )


def _verdict(event: e.VerdictReached) -> list[str]:
    outcome = accepted_words(event.verdict, event.checks) if event.accepted else "not accepted"
    if event.decided_by in ("verify", "checks"):
        decided = "verify" if event.decided_by == "verify" else "a check"
        end = "passed, accepted" if event.accepted else f"failed, {outcome}"
        outcome = f"{decided} {end} (the judge was not asked)"
    lines = [f"verdict {event.iteration}: {outcome}"]
    if event.checks:
        lines.append(f"  checks: {counted_checks(event.checks)}")
    for check in [check for check in event.checks if check.note][:MAX_CHECKS]:
        lines.append(f"  {end_word(check)} {clip(check_text(check), SHORT_WIDTH)}")
    for requirement in required(event.verdict)[:MAX_REQUIREMENTS]:
        word = "met" if requirement.met else "not met"
        shown = "; ".join(clip(proof.text, SHORT_WIDTH) for proof in requirement.proofs[:2])
        lines.append(f"  {word}: {clip(requirement.text, SHORT_WIDTH)}{f': {shown}' if shown else ''}")
    refusals = [text for text in event.refusals if not said_by(text, event.checks)]
    lines += [f"  because: {clip(_joined(text), SHORT_WIDTH)}" for text in refusals[:10]]
    if event.follow_up and event.decision == "continue":
        lines.append(f"  follow-up: {clip(first_line(event.follow_up), SHORT_WIDTH)}")
    return lines
