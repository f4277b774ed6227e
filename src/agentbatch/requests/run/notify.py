"""`--notify` of a batch of plain requests: its first failure, and its end. Words: requests_notification.py."""

from pathlib import Path

from agentbatch.requests.run.notify_messages import request_failure_message, requests_end_message
from agentbatch.requests.spec.result import BatchResult
from agentbatch.runs import events as e
from agentbatch.runs.services.notify import Notifier
from agentbatch.runs.state import RunState
from agentbatch.runs.store.store import Store


class RequestsNotifier:
    """A listener of the store, which also has to be told of `failed` requests: the store only counts them."""

    def __init__(self, sender: Notifier, store: Store, output: Path) -> None:
        """`output`: the file with the answers."""
        self._sender = sender
        self._store = store
        self._output = output
        self._told = False

    def failed(self, result: BatchResult) -> None:
        """A request has failed for good; only the first one is told of."""
        if not self._told:
            self._told = True
            self._sender.send(request_failure_message(self._store.state, result))

    def __call__(self, event: e.Event, state: RunState) -> None:
        if isinstance(event, e.RunFinished):
            self._sender.send(requests_end_message(state, self._output, event.ts))
