"""Checks as a small model can write them: calls of the function that the task asks for, and what they give. One counts
where the model's askings or its own program agree on the value; then it binds, until programs of the coder outvote
it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from agentbatch.errors import UserError
from agentbatch.model.reply import ModelError
from agentbatch.model.tokens import estimate
from agentbatch.redaction import Redactor
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.copying import NoCopy, not_copied
from agentbatch.tasks.evaluator.checks.facts.outcomes import Outcome
from agentbatch.tasks.evaluator.checks.facts.tied import tied
from agentbatch.tasks.evaluator.checks.own.asserts.asking import Asking
from agentbatch.tasks.evaluator.checks.own.asserts.calls import Ran, run_calls
from agentbatch.tasks.evaluator.checks.own.asserts.expected import (
    FIRM_VOTES,
    VOTES,
    Expected,
    Vote,
    outvoted,
    same_value,
    wanted_functions,
)
from agentbatch.tasks.evaluator.checks.own.copies import Copies
from agentbatch.tasks.evaluator.evaluator import CheckOutcome, Start
from agentbatch.tasks.results.verdict import Ruling

MAX_TASK_TOKENS = 600
"""A longer task is not asked about: what this costs is to stay small beside the work."""
MAX_DETAILS = 1000
"""Characters of the values that are recorded."""
MAX_TOLD = 3
"""Failed calls that the coder is told of at once."""


@dataclass
class AgreedChecks:
    """See `OwnChecks`."""

    asking: Callable[[str, Sequence[str]], Asking]
    """Of a task and its functions."""
    redact: Redactor
    most: int
    """Checks at most."""
    timeout: float
    """Seconds for one run of all of them."""
    task: str = ""
    functions: tuple[str, ...] = ()
    expected: list[Expected] = field(default_factory=list)
    firm: bool = False
    """A program that passes the task's own examples confirms them: they are right in nearly all cases."""
    votes: dict[str, list[Vote]] = field(default_factory=dict)
    """What programs of the coder's gave in place of what was expected, by the call."""
    dropped: list[str] = field(default_factory=list)
    """Calls that were outvoted."""
    lost: str = ""
    """See `OwnChecks`."""

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        self.task = start.task.task.first_prompt
        self.functions = wanted_functions(self.task)
        if not self.functions or estimate(self.task) > MAX_TASK_TOKENS:
            return {}
        if start.record:
            self.expected = [Expected(**one) for one in start.record["expected"]]
            self.firm = start.record["firm"]
            self.lost = start.record.get("lost", "")
            return start.record
        try:
            asking = self.asking(self.task, self.functions)
            self.expected = await asking.agreed(self.most, runner)
            self.firm = asking.firm
            self.lost = (
                "" if self.expected else f"no value of {_named(self.functions)} on which its askings agree"
            )
        except ModelError as error:
            if error.kind == "endpoint":
                raise
            self.lost = str(error)
        except UserError as error:
            self.lost = str(error)
        self.lost = self.redact(self.lost)[:MAX_DETAILS].rstrip(".")
        if self.lost:
            runner.notice(f"The evaluator has no checks of its own for this task: {self.lost}.")
        expected = [asdict(one) for one in self.expected]
        return {"expected": expected, "firm": self.firm, **({"lost": self.lost} if self.lost else {})}

    @property
    def runs_work(self) -> bool:
        return bool(self._live)

    async def run(self, work: Work) -> Sequence[CheckResult]:
        calls = [one.as_stated() for one in self._live]
        there = tied(calls, self.task, work.before, work.after).calls
        if not there:
            return []
        begun = monotonic()
        work.runner.started("own", self._name)
        found: list[Outcome] = []
        notes: list[str] = []
        try:
            async with Copies(work.workspace, len(there)) as copies:
                for path, those in there.items():
                    ran = await run_calls(path, those, self.timeout, work.runner, await copies.take())
                    notes += self._vote(work, ran)
                    found += ran.outcomes([call for call in those if call.call not in self.dropped])
        except NoCopy as error:  # When they were made, it could be copied.
            return [not_copied(error, work.runner)]
        except UserError as error:
            work.runner.notice(f"The evaluator's own checks could not run: {error}")
            return []
        result = self._told(found, monotonic() - begun, notes)
        work.runner.finished(result)
        return [result]

    async def rule(
        self, rulings: Sequence[Ruling], results: Sequence[CheckResult], work: Work
    ) -> tuple[CheckResult, ...]:
        """They bind: what a small judge says of them changes nothing."""
        return tuple(results)

    async def tried(self, known: Sequence[Mapping[str, Any]], work: Work) -> Sequence[CheckOutcome]:
        live = dict.fromkeys(
            Expected(**one)
            for record in known
            for one in record.get("expected", ())
            if one["call"] not in record.get("dropped", ())
        )
        calls = {one.call: one.as_stated() for one in live}
        values: dict[str, str] = {}
        try:
            there = tied([*calls.values()], self.task, work.before, work.after).calls
            async with Copies(work.workspace, len(there)) as copies:
                for path, those in there.items():
                    ran = await run_calls(path, those, self.timeout, work.runner, await copies.take())
                    values |= ran.values
        except UserError:
            return [CheckOutcome(one.text, None) for one in live]
        # What gave no value on any attempt (it needs a file, say) is no check of them.
        return [
            CheckOutcome(one.text, same_value(one.value, gave) if gave else None, gave)
            for one in live
            for gave in [values.get(one.call, "")]
        ]

    def state(self) -> Mapping[str, Any]:
        if not self.votes and not self.dropped:
            return {}
        votes = {call: [asdict(vote) for vote in given] for call, given in self.votes.items()}
        return {"votes": votes, "dropped": self.dropped}

    def restore(self, state: Mapping[str, Any]) -> None:
        if state:
            self.votes = {call: [Vote(**vote) for vote in given] for call, given in state["votes"].items()}
            self.dropped = list(state["dropped"])

    @property
    def _live(self) -> list[Expected]:
        return [one for one in self.expected if one.call not in self.dropped]

    @property
    def _name(self) -> str:
        return f"calls of {_named(self.functions)} whose values the evaluator is sure of"

    def _vote(self, work: Work, ran: Ran) -> list[str]:
        """Count what the coder's program gave. Which checks are out by that, in words."""
        digest = work.after.files[ran.path].sha256
        out = []
        for expected in self.expected:
            value = ran.values.get(expected.call)
            if value is None or expected.call in self.dropped or same_value(expected.value, value):
                continue
            votes = self.votes.setdefault(expected.call, [])
            votes.append(Vote(work.iteration, work.conversation, digest, value))
            if outvoted(expected, votes, FIRM_VOTES if self.firm else VOTES):
                self.dropped.append(expected.call)
                gave, wanted = value[:100], expected.value[:100]
                out.append(
                    self.redact(f"`{expected.call}` gives {gave} again and again, so {wanted} was wrong")
                )
        for text in out:
            work.runner.notice(f"A check of the evaluator's own is dropped: {text}.")
        return out

    def _told(self, found: Sequence[Outcome], seconds: float, notes: Sequence[str]) -> CheckResult:
        failed = [self.redact(one.words) for one in found if not one.passed]
        text = self.redact("\n".join(failed[:MAX_TOLD] if failed else [one.words for one in found]))
        return CheckResult(
            command=self._name,
            exit_code=1 if failed else 0,
            tail=text,
            seconds=seconds,
            kind="own",
            requirement=f"{_named(self.functions)} {'gives' if len(self.functions) == 1 else 'give'} the right values",
            ran=bool(found),
            told=f"This is wrong:\n{text}" if failed else "",
            note="; ".join([*(failed[:MAX_TOLD] if failed else ()), *notes]),
            details=self.redact("; ".join(one.text for one in self._live))[:MAX_DETAILS],
        )


def _named(functions: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in functions)
