"""Going in loops within a turn: which pattern, how often, and when enough is enough. Pure."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from agentbatch.files import json_object
from agentbatch.model.reply import ToolCall
from agentbatch.tasks.agents.error_lines import ErrorPlace, failure_key, find_error
from agentbatch.tasks.coders.coder import LoopPattern
from agentbatch.workspace.workspace import CommandRecord, FileRecord, ToolResult

NUDGE_AT: Mapping[LoopPattern, int] = MappingProxyType(
    {"failing_command": 3, "failing_edit": 2, "same_content": 1, "back_and_forth": 2, "repeat": 3}
)
"""How often a pattern is seen before the coder is nudged; in the order of their weight."""

NOWHERE = ErrorPlace()

PATIENCE = 2
"""How often more before the turn ends."""


@dataclass(frozen=True)
class Loop:
    """A pattern as the latest step leaves it."""

    pattern: LoopPattern
    count: int
    subject: str
    """The command, the path, or the tools of the step."""
    spot: ErrorPlace = NOWHERE
    """The error of the latest command, where it failed."""
    counted: str = ""
    """What the count is of, where the subject alone does not say it: the edit, the content."""
    stuck: bool = False
    """The coder was nudged and continued all the same: the turn ends."""


class LoopDetector:
    """Watches one turn. `root` is the directory in which the coder works."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._steps: list[bytes] = []
        self._failures: dict[str, tuple[str, int]] = {}
        """By command: how it failed last, and how often in a row it has failed so."""
        self._spot = NOWHERE
        self._edits: dict[str, int] = defaultdict(int)
        """By edit: how often it has failed."""
        self._unchanged: dict[str, int] = defaultdict(int)
        """By path and content: how often the file held it already."""
        self._contents: dict[str, set[str]] = defaultdict(set)
        """By path: the digests of what was written to it."""
        self._returns: dict[str, int] = defaultdict(int)
        """By path: how many writes in a row have brought back an earlier content."""
        self._nudged: dict[tuple[LoopPattern, str], tuple[int, int]] = {}
        """The patterns that the coder was nudged about, with their count and the number of steps then."""

    def observe(self, step: Sequence[tuple[ToolCall, ToolResult]]) -> Loop | None:
        """Take in the calls of one reply with their results; the pattern to act on, if any.

        Where a step completes several, the first in the order of NUDGE_AT stands for all of them.
        """
        self._steps.append(_fingerprint(step))
        found = [loop for call, result in step for loop in self._seen(call, result)]
        if not any(loop.count >= NUDGE_AT[loop.pattern] for loop in found):
            rounds = rounds_in_a_row(self._steps[::-1])
            names = ", ".join(dict.fromkeys(call.name for call, _ in step))
            found.append(Loop("repeat", rounds, names, counted="step"))
        due = [due for loop in found if (due := self._due(loop)) is not None]
        order = list(NUDGE_AT)
        return min(due, key=lambda c: (not c.stuck, order.index(c.pattern)), default=None)

    def _due(self, loop: Loop) -> Loop | None:
        """The loop when the coder is to be nudged about it, or when that did not help."""
        key = (loop.pattern, loop.counted or loop.subject)
        if loop.count < NUDGE_AT[loop.pattern]:
            self._nudged.pop(key, None)
            return None
        if key not in self._nudged:
            self._nudged[key] = (loop.count, len(self._steps))
            return loop
        count, steps = self._nudged[key]
        if steps < len(self._steps) and loop.count >= count + PATIENCE:
            return replace(loop, stuck=True)
        return None

    def _seen(self, call: ToolCall, result: ToolResult) -> Iterable[Loop]:
        if result.command is not None:
            yield self._command(result.command)
        if call.name == "edit_file" and not result.ok and not result.invalid:
            edit = _canonical(call.arguments)
            self._edits[edit] += 1
            yield Loop("failing_edit", self._edits[edit], _path(call.arguments), counted=edit)
        if result.file is not None:
            yield self._file(result.file)

    def _command(self, record: CommandRecord) -> Loop:
        command = " ".join(record.command.split())
        if record.exit_code == 0:
            self._failures.pop(command, None)
            self._spot = NOWHERE
            return Loop("failing_command", 0, command)
        key = failure_key(record.exit_code, record.tail)
        before, count = self._failures.get(command, ("", 0))
        count = count + 1 if key == before else 1
        self._failures[command] = (key, count)
        self._spot = find_error(record.tail, self._root)
        return Loop("failing_command", count, command, self._spot)

    def _file(self, record: FileRecord) -> Loop:
        if record.unchanged:
            content = f"{record.path}\0{record.digest}"
            self._unchanged[content] += 1
            return Loop("same_content", self._unchanged[content], record.path, self._spot, content)
        known = self._contents[record.path]
        back = record.digest in known
        self._returns[record.path] = self._returns[record.path] + 1 if back else 0
        known.add(record.digest)
        return Loop("back_and_forth", self._returns[record.path], record.path, self._spot)


def rounds_in_a_row(steps: Sequence[bytes]) -> int:
    """How often the latest step, or the latest two in turn, came in a row. `steps`: the latest first."""
    return max(_prefix(steps, steps[:1]), _prefix(steps, steps[:2]) // 2)


def _prefix(steps: Sequence[bytes], cycle: Sequence[bytes]) -> int:
    """How many of the first steps are those of `cycle`, in turn."""
    return next((n for n, step in enumerate(steps) if step != cycle[n % len(cycle)]), len(steps))


def _fingerprint(step: Sequence[tuple[ToolCall, ToolResult]]) -> bytes:
    digest = hashlib.sha256()
    for call, result in step:
        # A command's text has its seconds in it, which differ from run to run.
        command = result.command
        seen = f"{command.exit_code}\0{command.tail}" if command else result.text
        for part in (call.name, call.arguments, seen):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest()


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _path(arguments: str) -> str:
    return str((json_object(arguments) or {}).get("path", ""))
