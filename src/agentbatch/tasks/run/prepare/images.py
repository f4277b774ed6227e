"""The container images of a run's tasks: had before anything is spent."""

import asyncio
from dataclasses import replace
from functools import partial

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.workspace.preparation import have_images


async def with_images(prepared: PreparedRun, store: Store) -> PreparedRun:
    """Pulled where they are missing, and each tried. Raises UserError."""
    if prepared.engine is None:
        return prepared
    loop = asyncio.get_running_loop()

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(lambda: store.emit(e.Notice(text=store.redact(text), warning=False)))

    images = [task.image for task in prepared.plan.tasks if task.image is not None]
    limits = [task.limits for task in prepared.plan.tasks]
    network = not prepared.settings.no_network
    try:
        engine, had = await asyncio.to_thread(
            partial(have_images, prepared.engine, images, limits, network, tell)
        )
    except OSError as error:
        raise UserError(str(error)) from None
    return replace(prepared, engine=engine, images=had)
