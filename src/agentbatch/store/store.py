"""The store of a running engine: events go in, state, database and log come out of them."""

import asyncio
import time
from collections.abc import Callable

from agentbatch.redaction import Redactor
from agentbatch.store.database import Record, Writer, create_database
from agentbatch.store.events import Event
from agentbatch.store.lines import line
from agentbatch.store.run_folder import RunFolder
from agentbatch.store.state import RunState

Listener = Callable[[Event, RunState], None]
"""Called in the event loop after each event has been folded in; must be quick."""


class Store:
    """Gives each event its number and time, folds it into `state`, tells the listeners, queues it for disk."""

    def __init__(
        self, folder: RunFolder, redact: Redactor, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.redact = redact
        self.state = RunState()
        self.clock = clock
        self._listeners: list[Listener] = []
        self._failed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def notice_failure() -> None:
            loop.call_soon_threadsafe(self._failed.set)

        folder.lock()
        create_database(folder.database)
        self._log = open(folder.log, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - closed by close()
        self._writer = Writer(folder.database, self._log, redact, notice_failure)
        self._writer.start()

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Take an event in. Returns at once; `flush` waits for the disk."""
        event = event.model_copy(update={"seq": self.state.last_seq + 1, "ts": self.clock()})
        task = self.state.apply(event)
        self._writer.put(Record(event, task, line(event, self.state, verbose=True)))
        for listener in self._listeners:
            listener(event, self.state)

    async def flush(self) -> None:
        """Wait until everything emitted so far is committed. Raises OSError when it cannot be."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(done.set)

        self._writer.when_committed(tell)
        await done.wait()
        if self._writer.failure:
            raise OSError(self._writer.failure)

    async def failed(self) -> str:
        """Wait until writing fails, if ever; returns the sentence that says why."""
        await self._failed.wait()
        return self._writer.failure

    async def close(self) -> None:
        """Commit what is queued, end the writer, give the lock back."""
        await asyncio.to_thread(self._writer.stop)
        self._log.close()
        self.folder.unlock()
