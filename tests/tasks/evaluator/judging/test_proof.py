"""What speaks for a verdict beside its quotes."""

from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.judgement import Judgement
from agentbatch.tasks.evaluator.judging.proof import proven
from agentbatch.tasks.evaluator.judging.verdict import Facts
from tests.tasks.evaluator.judging.scene import snapshot


def test_what_was_too_much_to_be_loaded_is_told() -> None:
    empty = snapshot({})
    question = Evidence(iteration=1, max_iterations=1, task="t", before=empty, after=empty, left=("a.py",))
    assert proven(Facts(), Judgement(None), question, loaded=True).unproven == (
        "Nothing has run these changed programs after the last change: a.py. Run them.",
    )
