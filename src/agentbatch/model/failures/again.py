"""Why a call that failed is sent again at once, beside the retries: the one place for tasks and plain requests."""

from collections.abc import Callable

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.failure import Failure
from agentbatch.model.failures.learning import Body, Lessons


class AtOnce:
    """Of one call; whoever owns the call counts each sending. `body`: its body for what the endpoint can do."""

    def __init__(self, endpoint: Endpoint, model: str, body: Callable[[Capabilities], Body]) -> None:
        self._endpoint = endpoint
        self._lessons = Lessons(endpoint, model, body)
        self._reconnected = False
        self._has_new_key = False
        """The latest attempt was made with a key that was printed for it."""

    async def reason(self, failure: Failure, sent: Body, capabilities: Capabilities, key: str) -> str:
        """Empty: it is not. Otherwise what changes: another key than `key`, which was refused; another form than
        `sent`, which was made for `capabilities`; another connection than one that the server had closed, most likely,
        and that the first time alone."""
        self._has_new_key = (
            failure.status == 401 and not self._has_new_key and await self._endpoint.renewed(key)
        )
        if self._has_new_key:
            return "continuing with another key"
        lost = self._lessons.learn(failure, sent, capabilities)
        if lost:
            return f"continuing without {lost}"
        if failure.stale and not self._reconnected:
            self._reconnected = True
            return "continuing on another connection"
        return ""
