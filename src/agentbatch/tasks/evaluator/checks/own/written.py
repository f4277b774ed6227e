"""Checks as a strong model writes them: scripts, one for a requirement. Each is evidence and no law: the judge may
find it wrong, and mend it once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from agentbatch.errors import UserError
from agentbatch.model.reply import Message, ModelError
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.messages import without_thoughts
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.evaluator.checks.check import TAIL_LINES, CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.copying import NoCopy, not_copied
from agentbatch.tasks.evaluator.checks.own.asking import (
    NoChecks,
    Question,
    again,
    checks_schema,
    parse_checks,
)
from agentbatch.tasks.evaluator.checks.own.copies import Copies
from agentbatch.tasks.evaluator.checks.own.own_checks import own_refs
from agentbatch.tasks.evaluator.checks.own.script import (
    MAX_SCRIPT,
    OwnCheck,
    came_to_its_end,
    cannot_run,
    in_words,
    language_of,
)
from agentbatch.tasks.evaluator.evaluator import CheckOutcome, Start
from agentbatch.tasks.evaluator.programs.program import new_nonce
from agentbatch.tasks.results.verdict import Ruling
from agentbatch.text import clip, counted, harmless

TRIES = 2
"""Askings, the second where the first gave nothing that can be used."""
MAX_OLD = 1000
"""Characters of a script that was mended which are kept."""
MAX_WHY = 300
"""Characters of the judge's reason that are kept."""


