"""What only the coder's own program tells of having run is a claim. Where it can be run here, it is, in a copy of the
directory, and that is what counts."""

import asyncio
import time
from collections.abc import Callable, Sequence

from agentbatch.tasks.evaluator.checks.check import TAIL_LINES, CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of
from agentbatch.tasks.evaluator.checks.facts.project_tests import can_run
from agentbatch.tasks.evaluator.judging.execution.commands import executes
from agentbatch.tasks.evaluator.judging.execution.plain import plain_line, runs_tests
from agentbatch.workspace.workspace import CommandRecord, Workspace

MAX_RUN = 3
"""Lines that are run for one evaluation, the latest."""
TIMES = 2
"""How often one that fails is run: tests that fail now and then must not refuse right work."""


def to_be_seen(
    commands: Sequence[CommandRecord], since: int, directory: str, wanted: Callable[[str], bool] = runs_tests
) -> dict[str, list[int]]:
    """By the line that is run, the places of the commands that are only told, and that it stands for: those from
    `since` on whose line is `wanted`."""
    found: dict[str, list[int]] = {}
    for place in range(since, len(commands)):
        record = commands[place]
        line = plain_line(record.command, directory) if record.told else ""
        if line and executes(line) and wanted(line):
            found.setdefault(line, []).append(place)
    latest = sorted(found, key=lambda line: found[line][-1])[-MAX_RUN:]
    return {line: found[line] for line in latest}


async def seen(
    commands: Sequence[CommandRecord], lines: dict[str, list[int]], runner: CheckRunner, timeout: float
) -> list[CommandRecord]:
    """The commands, with what came of them here in place of what was told, `timeout` seconds each. What cannot be run
    here, or does not end, stays a claim."""
    told = list(commands)
    if not lines:
        return told
    try:
        fork = await copy_of(runner.workspace)
    except NoCopy:
        return told
    try:
        for line, places in lines.items():
            record = await _run(line, runner, fork, timeout)
            if record is not None:
                told = [record if place in places else one for place, one in enumerate(told)]
    finally:
        await asyncio.shield(fork.close())
    return told


async def _run(line: str, runner: CheckRunner, fork: Workspace, timeout: float) -> CommandRecord | None:
    """None: nothing can be told of it here."""
    name = runner.redact(line)
    runner.started("look", name)
    for _ in range(TIMES):
        end = await runner.execute(line, timeout, fork)
        if end.exit_code in (0, None):
            break
    result = CheckResult(name, end.exit_code, runner.redact(end.tail(TAIL_LINES)), end.seconds, "look")
    runner.finished(result)
    if end.exit_code is None or not can_run(end):
        return None
    return CommandRecord(name, end.exit_code, result.tail, end.seconds, time.time(), again=True)
