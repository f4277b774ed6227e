"""Tasks in containers of podman, with images that the tests make themselves."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images.images import ImageRequest, have_images
from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.local_workspaces import LocalTaskWorkspace, LocalWorkspaces
from agentbatch.workspace.tools.toolbox import HANDS
from agentbatch.workspace.workspace import Image, Limits, Order
from tests.support.containers import containers_of, image, podman
from tests.support.workspaces import UNSANDBOXED, rules

TASKS = "project/.agentbatch/runs/r1/tasks"
"""The folder of the run's tasks, in pytest's."""
MakeTask = Callable[..., Awaitable[LocalWorkspace]]
MakePlace = Callable[..., LocalTaskWorkspace]


@pytest.fixture(scope="session")
def engine() -> Engine:
    return podman()


@pytest.fixture
async def task(made: MakePlace) -> MakeTask:
    """As `made`, and starts it."""

    async def start(*words: Any, **given: Any) -> LocalWorkspace:
        return await made(*words, **given).start()

    return start


@pytest.fixture
async def made(engine: Engine, tmp_path: Path) -> AsyncIterator[MakePlace]:
    """A task in `tmp_path/project/task`; `files`: what is in that. Nothing of it is left."""
    async with AsyncExitStack() as stack:

        def make(
            kind: str = "small",
            *,
            workdir: str = "",
            network: bool = False,
            limits: Limits = Limits(),  # noqa: B008 - frozen
            files: dict[str, str] | None = None,
            **given: Any,
        ) -> LocalTaskWorkspace:
            project = tmp_path / "project"
            root = project / "task"
            root.mkdir(parents=True, exist_ok=True)
            for name, text in (files or {}).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            wanted = Image(image(engine, kind), workdir=workdir)
            tried, had = have_images(engine, ImageRequest((wanted,), (limits,), network), print)
            tasks = tmp_path / TASKS
            made = replace(
                rules(tasks, choice=UNSANDBOXED),
                network=network,
                engine=tried,
                images=had,
                hidden_dirs=(root, project / ".agentbatch"),
            )
            run = LocalWorkspaces("r1", tasks, dict(os.environ), made, secret_names=(), redact=Redactor([]))
            stack.push_async_callback(run.close)
            order = Order(
                **{
                    "task_id": "t",
                    "directory": str(root),
                    "isolation": "none",
                    "env": {},
                    "tools": tuple(HANDS),
                    "command_timeout": 60.0,
                    "limits": limits,
                    "image": wanted,
                    **given,
                }
            )
            place = run.make(order)
            stack.push_async_callback(place.close)
            return place

        yield make
    assert containers_of(tmp_path / TASKS) == []
