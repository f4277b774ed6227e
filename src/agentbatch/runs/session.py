"""One session of a run: what both products open before their engine works, and close behind it."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import SecretStr

from agentbatch import __version__
from agentbatch.config.alerts import read_alert
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.control.control import Controllable, serve_commands
from agentbatch.runs.folder import RunFolder, create_run_folder, one_at_a_time, refuse_overlap
from agentbatch.runs.garbage import gc_seldom
from agentbatch.runs.services.alerts import AlertWatch
from agentbatch.runs.services.notify import Notifier
from agentbatch.runs.state.run_state import seconds_at_work
from agentbatch.runs.store.store import Listener, Store
from agentbatch.runs.telemetry.requested import asked_for, open_port

if TYPE_CHECKING:
    from agentbatch.runs.telemetry.telemetry import Telemetry


class Engine(Protocol):
    """What works on a run, as far as signals and its session need it."""

    @property
    def run_folder(self) -> Path:
        """Where the run's files are."""
        ...

    def signal(self) -> None:
        """First call (Ctrl-C): nothing new starts, what runs ends first. Second call: stop at once."""
        ...

    def abort(self, cause: str) -> None:
        """Stop for this cause, a sentence: whatever runs on cannot be recorded, or cannot succeed."""
        ...


class RunSession(NamedTuple):
    """An open run: its folder is locked, its store takes events."""

    store: Store
    before: e.RunStarted | None
    """What the run's latest session said when it began; None: the run is new."""
    was_killed: bool
    """That session ended without a word."""
    notifier: Notifier
    telemetry: "Telemetry | None"
    """None: nobody asked for it."""

    @property
    def folder(self) -> RunFolder:
        return self.store.folder

    def identity(self) -> dict[str, Any]:
        """The fields of this session's `RunStarted` that are the same for every kind of run."""
        return {
            "run_id": self.folder.run_id,
            "session": self.before.session + 1 if self.before else 1,
            "seconds_before": seconds_at_work(self.store.state) if self.before else 0.0,
            "version": __version__,
        }

    @asynccontextmanager
    async def serving(self, engine: Engine, commands: Controllable) -> AsyncIterator[None]:
        """Commands from outside are carried out for as long as this lasts. A run whose files cannot be written is
        stopped: unrecorded work is money spent on nothing."""

        async def watch() -> None:
            engine.abort(await self.store.failed())

        watcher = asyncio.ensure_future(watch())
        try:
            async with serve_commands(self.store, commands):
                yield
        finally:
            watcher.cancel()

    def flush(self) -> None:
        """Commit what was emitted; a failure has been noticed and reported: what is known is written all the same."""
        with suppress(OSError):
            self.store.flush()


@asynccontextmanager
async def open_session(
    base: Path,
    resumed: RunFolder | None,
    redact: Redactor,
    *,
    roots: Collection[Path] = (),
    listeners: Sequence[Listener] = (),
    notify: Sequence[SecretStr] = (),
    alerts: Sequence[str] = (),
    environ: Mapping[str, str] = MappingProxyType({}),
    metrics_port: int | None = None,
    results: Path,
) -> AsyncIterator[RunSession]:
    """A new run below `base`, or the one that is `resumed`. `roots`: the directories that it works in; `results`: the
    file that notifications name; `environ`: what of OpenTelemetry is asked for. A run that is refused before anything
    happened in it leaves no trace. Raises UserError."""
    asked = asked_for(environ, metrics_port)
    async with AsyncExitStack() as stack:
        stack.enter_context(gc_seldom())
        # What the other has locked is seen, also where both start in the same moment.
        with one_at_a_time(base):
            if roots:
                refuse_overlap(base, roots, resumed)
            store = _open_store(base, resumed, redact, roots)
            stack.push_async_callback(_close, store, is_new=resumed is None)
            if resumed is not None:
                _write_roots(resumed, roots)
                store.checkpoint()  # what a kill has left in the log is gone through at every opening
        for listener in listeners:
            store.listen(listener)
        notifier = Notifier(notify, store, results)
        store.listen(notifier)
        stack.push_async_callback(notifier.finish)
        telemetry = None
        if asked.anything or asked.notices:
            from agentbatch.runs.telemetry.telemetry import Telemetry

            telemetry = Telemetry(asked, store, environ)
            with open_port(asked) as port:
                await telemetry.start(port)
            store.listen(telemetry)
            stack.push_async_callback(telemetry.finish)
        if alerts:
            store.listen(AlertWatch([read_alert(text) for text in alerts], store, notifier))
        before = store.state.info
        was_killed = before is not None and store.state.finished is None
        yield RunSession(store, before, was_killed, notifier, telemetry)


def _open_store(base: Path, resumed: RunFolder | None, redact: Redactor, roots: Collection[Path]) -> Store:
    folder = resumed or create_run_folder(base, datetime.now(), roots)
    try:
        return Store(folder, redact, resume=resumed is not None)
    except (OSError, sqlite3.Error) as error:  # a full disk, a lock that lasts
        if resumed is None:
            _discard(folder)
        raise UserError(f"The run's files cannot be written ({folder.path}): {error}.") from None


def _discard(folder: RunFolder) -> None:
    """Remove a folder that was just made, unless somebody works in it already."""
    with suppress(UserError):
        with suppress(OSError):
            folder.lock()
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.unlock()


def _write_roots(folder: RunFolder, roots: Collection[Path]) -> None:
    try:
        folder.write_roots(roots)
    except OSError as error:
        raise UserError(
            f"The run's folder {folder.path} cannot be written to: {error.strerror or error}."
        ) from None


async def _close(store: Store, *, is_new: bool) -> None:
    await store.close(discard=is_new and store.state.last_seq == 0)
