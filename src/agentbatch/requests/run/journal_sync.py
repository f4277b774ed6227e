"""Input, journal and output of a batch of plain requests, brought in line: when it resumes, and at its end."""

from contextlib import closing
from pathlib import Path

from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.journal.output_file import OutputFile, replace_lines
from agentbatch.requests.journal.reading import SYNCED_SESSION
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.run.prepare import PreparedRequests
from agentbatch.requests.run.recording import Recording
from agentbatch.requests.spec.input_file import read_requests
from agentbatch.runs.store.store import Store


def sync_journal(
    prepared: PreparedRequests,
    processor: BatchProcessor,
    store: Store,
    source: Path,
    retry_failed: bool,
) -> tuple[OutputFile, Recording, int]:
    """Bring the journal of a resumed run in line with the input, which may have changed, and the output with the
    journal. The number is the journal's session from which on that is so."""
    with closing(Journal(store.folder.journal, dedupe=prepared.batch.dedupe)) as journal:
        if retry_failed:
            journal.reopen("failed")
        if prepared.resumed is not None:
            identity = processor.endpoint.identity
            for place, request in enumerate(read_requests(source)):
                asked = processor.options.apply(request)
                journal.add(asked.id, asked.key(identity), place)
            journal.commit()
        journal.put(SYNCED_SESSION, str(journal.session))
        known = journal.counts_since(journal.session)
        output = OutputFile(prepared.output, journal.answers_since(journal.session))
        recording = Recording(store, processor, prepared.total, journal.spent(), known["ok"], known["failed"])
        return output, recording, journal.session


def finish_output(
    prepared: PreparedRequests, store: Store, recording: Recording, session: int, *, stopped: str, path: Path
) -> str:
    """In the order of the input where that is wanted; whole where a call was cut off between recording its answer
    and giving it out. `path`: of the `OutputFile`. Returns why it could not be written."""
    with closing(Journal(store.folder.journal)) as journal:
        known = journal.counts_since(session)
        whole = (known["ok"], known["failed"]) == (recording.ok, recording.failed)
        recording.ok, recording.failed = known["ok"], known["failed"]
        if whole and (stopped or not prepared.options.ordered):
            return ""
        try:
            replace_lines(path, journal.answers_since(session))
        except OSError as error:
            return f"{prepared.output} cannot be written: {error.strerror or error}."
    return ""
