"""A batch of plain requests in a folder, made with the real store."""

from datetime import datetime
from pathlib import Path
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.usage import Usage
from tests.runs.stored_runs import begin

NEW_YEAR = datetime(2026, 1, 1)


async def requests_run(
    base: Path, when: datetime = NEW_YEAR, *, ok: int = 3, failed: int = 1, total: int = 5, error: str = "",
    interrupted: bool = False, **info: Any,
) -> RunFolder:  # fmt: skip
    """A batch that has ended, with so many requests answered."""
    told = {"kind": "requests", "output": str(base / "out.jsonl"), "judged": False, "evaluator_model": "none"}
    store = begin(base, 0, when, **{**told, "total_tasks": total, **info})
    usage = Usage(input=1_000, output=50, calls=ok)
    store.emit(
        e.RequestsProgressed(total=total, ok=ok, failed=failed, usage=usage, cost=0.25, worth_a_line=True)
    )
    store.emit(e.RunFinished(interrupted=interrupted, error=error))
    await store.close()
    return store.folder
