"""The container images of a run's tasks: had before anything is spent."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import RESULTS_FILES, PreparedRun
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.workspace.workspace import Image

if TYPE_CHECKING:
    from agentbatch.workspace.images import ImageRequest


async def with_images(prepared: PreparedRun, store: Store) -> PreparedRun:
    """Pulled or built where they are missing, and each tried. Raises UserError."""
    if prepared.engine is None:
        return prepared
    from agentbatch.workspace.images import have_images

    loop = asyncio.get_running_loop()

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(lambda: store.emit(e.Notice(text=store.redact(text), warning=False)))

    try:
        engine, had = await asyncio.to_thread(have_images, prepared.engine, wanted(prepared), tell)
    except OSError as error:
        raise UserError(str(error)) from None
    return replace(prepared, engine=engine, images=had)


def wanted(prepared: PreparedRun) -> "ImageRequest":
    """Pure."""
    from agentbatch.workspace.images import ImageRequest

    tasks = with_attempts(prepared.plan).tasks
    programs: dict[Image, set[str]] = defaultdict(set)
    for task in tasks:
        if task.image is not None:
            programs[task.image].update(
                prepared.programs[name] for name in task.coders if name in prepared.programs
            )
    return ImageRequest(
        images=tuple(task.image for task in tasks if task.image is not None),
        limits=tuple(task.limits for task in tasks),
        network=not prepared.settings.no_network,
        programs={image: frozenset(names) for image, names in programs.items()},
        hidden=(*prepared.env_files, *prepared.hidden_files),
        apart=(
            *(task.root for task in tasks),
            prepared.results_file,
            *(prepared.folder / name for name in RESULTS_FILES.values()),
        ),
    )
