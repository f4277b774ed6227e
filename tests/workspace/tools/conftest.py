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
from agentbatch.workspace.tools.base import ToolDirectory
from agentbatch.workspace.tools.toolbox import HANDS, dispatch
from agentbatch.workspace.workspace import ToolResult

Call = Callable[..., Awaitable[ToolResult]]


@pytest.fixture
def directory(tmp_path: Path) -> ToolDirectory:
    root = tmp_path / "task"
    root.mkdir()
    outputs = tmp_path / "outputs"
    shell = Shell(root, Sandbox("none"), shell_environment(os.environ, {}, ()), outputs)
    return ToolDirectory(root, shell, outputs)


@pytest.fixture
def call(directory: ToolDirectory) -> Call:
    """Calls a tool as a model does: its name and arguments as JSON."""

    async def run(name: str, **arguments: Any) -> ToolResult:
        return await dispatch(HANDS, name, json.dumps(arguments), directory)

    return run
