"""Commands from other processes reach what runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from agentbatch.runs import events as e
from agentbatch.runs.control.commands import CommandQueue
from agentbatch.runs.control.control import Control, Controllable
from agentbatch.runs.store.store import Store


@asynccontextmanager
async def serve_commands(store: Store, engine: Controllable) -> AsyncIterator[None]:
    """`stop`, `pause` and the like are carried out on `engine` for as long as this lasts."""
    with closing(CommandQueue(store.folder.database)) as queue:
        control = asyncio.ensure_future(Control(queue, engine).run())

        def ended(control: "asyncio.Future[None]") -> None:
            error = None if control.cancelled() else control.exception()
            if error is not None:  # a bug of ours must not end the run
                store.emit(e.Notice(text=store.redact(f"Commands are not taken any more: {error!r}")))

        control.add_done_callback(ended)
        try:
            yield
        finally:
            control.cancel()
            await asyncio.wait({control})
