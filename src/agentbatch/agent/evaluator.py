"""The Evaluator: verify, then judge, on evidence; asks again when the answer is no verdict."""

from collections.abc import Callable
from dataclasses import dataclass

from agentbatch.agent.calls import RoleModel
from agentbatch.agent.definition import EvaluatorLimits
from agentbatch.agent.evidence import Evidence, VerifyResult
from agentbatch.agent.prompts import Prompts
from agentbatch.agent.verdict import NoVerdict, Verdict, parse_verdict, redacted, verdict_schema
from agentbatch.model.reply import Message, ModelError
from agentbatch.redaction import Redactor
from agentbatch.store import events as e
from agentbatch.workspace.shell import Shell

VERIFY_TAIL_LINES = 60

UNFINISHED = frozenset(("length", "content_filter"))
"""Finish reasons of replies that are not the judge's whole answer, however whole they look."""

SHORTER_DIFF = 6
"""The diff is cut to this part of its length when the evidence overflows the judge's context window."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, or the sentence that says why there is none."""

    verdict: Verdict | None
    failure: str = ""
    last_answer: str = ""
    """The judge's last words, valid or not; for the results file."""


@dataclass
class Evaluator:
    """One task's evaluator. It holds no conversation: every evaluation starts from the evidence alone."""

    task_id: str
    model: RoleModel
    prompts: Prompts
    system_prompt: str
    limits: EvaluatorLimits
    emit: Callable[[e.Event], None]
    redact: Redactor

    async def verify(self, commands: tuple[str, ...], shell: Shell) -> list[VerifyResult]:
        """Run the task's verify commands in turn, in the orchestrator's shell; stop at the first failure."""
        results = []
        for command in commands:
            shown = self.redact(command)
            self.emit(e.VerifyStarted(task_id=self.task_id, command=shown))
            done = await shell.run(command, timeout=self.limits.verify_timeout)
            tail = self.redact(done.tail(VERIFY_TAIL_LINES))
            result = VerifyResult(shown, done.exit_code, tail, done.seconds)
            self.emit(
                e.VerifyFinished(
                    task_id=self.task_id,
                    command=shown,
                    exit_code=result.exit_code,
                    tail=tail,
                    seconds=result.seconds,
                )
            )
            results.append(result)
            if not result.passed:
                break
        return results

    async def judge(self, evidence: Evidence) -> Judgement:
        """The model's verdict on the evidence. Raises ModelError only when the endpoint is unusable.

        Other failures (no valid answer in `attempts`, a call that failed for good) are a Judgement without
        a verdict: what the model or the server said is never passed on as a follow-up.
        """
        messages = self._question(evidence, self.limits.diff_characters)
        answer = problem = ""
        shortened = False
        asked = 0
        while asked < self.limits.attempts:
            try:
                reply = await self.model.complete(messages, purpose="judge", schema=verdict_schema())
            except ModelError as error:
                if error.kind == "endpoint":
                    raise
                if error.kind == "overflow" and not shortened:
                    shortened = True
                    messages = self._question(evidence, self.limits.diff_characters // SHORTER_DIFF)
                    continue
                return Judgement(None, f"The evaluator could not be asked: {error}", answer)
            asked += 1
            answer = self.redact(reply.content)
            if reply.finish_reason in UNFINISHED:
                problem = f"it was not finished ({reply.finish_reason})"
            else:
                try:
                    return Judgement(redacted(parse_verdict(reply.content), self.redact), last_answer=answer)
                except NoVerdict as error:
                    problem = str(error)
            again = f"That is not a valid verdict: {problem}. Answer with the JSON object only."
            messages += [
                {"role": "assistant", "content": answer or "(empty reply)"},
                {"role": "user", "content": again},
            ]
        failure = f"The evaluator gave no valid verdict in {self.limits.attempts} answers: {problem}."
        return Judgement(None, failure, answer)

    def _question(self, evidence: Evidence, diff_characters: int) -> list[Message]:
        question = self.prompts.render("evidence.md", **evidence.variables(diff_characters))
        return [
            {"role": "system", "content": self.system_prompt},
            {"role": "user", "content": self.redact(question)},
        ]