@dataclass
class WrittenChecks:
    """See `OwnChecks`."""

    runs_work: ClassVar[bool] = False
    model: RoleModel
    prompts: Prompts
    redact: Redactor
    most: int
    """Checks that are asked for."""
    timeout: float
    """Seconds for one of them."""
    checks: list[OwnCheck] = field(default_factory=list)
    """Also those that count no more: a check keeps its place."""
    changed: bool = False
    lost: str = ""
    """See `OwnChecks`."""

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        if start.record:
            self.checks = [OwnCheck.of(one) for one in start.record["checks"]]
            self.lost = start.record.get("lost", "")
            return start.record
        self.checks = await self._written(start, runner)
        return {
            "checks": [check.record() for check in self.checks],
            **({"lost": self.lost} if self.lost else {}),
        }

    async def run(self, work: Work) -> Sequence[CheckResult]:
        live = [check for check in self.checks if not check.dropped]
        if not live:
            return []
        try:
            async with Copies(work.workspace, len(live)) as copies:
                results = [await self._checked(check, work.runner, copies) for check in live]
            self.lost = ""
            return results
        except NoCopy as error:  # When they were made, it could be copied.
            return [not_copied(error, work.runner)]
        except UserError as error:
            self.lost = f"they could not run: {error}"
            work.runner.notice(f"The evaluator's own checks could not run: {error}")
            return []

    async def rule(
        self, rulings: Sequence[Ruling], results: Sequence[CheckResult], work: Work
    ) -> tuple[CheckResult, ...]:
        live = [place for place, check in enumerate(self.checks) if not check.dropped]
        ruled = {ruling.ref: ruling for ruling in rulings if ruling.wrong}
        after = list(results)
        for check, (ref, place) in zip(live, own_refs(results).items(), strict=False):
            if ref in ruled and not results[place].passed:
                after[place] = await self._ruled(check, ruled[ref], results[place], work)
        return tuple(after)

    async def tried(self, known: Sequence[Mapping[str, Any]], work: Work) -> Sequence[CheckOutcome]:
        checks = [OwnCheck.of(one) for record in known for one in record.get("checks", ())]
        live = {check.script: check for check in checks if not check.dropped}
        try:
            async with Copies(work.workspace, len(live)) as copies:
                results = [await self._checked(check, work.runner, copies) for check in live.values()]
        except UserError:
            return [CheckOutcome(script, None) for script in live]
        return [CheckOutcome(script, one.passed) for script, one in zip(live, results, strict=True)]

    def state(self) -> Mapping[str, Any]:
        return {"checks": [check.record() for check in self.checks]} if self.changed else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        if state:
            self.checks = [OwnCheck.of(one) for one in state["checks"]]
            self.changed = True

    async def _written(self, start: Start, runner: CheckRunner) -> list[OwnCheck]:
        """Those that can be used; none where the model gives none, also when asked again, or cannot be asked."""
        question = Question(start.task.task.first_prompt, start.before, self.most)
        messages = question.messages(self.prompts, self.redact)
        problems: list[str] = []
        for _ in range(TRIES):
            try:
                reply = await self.model.complete(messages, purpose="checks", schema=checks_schema(self.most))
            except ModelError as error:
                if error.kind == "endpoint":
                    raise
                problems = [str(error)]
                break
            try:
                asked = parse_checks(without_thoughts(reply.content), self.most, self.redact)
                if not asked:
                    runner.notice("The evaluator wrote no checks of its own for this task.")
                    return []
                usable, problems = await self._tried(asked, runner)
            except NoChecks as error:
                usable, problems = [], [str(error)]
            except UserError as error:
                problems = [str(error)]
                break
            if usable:
                _say(len(asked) - len(usable), problems, runner)
                return usable
            messages = [*messages, *_once_more(reply.content, problems)]
        self.lost = harmless(self.redact(problems[0]))[:MAX_WHY].rstrip(".")
        runner.notice(f"The evaluator has no checks of its own for this task: {self.lost}.")
        return []

    async def _tried(
        self, asked: Sequence[OwnCheck], runner: CheckRunner
    ) -> tuple[list[OwnCheck], list[str]]:
        """Which of the checks can run, after a run of each before any work; what is wrong with the others."""
        usable: list[OwnCheck] = []
        problems: list[str] = []
        async with Copies(runner.workspace, len(asked)) as copies:
            for check in asked:
                nonce = new_nonce()
                done = await runner.execute(check.command(nonce), self.timeout, await copies.take())
                code, output = came_to_its_end(check, done.exit_code, done.output, nonce)
                if problem := cannot_run(code, output):
                    problems.append(f"the check of “{check.requirement}”: {problem}")
                else:
                    usable.append(replace(check, guard=code == 0))
        return usable, problems

    async def _checked(self, check: OwnCheck, runner: CheckRunner, copies: Copies) -> CheckResult:
        nonce = new_nonce()
        copy = await copies.take()
        runner.started("own", self.redact(check.script))
        done = await runner.execute(check.command(nonce), self.timeout, copy)
        code, output = came_to_its_end(check, done.exit_code, done.output, nonce)
        result = CheckResult(
            command=self.redact(check.script),
            exit_code=code,
            tail=self.redact(replace(done, output=output).tail(TAIL_LINES)),
            seconds=done.seconds,
            kind="own",
            requirement=check.requirement,
            binding=False,
            # That a guard passes, it did before there was any work.
            ran=not (check.guard and code == 0),
            told="" if code == 0 else self.redact(in_words(check, code, output)),
        )
        runner.finished(result)
        return result

    async def _ruled(self, place: int, ruling: Ruling, result: CheckResult, work: Work) -> CheckResult:
        """One check that the judge finds wrong: mended once, and run; else dropped."""
        check = self.checks[place]
        why = harmless(self.redact(ruling.why))[:MAX_WHY].rstrip(".") or "it does not say why"
        mended = self.redact(ruling.mended).strip()
        self.changed = True
        if mended and not check.mended and len(mended) <= MAX_SCRIPT and mended != check.script.strip():
            new = replace(
                check, script=mended, language=language_of(mended, check.language), mended=True, guard=True
            )
            self.checks[place] = new
            async with Copies(work.workspace) as copies:
                again_run = await self._checked(new, work.runner, copies)
            if not cannot_run(again_run.exit_code, again_run.tail):
                said = "passes" if again_run.passed else "fails again"
                work.runner.notice(
                    f"The evaluator mended its check of “{check.requirement}”, which {said}: {why}."
                )
                was = " ".join(self.redact(check.script).split())
                note = f"Found wrong and mended by the evaluator: {why}. It was: {clip(was, MAX_OLD)}"
                return replace(again_run, note=note)
        self.checks[place] = replace(self.checks[place], dropped=why)
        work.runner.notice(f"The evaluator found its check of “{check.requirement}” wrong: {why}.")
        return replace(
            result, overruled=True, note=f"Found wrong by the evaluator, it does not count: {why}."
        )


def _say(dropped: int, problems: Sequence[str], runner: CheckRunner) -> None:
    if dropped:
        said, are = counted(dropped, "check"), "is" if dropped == 1 else "are"
        runner.notice(f"{said} of the evaluator's own cannot run and {are} left out: {problems[0]}.")


def _once_more(content: str, problems: Sequence[str]) -> list[Message]:
    shown = content.strip()[:2000] or "(empty reply)"
    return [
        {"role": "assistant", "content": shown},
        {"role": "user", "content": again(problems)},
    ]
