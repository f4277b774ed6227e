"""`--notify` of a batch of plain requests: its first failure, and its end. Words: requests_notification.py."""

from pathlib import Path

from agentbatch.api.notify import Notifier
from agentbatch.api.requests_notification import request_failure_message, requests_end_message
from agentbatch.requests.result import BatchResult
from agentbatch.store import events as e
from agentbatch.store.state import RunState
from agentbatch.store.store import Store


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
