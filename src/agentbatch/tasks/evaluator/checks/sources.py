"""Which checks a task has, and one round of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, CheckSource, Work
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.workspace.files.diff import changes
from agentbatch.workspace.workspace import Snapshot

CLEAR_BYTECODE = (
    r"find . -name node_modules -prune -o -name .git -prune -o -name .venv -prune -o -name venv -prune "
    r"-o -path '*/__pycache__/*.pyc' -type f -exec rm -f {} + 2>/dev/null; true"
)
"""Compiled Python that a coder could have put beside a source, which Python would run in its place."""
CLEAR_TIMEOUT = 60.0


@dataclass(frozen=True)
class Round:
    """What one round of checks has found."""

    results: tuple[CheckResult, ...]
    after: Snapshot
    """The directory when they were over: what a judge sees, and what is kept."""
    changed: tuple[str, ...] = ()
    """Files of the work that the checks changed."""

    @property
    def failed(self) -> CheckResult | None:
        """The check whose failure forbids acceptance."""
        return next((result for result in self.results if result.binding and not result.passed), None)


class Checks:
    """All checks of one task, by the name of their source, in the order in which they run."""

    def __init__(self, sources: Mapping[str, CheckSource]) -> None:
        self._sources = sources

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        """What a resumption has to know of them, by the name of the source."""
        record = {}
        for name, source in self._sources.items():
            own = replace(start, record=start.record.get(name) or {})
            record[name] = dict(await source.prepare(own, runner))
        return {name: value for name, value in record.items() if value}

    async def run(self, work: Work) -> Round:
        """One round. Where checks have changed files of the work, a second one: what passed must still pass on what
        is kept, and leave it as it is."""
        first = await self._once(work)
        if first.failed or not first.changed:
            return first
        second = await self._once(replace(work, after=first.after))
        if second.failed or not second.changed:
            return replace(second, changed=first.changed)
        names = ", ".join(second.changed[:5])
        text = f"Running the checks changes files of the work, again and again: {names}."
        steady = CheckResult(
            "the checks leave the work as it is", 1, text, 0.0, "steady", ran=False, told=text
        )
        work.runner.started("steady", steady.command)
        work.runner.finished(steady)
        return replace(second, results=(*second.results, steady))

    async def _once(self, work: Work) -> Round:
        results: list[CheckResult] = []
        if any(path.endswith(".py") for path in work.after.files):
            await work.workspace.run(CLEAR_BYTECODE, CLEAR_TIMEOUT)
        for source in self._sources.values():
            results += await source.run(work)
            if any(result.binding and not result.passed for result in results):
                break
        if not any(result.ran for result in results):
            return Round(tuple(results), work.after)
        after = await work.workspace.snapshot(work.after)
        by_checks = changes(work.after, after)
        return Round(tuple(results), after, (*by_checks.modified, *by_checks.deleted))


def failed_first(results: Sequence[CheckResult]) -> CheckResult | None:
    """The first that failed, binding or not."""
    return next((result for result in results if not result.passed), None)
