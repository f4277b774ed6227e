"""What an endpoint's quota does, as events."""

from collections.abc import Callable

from agentbatch.model.limits.quota import UsedUp
from agentbatch.runs import events as e

QUOTA_TRIED = "The quota is tried again now, before the time that the endpoint named."


def tell_quota(emit: Callable[[e.Event], None], quota: UsedUp, *, back: bool) -> None:
    """It is used up from now on; `back`: it is tried again."""
    if back:
        emit(e.QuotaReturned(endpoint=quota.host))
    else:
        emit(e.QuotaUsedUp(endpoint=quota.host, until=quota.until, cause=quota.words))
