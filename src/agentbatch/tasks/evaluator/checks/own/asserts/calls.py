"""Running calls of a program's function in a throw-away copy of the directory."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.checks.facts.calling import calls_answers, calls_command
from agentbatch.tasks.evaluator.checks.facts.outcomes import Outcome, not_imported, of_answers
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.programs.program import new_nonce
from agentbatch.workspace.workspace import CommandResult, Workspace


class Ran(NamedTuple):
    """All calls of one program, in one process."""

    path: str
    calls: Sequence[StatedCall]
    done: CommandResult
    said: Sequence[Mapping[str, Any]]
    """Its answers, in the order of the calls; one alone where it cannot be imported."""

    @property
    def values(self) -> dict[str, str]:
        """What the calls gave, as Python writes it, by the call; what gave nothing is not in it."""
        given = [] if not_imported(self.said) else zip(self.calls, self.said, strict=False)
        return {call.call: value for call, answer in given if isinstance(value := answer.get("value"), str)}

    def outcomes(self, calls: Sequence[StatedCall]) -> list[Outcome]:
        """Of some of the calls: whether they gave what they should."""
        if not_imported(self.said):
            return of_answers(self.path, calls, self.said, self.done)
        places = [place for place, call in enumerate(self.calls) if call in calls]
        said = [self.said[place] for place in places if place < len(self.said)]
        return of_answers(self.path, [self.calls[place] for place in places], said, self.done)


async def run_calls(
    path: str,
    calls: Sequence[StatedCall],
    timeout: float,
    runner: CheckRunner,
    copy: Workspace,
    source: str = "",
) -> Ran:
    """`timeout`: seconds for all; `source`: of a program that is not there, and is written into the copy."""
    nonce = new_nonce()
    line = calls_command(nonce, path, calls)
    if source:
        line = f"cat > {path} <<'{nonce}'\n{source}\n{nonce}\n{line}"
    done = await runner.execute(line, timeout, copy)
    return Ran(path, calls, done, calls_answers(path, calls, done.output, nonce))
