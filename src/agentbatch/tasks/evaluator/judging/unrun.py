"""What of a change nobody has seen running: tests that the coder's own program tells of are run, and what nothing has
run is loaded, before a judge is asked, and again where it quotes nothing that ran."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from agentbatch.runs.events import CheckLine
from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.checks.round import Round
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.commands import ran_well
from agentbatch.tasks.evaluator.judging.execution.loading import LoadOutcome, load
from agentbatch.tasks.evaluator.judging.execution.plain import runs_tests
from agentbatch.tasks.evaluator.judging.execution.reached import (
    loadable,
    not_reached,
    starts,
    to_be_loaded,
    to_be_run,
)
from agentbatch.tasks.evaluator.judging.execution.seen import seen, to_be_seen
from agentbatch.tasks.evaluator.judging.hands import look_line
from agentbatch.tasks.evaluator.judging.judgement import Judgement, accepts


@dataclass
class Unrun:
    """Of one turn."""

    runner: CheckRunner
    judged: bool
    """A judge is there; without one the checks decide, and nothing else has to have run."""
    loads: bool
    """What nothing ran is loaded; else a judge has to quote something that ran."""
    timeout: float
    """Seconds for a command that is run again."""
    loaded: LoadOutcome | None = None
    """Before a judge is asked."""
    lines: list[CheckLine] = field(default_factory=list)
    """What was run of what the coder's program tells of."""

    async def load(self, checked: Round, question: Evidence) -> tuple[Round, Evidence]:
        """What neither a check nor a command has run; with that, whether a judge has to quote something that ran."""
        if not self.judged:
            return checked, question
        before, after, checks = question.before, question.after, question.checks
        if not checked.failed and not any(one.ran and one.kind in ("verify", "tests") for one in checks):
            question = await self._run_again(question, runs_tests)
        commands = question.commands[question.tried_from :]
        if self.loads and not checked.failed:
            paths = to_be_loaded(before, after, checks, commands, question.task)
            self.loaded = await load(paths, self.runner, question.task)
        loaded = self.loaded
        checked = checked.plus(loaded.result if loaded else None)
        # Where nothing else has run, that it loads is all there is to be asked for.
        unrun = to_be_run(before, after, checks)
        untold = loaded is None or loaded.untold
        if unrun and untold and not (checked.failed or question.has_run):
            question = await self._run_again(question, lambda line: starts(line, unrun, after))
        must_run = bool(unrun) and (untold or question.has_run)
        run = [one.command for one in question.commands[question.tried_from :] if ran_well(one)]
        left = not_reached(loaded.left, run, after) if loaded else ()
        return checked, replace(question, checks=checked.results, must_run=must_run, left=left)

    async def _run_again(self, question: Evidence, wanted: Callable[[str], bool]) -> Evidence:
        """With what the coder's program tells of, and is `wanted`, as we see it."""
        directory = self.runner.workspace.info.directory
        places = to_be_seen(question.commands, question.tried_from, directory, wanted)
        commands = await seen(question.commands, places, self.runner, self.timeout)
        again = {commands[several[-1]].command: commands[several[-1]] for several in places.values()}
        self.lines += [look_line(record) for record in again.values() if record.again]
        return replace(question, commands=commands)

    async def load_instead(
        self, judgement: Judgement, checked: Round, question: Evidence
    ) -> tuple[Round, bool]:
        """Of work that a judge accepts without quoting anything that ran, all that can be loaded is. Returns whether it
        could, too: that is then what has run."""
        if not question.must_run or checked.failed or not accepts(judgement.verdict) or judgement.quotes_run:
            return checked, False
        rest = await load(self._others(question), self.runner, question.task)
        latest = rest or self.loaded
        return checked.plus(rest.result if rest else None), (
            latest is not None and (question.has_run or not latest.untold)
        )

    def _others(self, question: Evidence) -> Sequence[str]:
        already = self.loaded.asked if self.loaded else ()
        others = loadable(question.before, question.after, question.task) if self.loads else ()
        return [path for path in others if path not in already]
