"""Which checks a task has, and one round of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentbatch.tasks.evaluator.checks.check import (
    CLEAR_TIMEOUT,
    MAX_TASK,
    CheckResult,
    CheckRunner,
    CheckSource,
    Work,
)
from agentbatch.tasks.evaluator.checks.round import Round, too_many
from agentbatch.tasks.evaluator.checks.steadiness import Outputs, effect, removed, touched, unsteady
from agentbatch.tasks.evaluator.checks.tampering import can_mislead
from agentbatch.tasks.evaluator.evaluator import CheckOutcome, Start
from agentbatch.text import list_names
from agentbatch.workspace.files.diff.left_out_diff import (
    changed_by_checks,
    changed_left_out,
)
from agentbatch.workspace.workspace import Snapshot

MAX_BESIDE = 20
"""Changes beside the work that are told."""
RUN_THE_WORK = ("example", "verify", "tests")
"""Sources whose checks tell two attempts apart by what they do."""


class Checks:
    """All checks of one task, by the name of their source, in the order in which they run."""

    def __init__(self, sources: Mapping[str, CheckSource], *, clear_timeout: float = CLEAR_TIMEOUT) -> None:
        """`clear_timeout`: seconds for removing compiled Python."""
        self._sources = sources
        self._clear_timeout = clear_timeout
        self._outputs = Outputs()
        self._task = ""
        self._seen: Snapshot | None = None
        """The directory after the latest round of this session."""
        self._beside: set[str] = set()
        """What coders' turns have changed beside the work: in installed packages, caches, hooks."""

    @property
    def runs_work(self) -> bool:
        """See CheckSource.runs_work."""
        return any(source.runs_work for source in self._sources.values())

    @property
    def record(self) -> dict[str, Any]:
        """JSON: what `restore` needs after the latest round."""
        record = {"made": dict(self._outputs.files), "beside": sorted(self._beside)}
        return {name: value for name, value in record.items() if value}

    def restore(self, record: Mapping[str, Any]) -> None:
        """As it was after a round of an earlier session."""
        self._outputs = Outputs(dict(record.get("made") or {}))
        self._beside = set(record.get("beside") or ())

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        """What a resumption has to know of them, by the name of the source."""
        self._task = start.task.task.first_prompt[:MAX_TASK]
        record = {}
        for name, source in self._sources.items():
            own = replace(start, record=start.record.get(name) or {})
            record[name] = dict(await source.prepare(own, runner))
        return {name: value for name, value in record.items() if value}

    async def run(self, work: Work) -> Round:
        """One round. Where checks have changed files of the work, a second one: what passed must still pass on what
        is kept, and leave the programs in it as they are."""
        work.runner.tampered.clear()
        suspicious = self._suspicious(work)
        done = await self._rounds(work)
        done = done.plus(too_many(work.before, done.after))
        self._seen = done.after
        beside = changed_by_checks(work.before, work.after, done.after)
        return replace(done, changed=(*done.changed, *beside), suspicious=suspicious)

    def _suspicious(self, work: Work) -> tuple[str, ...]:
        """What checks have made is not the coder's."""
        told = can_mislead(work.before, work.after, self._task)
        self._beside.update(changed_left_out(self._seen or work.before, work.after))
        coders = [path for path in told if not self._outputs.hold(path, work.after)]
        return (*coders, *sorted(self._beside)[:MAX_BESIDE])

    async def _rounds(self, work: Work) -> Round:
        first = await self._once(work)
        if first.failed or not first.changed:
            return first
        second = await self._once(replace(work, after=first.after))
        if second.failed:
            return replace(second, changed=first.changed)
        wrong = unsteady(second.changed, first.after)
        gone = removed(work.before, work.after, second.after, self._task)
        # Data that is another each time is what the checks make.
        made = {*first.changed} & ({*second.changed} - {*wrong})
        self._outputs = self._outputs.with_paths(made, second.after)
        if steady := _steadiness(second.results, wrong, gone):
            work.runner.started("steady", steady.command)
            work.runner.finished(steady)
            # What is refused as a program that changes is not told once more as a changed test.
            others = tuple(path for path in first.changed if path not in {*wrong, *gone})
            return replace(second, results=(*second.results, steady), changed=others)
        settled = [path for path in first.changed if path in touched(work.before, work.after)]
        if settled:
            work.runner.notice(
                f"The checks changed files of the work, and passed with them: {list_names(settled)}."
            )
        return replace(second, changed=tuple(path for path in first.changed if path not in settled))

    async def tried(self, work: Work) -> Sequence[CheckOutcome]:
        """Each kind but the evaluator's own on the work as it is, also where an earlier one has failed."""
        if await self._clear(work):
            return ()
        found = []
        for name, source in self._sources.items():
            if name in RUN_THE_WORK:
                results = await source.run(work)
                passed = all(one.passed for one in results if one.binding) if results else None
                found.append(CheckOutcome(name, passed))
        return found

    def digest(self, after: Snapshot) -> str:
        """Equal where the work is: what the checks have made is no part of it."""
        files = {path: entry for path, entry in after.files.items() if not self._outputs.hold(path, after)}
        return Snapshot(files).digest

    async def _clear(self, work: Work) -> CheckResult | None:
        return await work.clear(self._clear_timeout) if self._sources else None

    async def _once(self, work: Work) -> Round:
        results: list[CheckResult] = []
        if uncleared := await self._clear(work):
            return Round((uncleared,), work.after)
        for source in self._sources.values():
            results += await source.run(work)
            if any(result.binding and not result.passed for result in results):
                break
        if not any(result.ran for result in results):
            return Round(tuple(results), work.after)
        await work.runner.put_back(work.workspace)
        after = await work.workspace.snapshot(work.after)
        done = effect(work.before, work.after, after, self._outputs)
        self._outputs = done.outputs
        return Round(tuple(results), after, done.altered)


def _steadiness(
    passed: Sequence[CheckResult], unsteady: Sequence[str], removed: Sequence[str]
) -> CheckResult | None:
    """A failed check, where the checks, all of which have passed, do not leave the work as it is."""
    if not unsteady and not removed:
        return None
    what = "`verify` passes" if any(result.kind == "verify" for result in passed) else "The checks pass"
    names = list_names(removed or unsteady)
    if removed:
        why = f"takes {names} away, so what was judged would not be kept; let what they run leave it there."
    else:
        why = (
            f"writes {names} anew each time, so what was judged would not be what is kept; "
            "make what writes it give the same result each time."
        )
    text = f"{what}, but running the checks {why}"
    return CheckResult("the checks leave the work as it is", 1, text, 0.0, "steady", ran=False, told=text)
