"""What a batch of plain requests is run with: its place on the disk, the endpoint, the processor."""

import shutil
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.requests.journal.cache import ResponseCache, cache_file
from agentbatch.requests.options import ProviderOptions
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.run.prepare import SPOOLED, PreparedRequests
from agentbatch.runs.quota_events import tell_quota
from agentbatch.runs.store.store import Store

REHEARSAL_IDENTITY = "rehearsal"
"""What the rehearsal server's answers are known under: its address is another each time."""

REHEARSAL_LATENCY = 0.05
"""Seconds."""


def keep_source(prepared: PreparedRequests, store: Store) -> Path:
    """What came from standard input has its place in the run's folder, where a resumption finds it."""
    if not prepared.spooled:
        return prepared.source
    try:
        return Path(shutil.move(prepared.source, store.folder.path / SPOOLED))
    except OSError as error:
        raise UserError(f"{store.folder.path} cannot be written to: {error.strerror or error}.") from None
    finally:
        prepared.cleanup()


async def open_endpoint(prepared: PreparedRequests, store: Store, stack: AsyncExitStack) -> Endpoint:
    """Ends with `stack`; in a rehearsal with a server of our own."""
    settings, options = prepared.settings, prepared.options
    role, identity = settings.coder, ""
    base_url, access = role.base_url, Access()
    if not settings.rehearsal:
        access = Access.of(
            role, settings, folder=prepared.folder, environ=prepared.environ, on_key=store.redact.add
        )
    else:
        from agentbatch.rehearsal.server import RehearsalServer  # brings a server: only when it is needed

        server = RehearsalServer(plain=True, batch_service=True, latency=REHEARSAL_LATENCY, record=0)
        base_url, identity = (await stack.enter_async_context(server)).base_url, REHEARSAL_IDENTITY
    return await stack.enter_async_context(
        Endpoint(
            base_url,
            role.api_key.get_secret_value(),
            access=access,
            identity=identity,
            limits=EndpointLimits(options.concurrency, settings.rpm, settings.tpm, settings.throttle_ms),
            retry=RetryPolicy(max_retries=settings.max_retries, delay=settings.retry_delay),
            request_timeout=settings.request_timeout,
            stream=False,
            redact=store.redact,
            named_by="" if settings.rehearsal else role.named_by,
            quota=QuotaGate(settings.wait_for_quota, partial(tell_quota, store.emit)),
        )
    )


def new_processor(prepared: PreparedRequests, endpoint: Endpoint, journal: Path) -> BatchProcessor:
    """`journal`: its file."""
    options = prepared.options
    provider = ProviderOptions(forgets=prepared.settings.rehearsal) if options.provider_batch else False
    cache = ResponseCache(cache_file(prepared.environ)) if options.cache else None
    return BatchProcessor(
        prepared.batch, endpoint=endpoint, journal=journal, cache=cache, provider_batch=provider
    )
