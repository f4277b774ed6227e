"""What the judge sees: facts gathered from the directory and the commands, fenced against what they say."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.workspace.files.diff import changes, tree, unified_diff
from agentbatch.workspace.files.file_diff import quoted
from agentbatch.workspace.workspace import CommandRecord, Snapshot

SHOWN_COMMANDS = 30
SHOWN_COMMAND_TAIL = 1500
"""Characters of each command's output; the latest command may show LATEST_COMMAND_TAIL."""
LATEST_COMMAND_TAIL = 6000
MAX_CLAIM = 6000
MAX_VERIFY_TAIL = 6000

SHORT_DIFF = 3000
"""Characters of changes that are shown to a weak judge without the list of files."""

SHORT_COMMAND = 160
"""Characters of a command that a weak judge is shown."""


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
    verify: Sequence[CheckResult]
    tampering: Sequence[str]
    missing_before: Sequence[str]
    turn_end: str
    claim: str

    def pieces(self, diff_characters: int, *, weak_model: bool = False) -> dict[str, str]:
        """What may be cut to fit a small context window, by the names that prompts/evidence.md gives them. A weak
        model is not shown at length what passing checks and commands say."""
        diff = unified_diff(self.before, self.after, diff_characters).rstrip("\n")
        commands = _latest_command(self.commands, self.verify) if weak_model else _commands(self.commands)
        return {
            "verify": "\n".join(_verify(result, weak_model) for result in self.verify),
            "tampering": _items(quoted(path) for path in self.tampering),
            "diff": diff,
            "commands": commands,
            "claim": _end(self.claim, MAX_CLAIM),
            "missing_before": _items(self.missing_before),
            "tree": ""
            if weak_model and self._all_shown(diff)
            else tree(self.after)
            if self.after.files
            else "",
        }

    def _all_shown(self, diff: str) -> bool:
        """The changes are short and name every file there is: a list of these would say nothing more."""
        touched = changes(self.before, self.after)
        named = {*touched.added, *touched.modified}
        return len(diff) <= SHORT_DIFF and bool(diff) and set(self.after.files) <= named

    def variables(self, pieces: Mapping[str, str]) -> dict[str, object]:
        """The values for prompts/evidence.md. A fresh nonce each time, so that no text can close the fence."""
        return {
            **pieces,
            "nonce": _nonce((self.task, *pieces.values())),
            "iteration": self.iteration,
            "max_iterations": self.max_iterations,
            "task": self.task,
            "missing_before": pieces["missing_before"].splitlines(),
            "tampering": pieces["tampering"].splitlines(),
            "turn_end": self.turn_end,
        }


def _nonce(texts: Iterable[str]) -> str:
    """Six letters that occur in none of the texts: fewer tokens than as many hexadecimal digits."""
    while True:
        nonce = "".join(secrets.choice(ascii_lowercase) for _ in range(6))
        if not any(nonce in text for text in texts):
            return nonce


def _items(items: Iterable[str]) -> str:
    """One item a line, a line each."""
    return "\n".join(" ".join(item.split()) for item in items)


def _commands(records: Sequence[CommandRecord]) -> str:
    left_out = len(records) - SHOWN_COMMANDS
    lines = [f"({left_out} earlier commands left out)"] if left_out > 0 else []
    shown = records[-SHOWN_COMMANDS:]
    for place, record in enumerate(shown):
        limit = LATEST_COMMAND_TAIL if place == len(shown) - 1 else SHOWN_COMMAND_TAIL
        code = "killed" if record.exit_code is None else f"exit {record.exit_code}"
        lines.append(_run(_end(record.command, 2000), _end(record.tail, limit), code))
    return "\n".join(lines)


def _latest_command(records: Sequence[CommandRecord], verify: Sequence[CheckResult]) -> str:
    """The latest command, in short; none where the task's own checks have passed, which say more."""
    if any(result.ran for result in verify) and all(result.passed for result in verify):
        return ""
    latest = [replace(record, command=shortened(record.command, SHORT_COMMAND)) for record in records[-1:]]
    return _commands(latest)


def _verify(result: CheckResult, weak_model: bool) -> str:
    command = shortened(result.command, SHORT_COMMAND) if weak_model else result.command
    return _run(command, _end(result.tail, MAX_VERIFY_TAIL), result.end)


def _run(command: str, output: str, end: str) -> str:
    return "\n".join(part for part in (f"$ {command}", output, f"[{end}]") if part)


def _end(text: str, limit: int) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"[... {len(text) - limit} characters left out]\n{text[-limit:]}"
