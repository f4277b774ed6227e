"""What a call learns of the refusals that it meets: the one place for tasks, plain requests and provider batches."""

from collections.abc import Callable
from typing import Any

from agentbatch.model.capabilities import MAX_LESSONS, Capabilities
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.failure import Failure

Body = dict[str, Any]

FINAL = ("endpoint", "malformed")
"""Retry classes that say nothing of the request's form."""


class Lessons:
    """Those of one call. `again`: its body for what the endpoint can do."""

    def __init__(self, endpoint: Endpoint, model: str, again: Callable[[Capabilities], Body]) -> None:
        self._endpoint = endpoint
        self._model = model
        self._again = again
        self._count = 0

    def learn(self, failure: Failure, sent: Body, capabilities: Capabilities) -> str:
        """What the endpoint refuses of `sent`, which was made for `capabilities`, as text; the endpoint remembers it,
        and the same call is worth sending in another form. Empty: nothing, or the body would stay as it is."""
        if failure.error is None or failure.kind in FINAL or self._count >= MAX_LESSONS:
            return ""
        from agentbatch.model.refusals.lessons import learn

        lesson = learn(capabilities, failure.error, sent)
        now = self._endpoint.capabilities(self._model)
        if lesson is None or self._again(now.merged(lesson)) == sent:
            return ""
        self._count += 1
        self._endpoint.learn(self._model, lesson)
        if self._endpoint.capabilities(self._model) == capabilities:
            return ""  # the user has chosen the form that is refused
        return capabilities.lost(lesson)
