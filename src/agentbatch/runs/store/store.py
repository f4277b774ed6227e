"""The store of a running engine: events go in, state, database and log come out of them."""

import asyncio
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from agentbatch.redaction import Redactor
from agentbatch.runs.events import Event, ModelCallProgressed
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.log_lines import line
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.database import create_database, read_state
from agentbatch.runs.store.viewers import is_watched
from agentbatch.runs.store.writer import Record, Writer

Listener = Callable[[Event, RunState], None]
"""Called in the event loop after each event has been folded in; must be quick."""

COMMIT_WITHIN = 0.2
"""Seconds after which an event is on disk, unless it is flushed before."""

CHECKPOINT_EVERY = 5000
"""Events between two checkpoints of the write-ahead log: some megabytes."""


class Store:
    """Gives each event its number and time, folds it into `state`, calls the listeners, writes it.

    Commits happen on the event loop, at `flush`, at `stored` and shortly after an event. A writer thread was measured
    and left: with a hundred tasks at work the way to it and back cost each step more than a hundred commits.
    """

    def __init__(
        self,
        folder: RunFolder,
        redact: Redactor,
        *,
        clock: Callable[[], float] = time.time,
        resume: bool = False,
    ) -> None:
        """`resume`: the folder holds a run, which is resumed. Raises UserError when another engine works on it, or when
        its database cannot be read; OSError, sqlite3.Error when it cannot be written."""
        self.folder = folder
        self.redact = redact
        self.state = RunState()
        self.clock = clock
        self._listeners: list[Listener] = []
        self._pending: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None
        self._since_checkpoint = 0
        self._committed = 0
        """Number of the latest event that is on disk."""
        self._progress: dict[str, ModelCallProgressed] = {}
        """By task, what streams in and has not been written for viewers yet."""
        # One thread: several would fight the event loop for Python's lock whenever many tasks end together.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agentbatch-files")
        self._background: set[asyncio.Future[None]] = set()
        self._failure = ""
        self._failed = asyncio.Event()
        folder.lock()
        try:
            if resume:
                self.state = read_state(folder.database)
            else:
                create_database(folder.database)
            self._writer = Writer(folder.database, folder.log, redact)
        except BaseException:
            folder.unlock()
            raise

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Take an event in."""
        seq = self.state.last_seq + event.stored
        event = event.model_copy(update={"seq": seq, "ts": self.clock()})
        task = self.state.apply(event)
        if event.stored:
            self._pending.append(Record(event, task, line(event, self.state, verbose=True)))
            self._commit_soon()
        elif isinstance(event, ModelCallProgressed):
            self._progress[event.task_id] = event
            self._commit_soon()
        for listener in self._listeners:
            listener(event, self.state)

    def _commit_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COMMIT_WITHIN, self._commit)

    def flush(self) -> None:
        """Commit everything emitted so far. Raises OSError when it cannot be written, now or ever again."""
        self._commit()
        if self._failure:
            raise OSError(self._failure)

    async def stored(self) -> None:
        """`flush`, for one of many tasks: those that ask in the same turn of the event loop share a commit."""
        mine = self.state.last_seq
        await asyncio.sleep(0)
        if self._committed < mine or self._failure:
            self.flush()

    def in_background(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        """Run `work`, which writes files, in a thread, after what was given before; `close` waits for it."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._background.add(running)
        running.add_done_callback(self._ended)
        return running

    def checkpoint(self) -> None:
        """Move what was committed from the write-ahead log into the database, in the background."""
        self._since_checkpoint = 0
        self.in_background(self._writer.checkpoint)

    def _ended(self, work: "asyncio.Future[None]") -> None:
        self._background.discard(work)
        error = None if work.cancelled() else work.exception()
        if error is not None:
            self._fail(str(error))

    async def failed(self) -> str:
        """Wait until writing fails, if ever; returns the sentence that says why."""
        await self._failed.wait()
        return self._failure

    async def close(self, *, discard: bool = False) -> None:
        """Commit what is pending, close the files, give the lock back. `discard`: the run leaves no trace."""
        await asyncio.gather(*self._background, return_exceptions=True)
        self._commit()
        await asyncio.to_thread(self._writer.close)
        self._thread.shutdown()
        if discard:  # while nobody else can be at work in it
            await asyncio.to_thread(shutil.rmtree, self.folder.path, ignore_errors=True)
        self.folder.unlock()

    def _commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, self._pending = self._pending, []
        progress, self._progress = self._progress, {}
        if progress and not is_watched(self.folder.path):
            progress = {}
        if not (records or progress) or self._failure:
            return
        try:
            self._writer.commit(records, progress.values())
        except OSError as error:
            self._fail(str(error))
            return
        if records:
            self._committed = records[-1].event.seq
        self._since_checkpoint += len(records)
        if self._since_checkpoint >= CHECKPOINT_EVERY:
            self.checkpoint()

    def _fail(self, cause: str) -> None:
        self._failure = self._failure or f"The run's files cannot be written ({self.folder.path}): {cause}."
        self._failed.set()
