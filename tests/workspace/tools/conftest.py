"""A workspace as a task has it."""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.tools.base import ToolResult
from agentbatch.workspace.tools.toolbox import TOOLS, dispatch
from agentbatch.workspace.workspace import Workspace

Call = Callable[..., Awaitable[ToolResult]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "task"
    root.mkdir()
    outputs = tmp_path / "outputs"
    shell = Shell(root, Sandbox("none"), shell_environment(os.environ, {}, ()), outputs)
    return Workspace(root, shell, outputs)


@pytest.fixture
def call(workspace: Workspace) -> Call:
    """Calls a tool as a model does: its name and arguments as JSON."""

    async def run(name: str, **arguments: Any) -> ToolResult:
        return await dispatch(TOOLS, name, json.dumps(arguments), workspace)

    return run
