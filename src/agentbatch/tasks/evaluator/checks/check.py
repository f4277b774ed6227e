"""What a check of the work is: its result, what it is given, how its commands run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.check_words import last_said
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.text import clip
from agentbatch.workspace.files.compiled import clearing
from agentbatch.workspace.files.diff.diff import Changes, changes
from agentbatch.workspace.workspace import CommandResult, Protected, Snapshot, Workspace

CLEAR_TIMEOUT = 60.0
"""Seconds for removing compiled Python."""
MAX_TASK = 200_000
"""Characters of a task that checks look at."""
TAIL_LINES = 60
"""Lines of a check's output that are kept, from its end."""
MAX_SAID = 200
"""Cells kept of the last line that a failed check printed."""


@dataclass(frozen=True)
class CheckResult:
    """One check of one iteration's work. Texts are without keys."""

    command: str
    """The command that ran; else what was looked at, in words."""
    exit_code: int | None
    """None: it did not end within its time."""
    tail: str
    """The end of what it printed; of a failure that no command told, what is wrong, in words."""
    seconds: float
    kind: e.CheckKind = "verify"
    requirement: str = ""
    """What of the task it is for, where that is known."""
    binding: bool = True
    """Its failure forbids acceptance, whatever a judge says; else it is evidence."""
    ran: bool = True
    """It executed the work, and did not only look at it."""
    told: str = ""
    """What the coder is told of its failure, in place of command and output."""
    note: str = ""
    """What became of it, for people, e.g. that the judge found it wrong."""
    details: str = ""
    """What exactly it asked for, where `command` is a name in words: for those who read the results."""
    overruled: bool = False
    """The check itself turned out to be wrong: its failure says nothing."""

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    @property
    def end(self) -> str:
        return "ran out of time" if self.exit_code is None else f"exit code {self.exit_code}"

    @property
    def line(self) -> e.CheckLine:
        """In short, as it is stored."""
        return e.CheckLine(
            kind=self.kind,
            command=f"{self.command}: {self.details}" if self.details else self.command,
            passed=self.passed,
            requirement=self.requirement,
            note=self.note,
            said="" if self.passed else clip(last_said(self.tail), MAX_SAID),
            counts=self.passed or (not self.overruled and (self.binding or self.kind == "own")),
        )


def refs_of(results: Sequence[CheckResult]) -> list[str]:
    """What the judge calls each of them: `V1` the first verify command, `K1` the first of the others."""
    counts = {"V": 0, "K": 0}
    refs = []
    for result in results:
        letter = "V" if result.kind == "verify" else "K"
        counts[letter] += 1
        refs.append(f"{letter}{counts[letter]}")
    return refs


class CheckRunner:
    """Runs the commands of one task's checks, in the task's own directory or a copy of it, and reports each."""

    def __init__(
        self,
        task_id: str,
        emit: Callable[[e.Event], None],
        redact: Redactor,
        workspace: Workspace,
        protected: Protected | None = None,
    ) -> None:
        """`protected`: files that are as they were before each command in `workspace`."""
        self.workspace = workspace
        self.redact = redact
        self._task_id = task_id
        self._emit = emit
        self._protected = protected
        self.tampered: set[str] = set()
        """Protected paths that had been changed when a command was to begin."""

    async def run(
        self,
        command: str,
        timeout: float,
        kind: e.CheckKind,
        *,
        shown: str = "",
        requirement: str = "",
        fork: Workspace | None = None,
    ) -> tuple[CheckResult, CommandResult]:
        """One command, `timeout` seconds at most, in the task's directory or in `fork`, a copy of it. `shown`: what
        people, judge and coder see in the place of the command. The second of the pair has its whole output."""
        name = self.redact(shown or command)
        self.started(kind, name)
        done = await self.execute(command, timeout, fork)
        tail = self.redact(done.tail(TAIL_LINES))
        result = CheckResult(name, done.exit_code, tail, done.seconds, kind, self.redact(requirement))
        self.finished(result)
        return result, done

    async def execute(self, command: str, timeout: float, fork: Workspace | None = None) -> CommandResult:
        """One command, of which nothing is reported."""
        place = fork or self.workspace
        await self.put_back(place)
        return await place.run(command, timeout)

    async def put_back(self, place: Workspace) -> None:
        """Protected files, as they were."""
        if self._protected is not None:
            self.tampered.update(await place.restore(self._protected))

    def silent(self) -> "CheckRunner":
        """One that reports nothing."""
        return CheckRunner(self._task_id, lambda _: None, self.redact, self.workspace, self._protected)

    def started(self, kind: e.CheckKind, name: str) -> None:
        self._emit(e.CheckStarted(task_id=self._task_id, kind=kind, command=name))

    def finished(self, result: CheckResult) -> None:
        self._emit(
            e.CheckFinished(
                task_id=self._task_id,
                kind=result.kind,
                command=result.command,
                exit_code=result.exit_code,
                tail=result.tail,
                seconds=result.seconds,
                requirement=result.requirement,
            )
        )

    def notice(self, text: str) -> None:
        """Something of the checks that a person should know; not a warning."""
        self._emit(e.Notice(task_id=self._task_id, text=self.redact(text), warning=False))


@dataclass(frozen=True)
class Work:
    """One iteration's work, as its checks see it."""

    iteration: int
    before: Snapshot
    """The directory when the task began."""
    after: Snapshot
    """As it is."""
    runner: CheckRunner
    conversation: int = 0
    """How often the coder had begun a new one."""

    @property
    def workspace(self) -> Workspace:
        return self.runner.workspace

    @property
    def changes(self) -> Changes:
        return changes(self.before, self.after)

    async def clear(self, timeout: float) -> CheckResult | None:
        """None: nothing that was compiled stands for a source any more."""
        command = clearing(self.before, self.after)
        if not command:
            return None
        done = await self.workspace.run(command, timeout)
        if done.exit_code is not None:
            return None
        text = "Compiled Python could not be removed in time, and a check would run it. Remove all __pycache__ folders."
        return CheckResult(
            "no compiled Python stands for a source", 1, text, done.seconds, "sound", ran=False, told=text
        )


class CheckSource(Protocol):
    """One kind of checks of one task. Errors as of Evaluator; what goes wrong in a check is a result."""

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        """Once, before the coder's first turn. Returns what a resumed task has to know of it, as JSON; `start.record`
        has that of an earlier session under this source's name, and then nothing is asked or run again."""
        ...

    async def run(self, work: Work) -> Sequence[CheckResult]:
        """Check one iteration's work, in order, until a binding check fails."""
        ...

    @property
    def runs_work(self) -> bool:
        """As known once prepared: `run` will execute what the task asks for, and its failure forbids acceptance."""
        ...


class VerifyCommands:
    """The task's own `verify`: commands that run in turn, until one fails."""

    def __init__(self, commands: Sequence[str], timeout: float) -> None:
        self._commands = commands
        self._timeout = timeout

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        return {}

    async def run(self, work: Work) -> Sequence[CheckResult]:
        results: list[CheckResult] = []
        for command in self._commands:
            if results:  # what the one before has run may have compiled anything
                work = replace(work, after=await work.workspace.snapshot(work.after))
                if uncleared := await work.clear(CLEAR_TIMEOUT):
                    return [*results, uncleared]
            result, _ = await work.runner.run(command, self._timeout, "verify")
            results.append(result)
            if not result.passed:
                break
        return results

    @property
    def runs_work(self) -> bool:
        return bool(self._commands)
