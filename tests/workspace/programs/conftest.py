"""Workspaces with a program's HOME, and ways to talk with one."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.guard import Guard
from tests.support.workspaces import local_workspace

MakeWorkspace = Callable[..., LocalWorkspace]


@pytest.fixture
async def make_workspace(
    choice: SandboxChoice, root: Path, tmp_path: Path, guard: Guard
) -> AsyncIterator[MakeWorkspace]:
    made = []

    def make(**given: object) -> LocalWorkspace:
        given = {"choice": choice, "guard": guard, **given}
        made.append(local_workspace(root, tmp_path / "run/outputs", **given))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for workspace in made:
        await workspace.close()


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> LocalWorkspace:
    return make_workspace()
