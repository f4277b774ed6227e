"""What a person's shell has started ends with it, however it hides."""

import asyncio
import os
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.walls import WrappedCommand
from agentbatch.workspace.shell.guard import AVAILABLE, Guard
from agentbatch.workspace.visiting import terminal
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="Linux alone has what the guard needs")

HIDES = "(trap '' HUP TERM; exec setsid env -i sleep 600) & echo $! > pid"


@pytest.mark.parametrize("end", ["exit", "cancelled"])
async def test_what_it_has_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(terminal, "HANGS", 0.05)
    script = f"trap '' HUP TERM; {HIDES}; " + ("exit 3" if end == "exit" else "wait")
    guard = Guard("a-mark-of-its-own", os.environ)
    wrapped = WrappedCommand(["bash", "-c", script], {"PATH": os.environ["PATH"]})
    try:
        shell = asyncio.create_task(terminal.attend(wrapped, str(tmp_path), guard))
        pid = tmp_path / "pid"
        await until(lambda: pid.exists() and pid.read_text().strip())
        if end == "exit":
            assert await shell == 3
        else:
            shell.cancel()
            await asyncio.wait({shell})
            assert shell.cancelled()
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
    finally:
        guard.close()
