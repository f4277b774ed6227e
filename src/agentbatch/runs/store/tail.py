"""Following a run through its database: a viewer folds the same events with the same reducer as the engine."""

import sqlite3
import time
from collections.abc import Callable

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import RunCondition, condition
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import load_events, load_progress, load_state, load_task, open_database
from agentbatch.runs.store.stored_json import DAMAGE
from agentbatch.runs.store.viewers import MARK_EVERY, mark_watched
from agentbatch.text import clip

MAX_AT_ONCE = 500
"""Events that one look takes: some 20 ms. A viewer that has fallen behind catches up in several looks."""


class RunTail:
    """A run of this machine, as it is and as it develops. Reads only, but for the mark that it is watched.

    Tasks come without what was said in them (`load_state(outline=True)`); `task` reads one whole.
    """

    def __init__(self, folder: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises UserError when there is no run, or none that can be read."""
        self.folder = folder
        self._clock = clock
        self._marked = float("-inf")
        self._connection = open_database(folder.database)
        self._progress: dict[str, e.Event] = {}
        self.holder = holder(folder)
        """Who works on the run; empty: no engine does."""
        try:
            self.state: RunState = load_state(self._connection, outline=True)
            row = self._connection.execute("SELECT ts FROM events ORDER BY seq LIMIT 1").fetchone()
            last = self._connection.execute("SELECT ts FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        except DAMAGE as error:
            self._connection.close()
            raise _unreadable(folder, error) from None
        self.begun: float = row[0] if row else 0.0
        """Epoch second of the run's first event; 0 when it has none."""
        self.last: float = last[0] if last else 0.0
        """Of its latest event."""

    @property
    def title(self) -> str:
        """Names the run on a screen: its id."""
        return self.folder.run_id

    @property
    def alive(self) -> bool:
        """An engine works on it."""
        return bool(self.holder)

    @property
    def condition(self) -> RunCondition:
        return condition(self.state, held=self.alive)

    def poll(self, most: int = MAX_AT_ONCE) -> list[e.Event]:
        """What has come up since the last look, in order, at most `most` events and what streams in; each is folded
        into `state`. Empty: nothing new. Raises UserError when the database cannot be read any more."""
        held = holder(self.folder)  # before the look: what an engine wrote last is found after its end
        try:
            events = load_events(self._connection, self.state.last_seq, most)
            streaming = load_progress(self._connection) if held else []
        except sqlite3.OperationalError:
            return []  # busy: the next look finds it
        except DAMAGE as error:
            raise _unreadable(self.folder, error) from None
        self._mark()
        try:
            for event in events:
                self.state.apply(event)
        except DAMAGE as error:
            raise _unreadable(self.folder, error) from None
        if events:
            self.last = events[-1].ts
            self.begun = self.begun or events[0].ts
        if len(events) < most:
            self.holder = held
        return [*events, *(event for event in streaming if self._stream(event))]

    def task(self, task_id: str) -> TaskState | None:
        """One task with all that was said in it; at most 0.2 s old. Raises UserError."""
        try:
            return load_task(self._connection, task_id)
        except DAMAGE as error:
            raise _unreadable(self.folder, error) from None

    def close(self) -> None:
        self._connection.close()

    def _mark(self) -> None:
        now = self._clock()
        if self.holder and now - self._marked >= MARK_EVERY:
            self._marked = now
            mark_watched(self.folder.path)

    def _stream(self, event: e.Event) -> bool:
        """Fold it in, unless it is known or its call is over."""
        if not isinstance(event, e.ModelCallProgressed) or self._progress.get(event.task_id) == event:
            return False
        self._progress[event.task_id] = event
        task = self.state.by_id.get(event.task_id)
        if (
            task is None
            or task.activity.kind not in ("generating", "judging", "preparing")
            or event.ts < task.activity.since
        ):
            return False
        self.state.apply(event.model_copy(update={"seq": self.state.last_seq}))
        return True


def _unreadable(folder: RunFolder, error: Exception) -> UserError:
    return UserError(f"{folder.database} cannot be read: {clip(str(error), 200)}.")
