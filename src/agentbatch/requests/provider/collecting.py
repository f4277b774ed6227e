"""A batch that has ended at the provider: its files are fetched, its answers become results, and what is left is sent
again or stays open."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from agentbatch.files import open_own
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.failure import Failure, sentence
from agentbatch.model.failures.learning import Lessons
from agentbatch.model.reply import ErrorKind
from agentbatch.model.request.given_body import fitted
from agentbatch.requests.batch.call import CallError, CallOutcome
from agentbatch.requests.batch.executor import Item, asked_again, checked, joined, schema_problem
from agentbatch.requests.batch.result_sink import ResultSink, done_of
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.options import BATCH_DISCOUNT
from agentbatch.requests.provider.documents import Answer, ProviderState, outcome_of, read_answers
from agentbatch.requests.provider.ledger import ExpectedAnswer, Part, RepeatedRequest, Target
from agentbatch.requests.provider.sending import KEY_DIGITS, ProviderSender
from agentbatch.requests.provider.service import ServiceError
from agentbatch.requests.spec.answers import Document
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchResult
from agentbatch.text import counted

AT_ONCE = 100
"""Answers that share a commit."""


@dataclass
class Reading:
    """Reads the files of one part. Whatever they hold, an answer reaches the request that it was given to, once."""

    part: Part
    sender: ProviderSender
    endpoint: Endpoint
    journal: Journal
    sink: ResultSink
    on_again: Callable[[ExpectedAnswer], None]
    """A request goes out once more: its answer did not keep to its schema."""
    on_taught: Callable[[ExpectedAnswer], None]
    """A request goes out in another form: the endpoint refused this one."""
    strange: int = 0
    """Lines that were no answer to anything that was asked, or a second one."""
    problem: str = ""
    """Why requests could not be asked at all, as a sentence: no quota, a key that is refused."""
    _pending: list["asyncio.Task[None]"] = field(default_factory=list)

    async def read(self, path: Path) -> None:
        """Raises OSError when the file cannot be read, or the journal not be written."""
        seen: set[int] = set()
        try:
            for answer in read_answers(path):
                expected = self._expected(answer, seen)
                if answer is None or expected is None:
                    self.strange += 1
                    continue
                seen.add(answer.n)
                if not answer.not_asked:
                    self._pending.append(asyncio.ensure_future(self._take(answer, expected)))
                if len(self._pending) >= AT_ONCE:
                    await self._settled()
        finally:
            await self._settled()

    async def _settled(self) -> None:
        pending, self._pending = self._pending, []
        await asyncio.gather(*pending)

    def _expected(self, answer: Answer | None, seen: set[int]) -> ExpectedAnswer | None:
        if answer is None or answer.n in seen:
            return None
        expected = self.sender.ledger.expected(self.part, answer.n)
        return expected if expected is not None and expected.key[:KEY_DIGITS] == answer.key_start else None

    async def _take(self, answer: Answer, expected: ExpectedAnswer) -> None:
        body = self.sender.packer.request_of(self.part, expected)
        target = self.sender.ledger.target(expected.n, expected.key)
        if target is None:  # it has ended, or asks something else by now
            self.sender.ledger.settle(self.part, expected.n)
        if body is None or target is None:
            return
        again = self.sender.ledger.again(expected.n, expected.key, self.part)
        sent = BatchRequest.model_construct(id=target.id, body=body, url=self.part.url)
        item = Item(target.place, target.n, sent, expected.key)
        outcome = outcome_of(answer, sent.url)
        if isinstance(outcome, Failure) and self._taught(outcome, sent):
            self.on_taught(expected)
            return
        result = self._result(item, answer, outcome)
        if result is None:
            return  # it is still expected, as if it had not been asked
        if again is None:
            problem = schema_problem(sent, result)
            if problem:
                self._once_more(expected, result, problem)
                return
        else:
            first = BatchResult(target.id, target.place, usage=again.usage, cost=again.cost, attempts=1)
            result = joined(first, result)
        result = checked(sent, result)
        if again is not None:
            original = {**body, "messages": body["messages"][:-2]}
            item = replace(item, request=sent.model_copy(update={"body": original}))
            self.sender.ledger.forget_again(expected.n)
        self.sender.ledger.settle(self.part, expected.n)
        await self._end(item, target, result)

    async def _end(self, item: Item, target: Target, result: BatchResult) -> None:
        if target.current:
            await self.sink.ended(item, result)
        else:  # its line is gone from the input: it is paid, and nobody asks for it
            await self.journal.finish(item.n, done_of(result, result.line()))

    def _taught(self, failure: Failure, sent: BatchRequest) -> bool:
        """Whether the endpoint takes the request in another form, as this refusal or an earlier one says."""
        model = str(sent.body.get("model", ""))
        again = partial(fitted, sent.body, in_batch=True)
        known = self.endpoint.capabilities(model)
        if failure.kind == "request" and again(known) != sent.body:
            return True
        return bool(Lessons(self.endpoint, model, again).learn(failure, sent.body, known))

    def _result(self, item: Item, answer: Answer, outcome: Document | Failure) -> BatchResult | None:
        """None for what was no fault of the request's."""
        model = str(item.request.body.get("model", ""))
        document = outcome if isinstance(outcome, Document) else None
        error = None if isinstance(outcome, Document) else self._error(outcome, answer, model)
        if error is not None and error.kind == "endpoint":
            self.problem = self.problem or error.text
            return None
        refusal = answer.body if error is not None and isinstance(answer.body, dict) else None
        called = CallOutcome(
            document, error, self.endpoint.redact(answer.request_id)[:200], 1, 0, 0.0, 0.0, refusal
        )
        result = self.sender.executor.result(item, item.request, called, model)
        return replace(result, cost=None if result.cost is None else result.cost * BATCH_DISCOUNT)

    def _error(self, failure: Failure, answer: Answer, model: str) -> CallError:
        text = sentence(failure, self.endpoint.host, model, self.endpoint.redact)
        code = answer.code or (failure.error.code if failure.error is not None else "") or failure.kind
        # Not "transient": the service has made its own attempts.
        kind: ErrorKind = "endpoint" if failure.kind == "endpoint" else "request"
        return CallError(kind, text, answer.status or None, self.endpoint.redact(code)[:64])

    def _once_more(self, expected: ExpectedAnswer, result: BatchResult, problem: str) -> None:
        again = RepeatedRequest(result.usage, result.cost, result.text, problem)
        self.sender.ledger.put_again(self.part, expected, again)
        self.on_again(expected)


