"""A batch that has ended at the provider: its files are fetched and read, what is left is sent again or stays open."""

from dataclasses import dataclass
from pathlib import Path

from agentbatch.model.endpoint import Endpoint
from agentbatch.requests.batch.result_sink import ResultSink
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.provider.ledger import Part, Wanted
from agentbatch.requests.provider.reading import Reading, second_request
from agentbatch.requests.provider.sending import ProviderSender
from agentbatch.requests.provider.service import ServiceError
from agentbatch.requests.provider.state import ProviderState
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.text import counted


@dataclass
class ProviderCollector:
    """Works with what its sender has."""

    endpoint: Endpoint
    journal: Journal
    sender: ProviderSender

    async def collect(self, part: Part, state: ProviderState, sink: ResultSink) -> None:
        """Raises ServiceError and LeftError when files cannot be had (nothing is lost by it), and OSError."""
        again: list[Wanted] = []
        reading = Reading(
            part,
            self.endpoint,
            self.sender.executor,
            self.journal,
            self.sender.ledger,
            self.sender.packer,
            sink,
            again.append,
        )
        fetched = []
        for kind, file_id in (("output", state.output_file), ("errors", state.error_file)):
            if file_id:
                path = self.sender.packer.path(part.b).with_suffix(f".{kind}.jsonl")
                await self._fetch(file_id, path)
                fetched.append(path)
        for path in fetched:
            await reading.read(path)
        if reading.strange:
            self.sender.tell(
                f"{part.batch_id}: {counted(reading.strange, 'line')} of its files answered nothing that was asked"
            )
        why = reading.problem or self._why(part, state)
        await self.end(part, again, why)
        for path in fetched:
            path.unlink(missing_ok=True)

    async def _fetch(self, file_id: str, path: Path) -> None:
        try:
            await self.sender.stop.unless_now(self.sender.service.download(file_id, path))
        except ServiceError as error:
            if error.status != 404:
                raise
            path.write_bytes(b"")
            self.sender.tell(f"{error} The file {file_id} is gone.")

    def _why(self, part: Part, state: ProviderState) -> str:
        told = []
        for refused in state.refused:
            own = self.sender.ledger.id_in(part, refused.line) if refused.line is not None else ""
            told.append(self.endpoint.redact(refused.message) + (f" (request {own!r})" if own else ""))
        what = "was cancelled" if state.status == "cancelled" else state.status
        return f"it {what}" + (f": {'; '.join(told)}" if told else "")

    async def end(self, part: Part, again: list[Wanted], why: str) -> None:
        """What did not keep to its schema goes out once more; what has no answer is open again. A batch of an earlier
        pass is resumed by this one: its open requests go out now."""
        asked = {wanted.n for wanted in again}
        missing = [wanted for wanted in self.sender.ledger.all_wanted(part) if wanted.n not in asked]
        resumed = part.session < self.journal.session
        for wanted in again + (missing if resumed else []):
            body = self.sender.packer.request_of(part, wanted)
            target = self.sender.ledger.target(wanted.n, wanted.key)
            if body is None or target is None or not target.current or self.sender.stop.cause:
                continue
            request = BatchRequest.model_construct(id=target.id, body=body, url=part.url)
            told = self.sender.ledger.again(wanted.n, wanted.key) if wanted.n in asked else None
            await self.sender.pack(
                wanted.n, wanted.key, request if told is None else second_request(request, told)
            )
        self.sender.ledger.end(part)
        self.sender.packer.path(part.b).unlink(missing_ok=True)
        if missing and resumed:
            self.sender.tell(
                f"{part.batch_id}: {why}; {counted(len(missing), 'request')} without an answer, asked again"
            )
        elif missing:
            self.sender.stop.close(
                f"{counted(len(missing), 'request')} of {part.batch_id} came back without an answer ({why}): a resume "
                "asks again."
            )
        await self.sender.send_rest()
