"""What of a change nothing has run is loaded: before a judge is asked, and again where it quotes nothing that ran."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.checks.round import Round
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.commands import ran_well
from agentbatch.tasks.evaluator.judging.execution.loading import Loaded, load
from agentbatch.tasks.evaluator.judging.execution.reached import (
    loadable,
    not_reached,
    to_be_loaded,
    to_be_run,
)
from agentbatch.tasks.evaluator.judging.judgement import Judgement, accepts


@dataclass
class Unrun:
    """Of one turn."""

    runner: CheckRunner
    judged: bool
    """A judge is there; without one the checks decide, and nothing else has to have run."""
    loads: bool
    """What nothing ran is loaded; else a judge has to quote something that ran."""
    loaded: Loaded | None = None
    """Before a judge is asked."""

    async def load(self, checked: Round, question: Evidence) -> tuple[Round, Evidence]:
        """What neither a check nor a command has run; with that, whether a judge has to quote something that ran."""
        if not self.judged:
            return checked, question
        before, after, checks = question.before, question.after, question.checks
        commands = question.commands[question.tried_from :]
        if self.loads and not checked.failed:
            paths = to_be_loaded(before, after, checks, commands, question.task)
            self.loaded = await load(paths, self.runner, question.task)
        loaded = self.loaded
        checked = checked.plus(loaded.result if loaded else None)
        # Where nothing else has run, that it loads is all there is to be asked for.
        must_run = bool(to_be_run(before, after, checks)) and (
            loaded is None or loaded.untold or question.has_run
        )
        run = [record.command for record in commands if ran_well(record)]
        left = not_reached(loaded.left, run, after) if loaded else ()
        return checked, replace(question, checks=checked.results, must_run=must_run, left=left)

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
