"""The least that can be run of a change that nobody has run: it is loaded, in a copy of the directory."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from shlex import quote

from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.workspace.files.file_diff import quoted
from agentbatch.workspace.workspace import CommandRecord

MOST = 10
"""Files that are loaded."""
NOT_STARTED = (126, 127)
"""Exit codes of a shell that could not start a command."""
TIMEOUT = 10.0
"""Seconds for all of them; what still runs then, a server for example, has been loaded."""

_LOAD = """\
import os, runpy, sys, traceback
path = sys.argv[1]
sys.argv = [path]
sys.path[0] = os.path.dirname(os.path.abspath(path))
try:
    runpy.run_path(path, run_name="loaded")
except (SystemExit, EOFError, KeyboardInterrupt):
    pass
except BaseException as error:
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    wants = "argv" in line or "stdin" in line or "input(" in line
    if not wants and not (isinstance(error, ImportError) and "relative import" in str(error)):
        traceback.print_exc()
        os._exit(1)
"""
"""Runs a Python file as a module of another name. One that ends for want of arguments or of input has been loaded."""

_COMPILE = "import sys; compile(open(sys.argv[1], 'rb').read(), sys.argv[1], 'exec')"


async def load(paths: Sequence[str], runner: CheckRunner) -> CheckResult | None:
    """Load the files, the first that fails ends it. None: there is none that can be loaded."""
    command = loading(paths)
    if not command:
        return None
    fork = await runner.workspace.fork()
    try:
        shown = f"load {', '.join(quoted(path) for path in paths[:MOST])}"
        result, _ = await runner.run(command, TIMEOUT, "sound", shown=shown, fork=fork)
    finally:
        await asyncio.shield(fork.close())
    # What was still at work then has been loaded; what has no interpreter here cannot be.
    return replace(result, exit_code=0) if result.exit_code in (None, *NOT_STARTED) else result


def loading(paths: Sequence[str]) -> str:
    """The command line that loads them; empty: there is none."""
    return " && ".join(_command(path, is_test(path)) for path in paths[:MOST])


def record(loaded: CheckResult) -> CommandRecord:
    """As a command that the evaluator ran."""
    return CommandRecord(loaded.command, loaded.exit_code, loaded.tail, loaded.seconds)


def _command(path: str, test: bool) -> str:
    name = quote(f"./{path}")
    match PurePath(path).suffix.lower():
        case ".py" | ".pyw" if not test:
            return f"python3 -B -c {quote(_LOAD)} {name}"
        case ".py" | ".pyw":
            return f'python3 -B -c \'import sys; compile(open(sys.argv[1], "rb").read(), sys.argv[1], "exec")\' {name}'
        case ".js" | ".mjs" | ".cjs":
            return f"{{ ! command -v node >/dev/null || node --check {name}; }}"
        case ".sh" | ".bash":
            return f"bash -n {name}"
    return "true"
