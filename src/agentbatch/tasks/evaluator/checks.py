"""The task's own checks: commands that run after each turn, in turn, until one fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.workspace.workspace import Workspace

VERIFY_TAIL_LINES = 60
"""Lines of a check's output that are kept, from its end."""


@dataclass(frozen=True)
class VerifyResult:
    command: str
    exit_code: int | None
    """None: it did not end within its time."""
    tail: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    @property
    def end(self) -> str:
        return "ran out of time" if self.exit_code is None else f"exit code {self.exit_code}"


async def run_checks(
    commands: Sequence[str],
    workspace: Workspace,
    timeout: float,
    *,
    task_id: str,
    emit: Callable[[e.Event], None],
    redact: Redactor,
) -> list[VerifyResult]:
    """Run the commands in turn, `timeout` seconds each; stop at the first failure."""
    results = []
    for command in commands:
        shown = redact(command)
        emit(e.VerifyStarted(task_id=task_id, command=shown))
        done = await workspace.run(command, timeout)
        result = VerifyResult(shown, done.exit_code, redact(done.tail(VERIFY_TAIL_LINES)), done.seconds)
        emit(
            e.VerifyFinished(
                task_id=task_id,
                command=shown,
                exit_code=result.exit_code,
                tail=result.tail,
                seconds=result.seconds,
            )
        )
        results.append(result)
        if not result.passed:
            break
    return results
