"""The least that can be run of a change that nobody has run: it is loaded, in a copy of the directory."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import PurePath
from shlex import quote
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.check import TAIL_LINES, CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of, not_copied
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.tasks.evaluator.programs.program import command
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import CommandResult

MAX_FILES = 10
"""Files that are loaded."""
EACH = 5.0
TIMEOUT = 30.0
"""Seconds for one of them, and in which the last one has to begin."""
PARSED = (".js", ".mjs", ".cjs", ".sh", ".bash")
"""Suffixes of what is not run."""
MAX_TASK = 20_000
"""Characters of the task that are looked at."""
OURS = "load: "
"""Before a line of ours among what they print."""

_SERVES = regex(
    r"\b(?:serv\w*|daemon|listen\w*|loops?|forever|endless\w*|bots?|games?|watch\w*|ports?)\b", re.I
)


class LoadOutcome(NamedTuple):
    """What became of it."""

    result: CheckResult
    asked: tuple[str, ...]
    """All that were to be loaded."""
    untold: bool = False
    """Of one at least it cannot be told: it lacked something, or was still running. Nothing of it counts as run."""
    left: tuple[str, ...] = ()
    """Those that were too many to be loaded."""


async def load(paths: Sequence[str], runner: CheckRunner, task: str = "") -> LoadOutcome | None:
    """Load the files, the first that fails ends it. None: there are none. That they load shows nothing of what they
    do."""
    if not paths:
        return None
    try:
        fork = await copy_of(runner.workspace)
    except NoCopy as error:
        return LoadOutcome(not_copied(error, runner), tuple(paths))
    runner.started("load", runner.redact(_name(paths[:MAX_FILES])))
    told: list[str] = []
    seconds, code, untold, done = 0.0, 0, False, 0
    try:
        for path in paths[:MAX_FILES]:
            if code or seconds > TIMEOUT:
                break
            end = await runner.execute(loading(path), EACH, fork)
            line, lacks, code = _outcome(path, end, task)
            told += [end.tail(TAIL_LINES), line]
            untold, seconds, done = untold or lacks, seconds + end.seconds, done + 1
    finally:
        await asyncio.shield(fork.close())
    tail = "\n".join("\n".join(filter(None, told)).splitlines()[-TAIL_LINES:])
    name = runner.redact(_name(paths[:done]))
    result = CheckResult(name, code, runner.redact(tail), seconds, "load", ran=False)
    runner.finished(result)
    return LoadOutcome(result, tuple(paths), untold, tuple(paths[done:]) if not code else ())


def _name(paths: Sequence[str]) -> str:
    return f"load {', '.join(quoted(path) for path in paths)}"


def _outcome(path: str, end: CommandResult, task: str) -> tuple[str, bool, int]:
    """A line of ours, whether nothing can be told of it, and its exit code."""
    if end.exit_code is None:
        line = f"{OURS}{quoted(path)} was still running after {EACH:g} s."
        return line, _SERVES.search(task[:MAX_TASK]) is None, 0
    parsed = end.exit_code == 0 and (PurePath(path).suffix.lower() in PARSED or is_test(path))
    return (
        (f"{OURS}{quoted(path)} was parsed." if parsed else ""),
        is_test(path) or OURS in end.output,
        end.exit_code,
    )


def loading(path: str) -> str:
    """The command line that loads it, or at least parses it."""
    name = quote(f"./{path}")
    missing = f'echo "{OURS}there is no interpreter for it here"'
    python = command("load_file.py", f"./{path}", *(["parse"] if is_test(path) else ()))
    python = f"if command -v python3 >/dev/null; then {python}; else {missing}; fi"
    node = f"if command -v node >/dev/null; then node --check {name}; else {missing}; fi"
    match PurePath(path).suffix.lower():
        case ".py" | ".pyw":
            return python
        case ".js" | ".mjs" | ".cjs":
            return node
        case ".sh" | ".bash":
            return f"bash -n {name}"
    first = f'"$(head -c 200 {name} | head -n 1)"'
    shells = f"bash -n {name}"
    return f"case {first} in '#!'*python*) {python};; '#!'*node*) {node};; '#!'*) {shells};; esac"