def second_request(request: BatchRequest, again: RepeatedRequest) -> BatchRequest:
    """The request as it goes out once more."""
    return request.model_copy(update={"body": asked_again(request.body, again.answer, again.told)})


@dataclass
class ProviderCollector:
    """Works with what its sender has."""

    endpoint: Endpoint
    journal: Journal
    sender: ProviderSender

    async def collect(self, part: Part, state: ProviderState, sink: ResultSink) -> None:
        """Raises ServiceError and LeftError when files cannot be had (nothing is lost by it), and OSError."""
        again: list[ExpectedAnswer] = []
        taught: list[ExpectedAnswer] = []
        reading = Reading(part, self.sender, self.endpoint, self.journal, sink, again.append, taught.append)
        fetched = []
        for kind, file_id in (("output", state.output_file), ("errors", state.error_file)):
            if file_id:
                path = self.sender.packer.path(part.b).with_suffix(f".{kind}.jsonl")
                await self._fetch(file_id, path)
                fetched.append(path)
        for path in fetched:
            await reading.read(path)
        if reading.strange:
            self.sender.notify(
                f"{part.batch_id}: {counted(reading.strange, 'line')} of its files answered nothing that was asked"
            )
        why = reading.problem or self._why(part, state)
        await self.end(part, again, why, taught)
        for path in fetched:
            path.unlink(missing_ok=True)

    async def _fetch(self, file_id: str, path: Path) -> None:
        try:
            await self.sender.stop.unless_now(self.sender.service.download(file_id, path))
        except ServiceError as error:
            if error.status != 404:
                raise
            os.close(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            self.sender.notify(f"{error} The file {file_id} is gone.")

    def _why(self, part: Part, state: ProviderState) -> str:
        reasons = []
        for refused in state.refused:
            own = self.sender.ledger.id_in(part, refused.line) if refused.line is not None else ""
            reasons.append(self.endpoint.redact(refused.message) + (f" (request {own!r})" if own else ""))
        what = "was cancelled" if state.status == "cancelled" else state.status
        return f"it {what}" + (f": {'; '.join(reasons)}" if reasons else "")

    async def end(
        self, part: Part, again: list[ExpectedAnswer], why: str, taught: Sequence[ExpectedAnswer] = ()
    ) -> None:
        """What did not keep to its schema goes out once more, and what was refused in its form, in another one; what
        has no answer is open again. A batch of an earlier pass is resumed by this one: its open requests go out now."""
        asked = {expected.n for expected in (*again, *taught)}
        missing = [expected for expected in self.sender.ledger.all_expected(part) if expected.n not in asked]
        resumed = part.session < self.journal.session
        for expected in (*again, *taught, *(missing if resumed else [])):
            body = self.sender.packer.request_of(part, expected)
            target = self.sender.ledger.target(expected.n, expected.key)
            if body is None or target is None or not target.current or self.sender.stop.cause:
                continue
            request = BatchRequest.model_construct(id=target.id, body=body, url=part.url)
            first = self.sender.ledger.again(expected.n, expected.key) if expected in again else None
            await self.sender.pack(
                expected.n, expected.key, request if first is None else second_request(request, first)
            )
        self.sender.ledger.end(part)
        self.sender.packer.path(part.b).unlink(missing_ok=True)
        if missing and resumed:
            self.sender.notify(
                f"{part.batch_id}: {why}; {counted(len(missing), 'request')} without an answer, asked again"
            )
        elif missing:
            self.sender.stop.close(
                f"{counted(len(missing), 'request')} of {part.batch_id} came back without an answer ({why}): a resume "
                "asks again."
            )
        await self.sender.send_rest()
