"""The judge: the model that is asked for a verdict on the evidence, and again when its answer is invalid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentbatch.model.reply import Message, ModelError, Reply
from agentbatch.model.tokens import estimate_messages
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.definition import EvaluatorLimits
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.role_models import ANSWER_ROOM
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.evaluator.judging.evidence.evidence import WEIGHTS, Evidence, Shown
from agentbatch.tasks.evaluator.judging.hands import Hands
from agentbatch.tasks.evaluator.judging.judgement import Judgement, accepts, judged
from agentbatch.tasks.evaluator.judging.reply import NoVerdict
from agentbatch.tasks.evaluator.judging.standing_in import standing_in
from agentbatch.tasks.evaluator.judging.verdict import verdict_schema

UNFINISHED = frozenset(("length", "content_filter"))
"""Finish reasons of replies that are not the judge's whole answer, however whole they look."""

OVERFLOW_SHARE = 3
"""A question that overflowed the window is asked again in this part of its length."""
SHORTENINGS = 2
"""How often; what does not fit then will not fit."""

MARGIN = 8
"""One part in so many of the window stays free: tokens are estimated, and code has more than its bytes suggest."""
MAX_PROBLEMS = 5
"""Quotes that do not hold, in one question."""
MAX_QUOTED = 600
"""Characters of an answer that was no verdict which the judge is shown again."""

MIN_EVIDENCE = 200
"""Tokens; with less than this beside the task there is nothing to judge by."""


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

    async def judge(self, evidence: Evidence, hands: Hands | None = None) -> Judgement:
        """The model's verdict on the evidence; with `hands` it may look for itself first. Raises ModelError only when
        the endpoint is unusable.

        Other failures (no valid answer in `attempts`, a call that failed for good) are a Judgement without
        a verdict: what the model or the server said is never passed on as a follow-up.
        """
        budget = self._budget()
        problem = self._too_long(evidence, budget)
        if problem:
            return Judgement(None, problem)
        question = self._question(evidence, budget)
        shortenings = asked = 0
        doubtful: Judgement | None = None
        while asked < self.limits.attempts:
            try:
                looked = await self._look(question.messages, hands, budget) if hands else None
                if hands and hands.used:
                    evidence = replace(evidence, runs=tuple(hands.runs))
                    question = self._question(evidence, budget)
                hands = None
                reply = looked or await self._asked(question)
            except ModelError as error:
                if error.kind == "endpoint":
                    raise
                if error.kind == "overflow" and shortenings < SHORTENINGS:
                    shortenings += 1
                    size = estimate_messages(question.messages)
                    # The endpoint knows its window better than the price list.
                    self.context_window = min(self.context_window, size)
                    budget = size // OVERFLOW_SHARE
                    if hands:
                        evidence = replace(evidence, runs=tuple(hands.runs))
                    question = self._question(evidence, budget)
                    continue
                return doubtful or Judgement(None, f"The evaluator could not be asked: {error}")
            asked += 1
            answer = self.redact(reply.content)
            try:
                judgement = judged(_content(reply), evidence, question.shown, self.redact)
                if self.weak_model:  # asked to quote better, a small one rather gives up what was right
                    judgement = standing_in(judgement, evidence)
            except NoVerdict as error:
                problem = str(error)
                again = _again(reply, problem)
            else:
                # What speaks against the work is heard at once; for it, a quote that does not hold may be mended once.
                problems = [*judgement.ungrounded, judgement.unquoted]
                if not any(problems) or not accepts(judgement.verdict) or doubtful is not None:
                    return judgement
                doubtful = judgement
                again = _ground_it(problems)
            question.messages += [
                {
                    "role": "assistant",
                    "content": shortened(answer.strip(), MAX_QUOTED) or "(empty reply)",
                },
                {"role": "user", "content": again},
            ]
        return doubtful or Judgement(
            None, f"The evaluator gave no valid verdict in {self.limits.attempts} answers: {problem}."
        )

    async def _asked(self, question: "_Question") -> Reply:
        return await self.model.complete(question.messages, purpose="judge", schema=question.schema)

    async def _look(self, question: Sequence[Message], hands: Hands, budget: int) -> Reply | None:
        """What the judge answers after it has looked for itself, or at once; None: it has not answered, and is to be
        asked without tools."""
        await hands.ready()
        messages = list(question)
        while not hands.used_up and estimate_messages(messages, hands.tools) <= budget:
            try:
                reply = await self.model.complete(messages, purpose="judge", tools=hands.tools)
            except ModelError as error:
                if error.kind != "request":
                    raise
                return None  # Perhaps it takes no tools.
            if not reply.tool_calls:
                return reply
            messages += await hands.answer(reply)
        return None

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

    def _question(self, evidence: Evidence, budget: int) -> "_Question":
        """System prompt and evidence in about `budget` tokens, the task always whole."""
        limit, weak = self.limits.diff_characters, self.weak_model
        shown = evidence.fit(limit, weak_model=weak)
        messages = self._messages(evidence, shown.texts, shown.doubtful)
        if estimate_messages(messages) > budget:
            headings = {name: "-" if text else "" for name, text in shown.texts.items()}
            frame = estimate_messages(self._messages(evidence, headings, shown.doubtful))
            shown = evidence.fit(limit, budget - frame, weak_model=weak)
            messages = self._messages(evidence, shown.texts, shown.doubtful)
        schema = verdict_schema(list(shown.pieces), shown.doubtful, weak_model=weak)
        return _Question(messages, schema, shown)

    def _messages(
        self, evidence: Evidence, texts: Mapping[str, str], doubtful: Sequence[str] = ()
    ) -> list[Message]:
        values = evidence.variables(texts, doubtful)
        question = self.prompts.render("evidence.md", brief=self.weak_model, **values)
        return [
            {"role": "system", "content": self.system_prompt},
            {"role": "user", "content": self.redact(question)},
        ]


@dataclass
class _Question:
    """What the judge is asked, and again."""

    messages: list[Message]
    schema: tuple[str, dict[str, Any]]
    shown: Shown


def _ground_it(problems: Sequence[str]) -> str:
    """What the judge is asked after a verdict whose quotes do not hold."""
    shown = " ".join([problem for problem in problems if problem][:MAX_PROBLEMS])
    return (
        f"{shown} Quote word for word what stands under that ref; what no evidence shows is not met, and complete is "
        "then false. Answer with the JSON object only."
    )


def _content(reply: Reply) -> str:
    """What it says. Raises NoVerdict for a reply that was cut off, however whole it looks."""
    if reply.finish_reason in UNFINISHED:
        raise NoVerdict(f"it was not finished ({reply.finish_reason})")
    return reply.content


def _again(reply: Reply, problem: str) -> str:
    """What the judge is asked after an answer that was no verdict."""
    shorter = (
        " Be much shorter: at most 5 requirements, a few words of evidence each." if reply.cut_off else ""
    )
    return f"That is not a valid verdict: {problem}.{shorter} Answer with the JSON object only."
