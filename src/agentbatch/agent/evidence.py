"""What the judge sees: facts gathered from the directory and the commands, fenced against what they say."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from agentbatch.tools.base import CommandRecord
from agentbatch.workspace.diff import tree, unified_diff
from agentbatch.workspace.file_diff import quoted
from agentbatch.workspace.snapshot import Snapshot

SHOWN_COMMANDS = 30
SHOWN_COMMAND_TAIL = 1500
"""Characters of each command's output; the latest command may show LATEST_COMMAND_TAIL."""
LATEST_COMMAND_TAIL = 6000
LONGEST_CLAIM = 6000
LONGEST_VERIFY_TAIL = 6000


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


@dataclass(frozen=True)
class Evidence:
    """One iteration's evidence."""

    iteration: int
    max_iterations: int
    task: str
    before: Snapshot
    """The directory when the task began."""
    after: Snapshot
    commands: Sequence[CommandRecord]
    verify: Sequence[VerifyResult]
    tampering: Sequence[str]
    missing_before: Sequence[str]
    turn_end: str
    claim: str

    def variables(self, diff_characters: int) -> dict[str, object]:
        """The values for prompts/evidence.md. A fresh nonce each time, so that no text can close the fence."""
        return {
            "nonce": f"data-{secrets.token_hex(8)}",
            "iteration": self.iteration,
            "max_iterations": self.max_iterations,
            "task": self.task,
            "missing_before": list(self.missing_before),
            "tree": tree(self.after) or "(no files)",
            "diff": unified_diff(self.before, self.after, diff_characters) or "(no changes)",
            "commands": _commands(self.commands),
            "verify": "\n\n".join(_verify(result) for result in self.verify),
            "tampering": [quoted(path) for path in self.tampering],
            "turn_end": self.turn_end,
            "claim": _end(self.claim, LONGEST_CLAIM) or "(nothing)",
        }


def _commands(records: Sequence[CommandRecord]) -> str:
    if not records:
        return "(none)"
    left_out = len(records) - SHOWN_COMMANDS
    lines = [f"({left_out} earlier commands left out)"] if left_out > 0 else []
    shown = records[-SHOWN_COMMANDS:]
    for place, record in enumerate(shown):
        limit = LATEST_COMMAND_TAIL if place == len(shown) - 1 else SHOWN_COMMAND_TAIL
        code = "killed" if record.exit_code is None else f"exit {record.exit_code}"
        lines.append(f"$ {_end(record.command, 2000)}\n{_end(record.tail, limit)}\n[{code}]")
    return "\n\n".join(lines)


def _verify(result: VerifyResult) -> str:
    return f"$ {result.command}\n{_end(result.tail, LONGEST_VERIFY_TAIL)}\n[{result.end}]"


def _end(text: str, limit: int) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"[... {len(text) - limit} characters left out]\n{text[-limit:]}"
