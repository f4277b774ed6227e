"""A coder over a process of the fake agent (fake_acp_agent.py), without an engine."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from agentbatch.tasks.coders.acp.session import AcpSession
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.workspace.workspace import Workspace
from tests.support.external_coder import Stage, stage
from tests.support.paths import CHECKOUT

AGENT = CHECKOUT / "tests" / "support" / "fake_acp_agent.py"


def lives(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be reaped is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Claimed:
    """A workspace that says it has that sandbox."""

    def __init__(self, workspace: Workspace, sandbox: str) -> None:
        self._workspace = workspace
        self.info = replace(workspace.info, sandbox=sandbox)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workspace, name)


def fake_entry(script: Path, **more: Any) -> CoderEntry:
    command = (sys.executable, "-I", "-S", str(AGENT), str(script))
    return CoderEntry.model_validate({"name": "fake", "protocol": "acp", "command": command, **more})


@asynccontextmanager
async def acp_stage(
    tmp_path: Path,
    *turns: Sequence[dict[str, Any]],
    script: dict[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    sandbox: str = "bubblewrap",
    **more: Any,
) -> AsyncIterator[Stage]:
    """`sandbox`: what the workspace says; there is none here. `more`: as `stage` takes it."""
    file = tmp_path / "script.json"
    file.write_text(json.dumps({"turns": turns, **(script or {})}))
    given, most = fake_entry(file, **(entry or {})), replace(TurnLimits(), **(limits or {}))
    claimed = partial(Claimed, sandbox=sandbox)
    async with stage(tmp_path, AcpSession, given, most, claimed=claimed, **more) as made:
        yield made


def update(**fields: Any) -> dict[str, Any]:
    return {"update": fields}
