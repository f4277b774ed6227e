"""What checks are that the evaluator's model wrote before the work, whichever way they came about."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from agentbatch.runs.events import CheckLine
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work, refs_of
from agentbatch.tasks.evaluator.evaluator import CheckOutcome, Start
from agentbatch.tasks.results.verdict import Ruling


class OwnChecks(Protocol):
    """A CheckSource (see there) whose checks may turn out to be wrong themselves."""

    @property
    def lost(self) -> str:
        """Why there are none where there could be some, e.g. `its answer has no JSON object`; empty: there are some, or
        none are to be."""
        ...

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]: ...

    async def run(self, work: Work) -> Sequence[CheckResult]: ...

    @property
    def runs_work(self) -> bool: ...

    async def rule(
        self, rulings: Sequence[Ruling], results: Sequence[CheckResult], work: Work
    ) -> tuple[CheckResult, ...]:
        """The results after what the judge has said of them: a check that it found wrong is dropped, or mended once
        and run again. Their notes say so."""
        ...

    async def tried(self, known: Sequence[Mapping[str, Any]], work: Work) -> Sequence[CheckOutcome]:
        """Its checks and those of other attempts' evaluators on the work, the same list for each attempt. `known`: what
        `prepare` and `state` gave, of all attempts; what is of another kind is left out."""
        ...

    def state(self) -> Mapping[str, Any]:
        """JSON: what of its checks has changed since `prepare`; empty: nothing."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `state` gave in an earlier session of the run."""
        ...


def lost_line(own: OwnChecks | None) -> tuple[CheckLine, ...]:
    """As the results have it that there are none."""
    if own is None or not own.lost:
        return ()
    return (CheckLine(kind="own", command="none", passed=False, note=own.lost, counts=False),)


def own_refs(results: Sequence[CheckResult]) -> dict[str, int]:
    """Where the checks of our own stand among all, by the refs under which a judge sees them."""
    return {ref: place for place, ref in enumerate(refs_of(results)) if results[place].kind == "own"}


def speaks_against(results: Sequence[CheckResult]) -> CheckResult | None:
    """The first check of our own that failed and counts: nothing is accepted against it."""
    return next((one for one in results if one.kind == "own" and not one.passed and not one.overruled), None)
