"""`hidden_verify`: commands that say in the end whether a task is solved. No model sees them, or what they print."""

from collections.abc import Sequence
from itertools import chain

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.workspace.files.compiled import CLEARING
from agentbatch.workspace.workspace import Workspace

TAIL_LINES = 60


async def hidden_verify(
    task_id: str, workspace: Workspace, commands: Sequence[str], timeout: float, redact: Redactor
) -> e.HiddenVerified:
    """Run in a throw-away copy of the directory, until one fails, or takes longer than `timeout` seconds. Raises
    UserError, OSError."""
    fork = await workspace.fork()
    try:
        # What the coder's programs have compiled stands for no hidden test.
        for command in chain.from_iterable((CLEARING, command) for command in commands):
            done = await fork.run(command, timeout)
            if done.exit_code != 0:
                late = f"\n(not ended after {timeout:g} s)" if done.exit_code is None else ""
                tail = redact(done.tail(TAIL_LINES)) + late
                return e.HiddenVerified(
                    task_id=task_id, passed=False, command=redact(command), tail=tail.strip()
                )
        return e.HiddenVerified(task_id=task_id, passed=True)
    finally:
        await fork.close()
