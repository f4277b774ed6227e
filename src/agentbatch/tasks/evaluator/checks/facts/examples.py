"""The examples that the task itself states, run on the work."""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from agentbatch.tasks.evaluator.checks.check import MAX_TASK, CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of, not_copied
from agentbatch.tasks.evaluator.checks.facts.calling import calls_answers, calls_command
from agentbatch.tasks.evaluator.checks.facts.outcomes import Outcome, absent, of_answers, of_command
from agentbatch.tasks.evaluator.checks.facts.stated.commands import command_line
from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples
from agentbatch.tasks.evaluator.checks.facts.tied import TiedExamples, tied
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.tasks.evaluator.programs.program import new_nonce
from agentbatch.workspace.workspace import Workspace

NAME = "the examples that the task states"
COPIED = "copied"
MIN_SECONDS = 5.0
"""Seconds that a process gets though others have taken long."""
MAX_TOLD = 6
"""Failed examples that the coder is told of."""


class StatedExamples:
    """Calls and commands whose outcome stands in the task's text. They run in a copy of the directory, so that what
    they write is nobody's work; the calls of one module in one process, in the order in which they are stated.

    What cannot be told is no failure: a package that is missing, a file that an example speaks of, a value that is no
    literal. A list may be a tuple: a false alarm refuses right work, and is worse than a miss.
    """

    def __init__(self, task: str, timeout: float) -> None:
        """`task`: its text; `timeout`: seconds for all of them."""
        self._task = task[:MAX_TASK]
        self._timeout = timeout
        self._examples = stated_examples(task)
        self._copied = True
        """The directory could be copied when the task began."""

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        if not self._examples:
            return {}
        if start.record:
            self._copied = start.record[COPIED] is True
            return start.record
        try:
            await (await copy_of(start.workspace)).close()
        except NoCopy:
            self._copied = False
        return {COPIED: self._copied}

    @property
    def runs_work(self) -> bool:
        return self._copied and any(one.tells for one in self._examples)

    async def run(self, work: Work) -> Sequence[CheckResult]:
        can_run = tied(self._examples, self._task, work.before, work.after)
        if not can_run:
            return ()
        begun = monotonic()
        try:
            fork = await copy_of(work.workspace)
        except NoCopy as error:
            if self._copied:
                return (not_copied(error, work.runner),)
            work.runner.notice(f"The task's own examples were not run: {error}")
            return ()
        work.runner.started("example", NAME)
        try:
            found = await self._outcomes(can_run, fork)
        finally:
            await fork.close()
        result = told(found, monotonic() - begun, work.runner)
        work.runner.finished(result)
        return (result,) if found else ()

    async def _outcomes(self, can_run: TiedExamples, fork: Workspace) -> list[Outcome]:
        end = monotonic() + self._timeout
        found = [absent(path, name) for path, names in can_run.absent.items() for name in names]
        for path, calls in can_run.calls.items():
            nonce = new_nonce()
            done = await fork.run(calls_command(nonce, path, calls), max(end - monotonic(), MIN_SECONDS))
            found += of_answers(path, calls, calls_answers(path, calls, done.output, nonce), done)
        for example in can_run.commands:
            if monotonic() > end:
                break
            done = await fork.run(command_line(example.command), max(end - monotonic(), MIN_SECONDS))
            outcome = of_command(example, done)
            found += [outcome] if outcome else []
        return found


def told(found: Sequence[Outcome], seconds: float, runner: CheckRunner) -> CheckResult:
    """One result for all."""
    failed = [outcome.words for outcome in found if not (outcome.passed or outcome.weak)]
    if not found:
        return CheckResult(NAME, 0, "Nothing can be told of them here.", seconds, "example", binding=False)
    if not failed:
        text = runner.redact("\n".join(outcome.words for outcome in found))
        crashed = any(not outcome.passed for outcome in found)
        strong = not crashed and not all(outcome.weak for outcome in found)
        note = "the task names the command, and not what comes of it" if crashed else ""
        return CheckResult(NAME, int(crashed), text, seconds, "example", binding=strong, note=note)
    more = [f"and {len(failed) - MAX_TOLD} more"] if len(failed) > MAX_TOLD else []
    text = runner.redact("\n".join([*failed[:MAX_TOLD], *more]))
    what = "An example of the task does" if len(failed) == 1 else "Examples of the task do"
    return CheckResult(NAME, 1, text, seconds, "example", told=f"{what} not come out as stated:\n{text}")
