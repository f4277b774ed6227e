"""A batch of plain requests that goes through the provider's batch service: what is checked first, and its words."""

from collections.abc import Sequence

from agentbatch.errors import UserError
from agentbatch.requests.provider.ledger import check_none_at_provider
from agentbatch.runs.folder import RunFolder

FLAG = "--provider-batch"

WITHOUT_MEANING = ("--concurrency", "--rpm", "--tpm", "--throttle-ms")
"""The service sets its own pace."""

PAUSED = "Paused: nothing is uploaded, and nobody looks at the provider's batches, until `agentbatch resume-paused`."

NO_CONCURRENCY = "This batch is at the provider's batch service, which sets its own pace."


def check_words(words: Sequence[str], batch_size: int) -> None:
    """Raises UserError for flags of a command line that make no sense with the service."""
    names = [word.partition("=")[0] for word in words]
    given = [flag for flag in WITHOUT_MEANING if flag in names] + (["--batch-size"] if batch_size > 1 else [])
    if given:
        each = "means" if len(given) == 1 else "mean"
        raise UserError(
            f"{' and '.join(given)} {each} nothing with {FLAG}: the provider sets the pace, and each request is its "
            f"own. Leave {'it' if len(given) == 1 else 'them'} out."
        )


def check_resumed(folder: RunFolder | None, provider_batch: bool) -> None:
    """Raises UserError when requests of a run are at the provider, and would be paid a second time."""
    if folder is not None and not provider_batch:
        check_none_at_provider(folder.journal)


def stopping(now: bool) -> tuple[str, str]:
    """What a stop does, and what more can be done."""
    if now:
        return "Stopping at once: the provider's batches are cancelled.", ""
    return (
        "Stopping: the provider's batches go on, and a resume fetches their answers.",
        " Another Ctrl-C within 3 s, or `agentbatch stop --now`, cancels them.",
    )
