"""The judge: the model that is asked for a verdict on the evidence, and again when its answer is invalid."""

from dataclasses import dataclass

from agentbatch.model.reply import Message, ModelError, Reply
from agentbatch.model.tokens import estimate_messages
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.definition import EvaluatorLimits
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.role_models import ANSWER_ROOM
from agentbatch.tasks.agents.shorten import fit, shortened
from agentbatch.tasks.evaluator.judging.evidence import Evidence
from agentbatch.tasks.evaluator.judging.verdict import NoVerdict, parse_verdict, redacted, verdict_schema
from agentbatch.tasks.results.shape import Verdict

UNFINISHED = frozenset(("length", "content_filter"))
"""Finish reasons of replies that are not the judge's whole answer, however whole they look."""

OVERFLOW_SHARE = 3
"""A question that overflowed the window is asked again in this part of its length."""
SHORTENINGS = 2
"""How often; what does not fit then will not fit."""

MARGIN = 8
"""One part in so many of the window stays free: tokens are estimated, and code has more than its bytes suggest."""
MAX_QUOTED = 600
"""Characters of an answer that was no verdict which the judge is shown again."""

WEIGHTS = {"diff": 4, "verify": 3, "commands": 2, "claim": 1, "tampering": 1, "missing_before": 1, "tree": 1}
"""How what the evidence may take is shared out where it is too little."""
MIN_EVIDENCE = 200
"""Tokens; with less than this beside the task there is nothing to judge by."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, or the sentence that says why there is none."""

    verdict: Verdict | None
    failure: str = ""


@dataclass
class Judge:
    """One task's judge. It has no conversation: every evaluation starts from the evidence alone."""

    model: RoleModel
    prompts: Prompts
    system_prompt: str
    weak_model: bool
    """It is asked for few requirements and few words."""
    limits: EvaluatorLimits
    context_window: int
    """Tokens."""
    max_output_tokens: int | None
    redact: Redactor

    async def judge(self, evidence: Evidence) -> Judgement:
        """The model's verdict on the evidence. Raises ModelError only when the endpoint is unusable.

        Other failures (no valid answer in `attempts`, a call that failed for good) are a Judgement without
        a verdict: what the model or the server said is never passed on as a follow-up.
        """
        budget = self._budget()
        problem = self._too_long(evidence, budget)
        if problem:
            return Judgement(None, problem)
        messages = self._question(evidence, budget)
        schema = verdict_schema(weak_model=self.weak_model)
        shortenings = asked = 0
        while asked < self.limits.attempts:
            try:
                reply = await self.model.complete(messages, purpose="judge", schema=schema)
            except ModelError as error:
                if error.kind == "endpoint":
                    raise
                if error.kind == "overflow" and shortenings < SHORTENINGS:
                    shortenings += 1
                    size = estimate_messages(messages)
                    # The endpoint knows its window better than the price list.
                    self.context_window = min(self.context_window, size)
                    budget = size // OVERFLOW_SHARE
                    messages = self._question(evidence, budget)
                    continue
                return Judgement(None, f"The evaluator could not be asked: {error}")
            asked += 1
            answer = self.redact(reply.content)
            try:
                return Judgement(redacted(_verdict(reply), self.redact))
            except NoVerdict as error:
                problem = str(error)
            messages += [
                {
                    "role": "assistant",
                    "content": shortened(answer.strip(), MAX_QUOTED) or "(empty reply)",
                },
                {"role": "user", "content": _again(reply, problem)},
            ]
        return Judgement(
            None, f"The evaluator gave no valid verdict in {self.limits.attempts} answers: {problem}."
        )

    def _budget(self) -> int:
        """Tokens that system prompt and evidence may take together."""
        room = self.max_output_tokens or ANSWER_ROOM
        return self.context_window - self.context_window // MARGIN - room

    def _too_long(self, evidence: Evidence, budget: int) -> str:
        """A sentence when not even the task fits; empty when it does."""
        frame = estimate_messages(self._messages(evidence, dict.fromkeys(WEIGHTS, "")))
        if frame + MIN_EVIDENCE <= budget:
            return ""
        return (
            f"The evaluator's context window of {self.context_window:,} tokens is too small: the task and the "
            f"instructions alone take about {frame:,}, and the answer needs room. Shorten the task, or give the "
            "evaluator a model with a larger window (context_window in agents/evaluator.toml)."
        )

    def _question(self, evidence: Evidence, budget: int) -> list[Message]:
        """System prompt and evidence in about `budget` tokens, the task always whole."""
        pieces = evidence.pieces(self.limits.diff_characters, weak_model=self.weak_model)
        headings = {name: "-" if text else "" for name, text in pieces.items()}
        frame = estimate_messages(self._messages(evidence, headings))
        return self._messages(evidence, fit(pieces, budget - frame, WEIGHTS))

    def _messages(self, evidence: Evidence, pieces: dict[str, str]) -> list[Message]:
        question = self.prompts.render("evidence.md", brief=self.weak_model, **evidence.variables(pieces))
        return [
            {"role": "system", "content": self.system_prompt},
            {"role": "user", "content": self.redact(question)},
        ]


def _verdict(reply: Reply) -> Verdict:
    """The reply's verdict. Raises NoVerdict, also for one that was cut off, however whole it looks."""
    if reply.finish_reason in UNFINISHED:
        raise NoVerdict(f"it was not finished ({reply.finish_reason})")
    return parse_verdict(reply.content)


def _again(reply: Reply, problem: str) -> str:
    """What the judge is asked after an answer that was no verdict."""
    shorter = (
        " Be much shorter: at most 5 requirements, a few words of evidence each." if reply.cut_off else ""
    )
    return f"That is not a valid verdict: {problem}.{shorter} Answer with the JSON object only."
