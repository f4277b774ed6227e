"""A turn and what a judge says of it, from the reply to the decision, without a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agentbatch.redaction import Redactor
from agentbatch.tasks.coders.coder import PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.evaluator import TurnEvidence
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.reached import to_be_run
from agentbatch.tasks.evaluator.judging.judgement import judged
from agentbatch.tasks.evaluator.judging.proof import proven
from agentbatch.tasks.evaluator.judging.reply import NoVerdict
from agentbatch.tasks.evaluator.judging.verdict import Facts, refusals
from agentbatch.workspace.workspace import CommandRecord, FileEntry, Snapshot

TASK = "Write prog.py: it prints the sum of the numbers that it is given. python3 prog.py 3 5 prints 8."
PROGRAM = "import sys\n\nprint(sum(int(word) for word in sys.argv[1:]))\n"
CLAIM = "prog.py adds up its arguments. I ran it thoroughly: all good."


def snapshot(files: Mapping[str, str | None]) -> Snapshot:
    """Text by path; None: binary."""
    return Snapshot(
        {
            path: FileEntry(f"{hash(text):x}", len(text or "12"), text, executable=False)
            for path, text in sorted(files.items())
        }
    )


def ran(command: str, tail: str = "", code: int | None = 0) -> CommandRecord:
    return CommandRecord(command, code, tail, 0.1)


@dataclass(frozen=True)
class Scene:
    """One turn."""

    after: Mapping[str, str | None] = field(default_factory=lambda: {"prog.py": PROGRAM})
    before: Mapping[str, str | None] = field(default_factory=dict)
    commands: Sequence[CommandRecord] = (ran("python3 prog.py 3 5", "8\n"),)
    tried_from: int = 0
    checks: Sequence[CheckResult] = ()
    task: str = TASK
    claim: str = CLAIM

    def turn(self) -> TurnEvidence:
        return TurnEvidence(
            iteration=1,
            outcome=TurnOutcome("finished", self.claim),
            work=WorkLog(list(self.commands), active=True, tried_from=self.tried_from),
            style=PromptStyle({}),
            before=snapshot(self.before),
            after=snapshot(self.after),
        )

    def refused(self, reply: str, *, weak_model: bool = False, loaded: bool = False) -> list[str]:
        """Why the work is not accepted after this reply; empty: it is. `loaded`: the evaluator has run the change."""
        turn = self.turn()
        question = Evidence(
            iteration=turn.iteration,
            max_iterations=10,
            task=self.task,
            before=turn.before,
            after=turn.after,
            commands=turn.work.commands,
            tried_from=turn.work.tried_from,
            checks=self.checks,
            must_run=bool(to_be_run(turn.before, turn.after, self.checks)),
            claim=turn.outcome.text,
        )
        failed = next((check for check in self.checks if not check.passed), None)
        facts = Facts(verify_failure="A check failed." if failed else "")
        try:
            judgement = judged(reply, question, question.fit(30_000, weak_model=weak_model), Redactor([]))
        except NoVerdict as error:
            return [f"No verdict: {error}."]
        return refusals(judgement.verdict, proven(facts, judgement, question, loaded=loaded))
