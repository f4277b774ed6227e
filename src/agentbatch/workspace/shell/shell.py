"""Running a task's commands: stateless, bounded in time and output, and nothing outlives one."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.redaction import Redactor
from agentbatch.workspace.sandbox.walls import Walls
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.output import Collector
from agentbatch.workspace.shell.processes import BEGUN, CommandProcess, NotBegun, until_begun
from agentbatch.workspace.workspace import CommandResult

MAX_COMMAND = 120_000
"""Bytes. Linux takes 128 KiB in one argument."""
CANNOT_RUN = 126
"""Exit code of a command that could not be started, as shells give it."""

LIMITS = """\
ulimit -c 0          # no core files
ulimit -n 16384      # open files
ulimit -u 16384      # processes of this user: ends a fork bomb before the machine does
ulimit -f 10485760   # KiB in one file: 10 GiB
"""
"""Limits that every command runs under; those that the system already holds lower stay as they are."""


class Shell:
    """Runs commands with `bash -c` in one directory, one environment, one sandbox."""

    def __init__(
        self,
        root: Path,
        sandbox: Walls,
        env: Mapping[str, str],
        outputs: Path,
        redact: Redactor | None = None,
        guard: Guard | None = None,
    ) -> None:
        """`redact` masks keys in what commands print, before it is cut or kept. `guard`: who starts them where there is
        no sandbox."""
        self._guard = guard if sandbox.name == "none" else None
        self._redact = redact
        self._root = root
        self._sandbox = sandbox
        self._env = dict(env)
        self._outputs = outputs

    def hides(self, path: Path) -> bool:
        """Whether `path`, resolved and inside the directory, is nothing for the task: keys, the run's folder."""
        return any(path.is_relative_to(place) for place in self._sandbox.out_of_reach)

    async def run(self, command: str, timeout: float = 120.0) -> CommandResult:
        """Run `command` to its end, its flood or its timeout (seconds), and end whatever it left running.

        A command that cannot be started is a result with exit code 126, not an error. Safe to cancel.
        """
        refusal = _refusal(command)
        if refusal:
            return _not_started(refusal)
        try:
            return await until_begun(lambda: self._run_once(command, timeout))
        except NotBegun as error:
            return _not_started(str(error))

    async def _run_once(self, command: str, timeout: float) -> CommandResult:
        """Raises NotBegun."""
        started = time.monotonic()
        collector = Collector(self._outputs, self._redact)
        await self._sandbox.enter()
        outside = self._sandbox.outside or self._root
        try:
            with self._sandbox.wrap(announced(["bash", "-c", command]), self._env) as wrapped:
                process = CommandProcess(
                    wrapped.argv,
                    outside,
                    wrapped.env,
                    sweep=self._sandbox.name == "none",
                    passed=wrapped.handles,
                    guard=self._guard,
                )
        except OSError as error:
            return _not_started(f"{error.strerror or error}: {error.filename or outside}")
        try:
            ended = await process.watch(collector, timeout)
        finally:
            try:
                await to_the_end(self._end(process, collector))
            finally:
                output = collector.finish()
        if ended and not process.begun:
            raise NotBegun(
                output.strip() or f"what it was to run in ended with exit code {process.exit_code}"
            )
        return CommandResult(
            exit_code=process.exit_code if ended and not collector.flooded else None,
            output=output,
            timed_out=not ended and not collector.flooded,
            flooded=collector.flooded,
            seconds=time.monotonic() - started,
            spilled=str(collector.spilled or ""),
        )

    async def _end(self, process: CommandProcess, collector: Collector) -> None:
        said = ""
        try:
            said = await self._sandbox.leave()
        finally:
            await process.end()
            if said:
                collector.feed(f"\n{said}\n".encode())


def limited(argv: Sequence[str], first: str = "") -> list[str]:
    """The command line that runs `argv` under LIMITS. `first`: what bash does before."""
    limits = [line.split("#")[0].strip() for line in LIMITS.splitlines()]
    return ["bash", "-c", "{ " + "; ".join(limits) + f'; }} 2>/dev/null; {first}exec -- "$@"', "bash", *argv]


def announced(argv: Sequence[str]) -> list[str]:
    """The same, which prints BEGUN before it runs `argv`."""
    return limited(argv, f"printf '\\{BEGUN[0]:03o}'; ")


def _refusal(command: str) -> str:
    if "\0" in command:
        return "the command contains a NUL character"
    try:
        size = len(command.encode("utf-8"))
    except UnicodeEncodeError:
        return "the command is not valid Unicode"
    if size > MAX_COMMAND:
        return (
            f"the command is {size:,} bytes long and at most {MAX_COMMAND:,} fit; "
            "write a script with write_file and run that"
        )
    return ""


def _not_started(why: str) -> CommandResult:
    return CommandResult(CANNOT_RUN, f"The command was not started: {why}.", False, False, 0.0, "")
