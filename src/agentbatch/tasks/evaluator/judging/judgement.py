"""What a judge's reply says, as far as it holds. Pure."""

from dataclasses import dataclass

from agentbatch.redaction import Redactor
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence, Shown
from agentbatch.tasks.evaluator.judging.grounding import GroundedVerdict, ground
from agentbatch.tasks.evaluator.judging.reply import parse_verdict
from agentbatch.tasks.evaluator.judging.verdict import redacted
from agentbatch.tasks.results.verdict import Verdict


@dataclass(frozen=True)
class Judgement:
    """A verdict and what holds of it, or the sentence that says why there is none."""

    verdict: Verdict | None
    """Grounded: what its quotes do not hold is not met."""
    failure: str = ""
    ungrounded: tuple[str, ...] = ()
    """What does not hold, a sentence each."""
    misquoted: bool = False
    """All of that is the judge's own fault."""
    unshown: tuple[str, ...] = ()
    """Requirements that it calls met, and that nothing shows."""
    quotes_run: bool = False
    """It quotes something that ran with exit code 0 after the last change."""
    unquoted: str = ""
    """A sentence for the judge, where it should, and does not."""
    expected: frozenset[str] = frozenset()
    """Refs of what failed as it had to, by the verdict."""
    unseen: tuple[str, ...] = ()
    """Changed sources that could not be shown."""

    @classmethod
    def of(cls, grounded: GroundedVerdict, shown: Shown) -> "Judgement":
        return cls(
            grounded.verdict,
            ungrounded=grounded.problems,
            misquoted=grounded.misquoted,
            unshown=grounded.unshown,
            quotes_run=grounded.quotes_run,
            unquoted=grounded.unquoted,
            expected=grounded.expected,
            unseen=shown.unseen,
        )


def judged(content: str, evidence: Evidence, shown: Shown, redact: Redactor) -> Judgement:
    """What a reply says, as far as it holds. Raises NoVerdict."""
    verdict = redacted(parse_verdict(content), redact)
    grounded = ground(verdict, shown.pieces, redact, can_run=evidence.can_run, must_run=evidence.must_run)
    return Judgement.of(grounded, shown)


def accepts(verdict: Verdict | None) -> bool:
    """It says that the work is done."""
    return verdict is not None and verdict.complete and not verdict.blocked
