"""The least that can be run of a change that nobody has run: it is loaded, in a copy of the directory."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from shlex import quote

from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of, not_copied
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.workspace.files.file_diff import quoted

MOST = 10
"""Files that are loaded."""
NOT_STARTED = (126, 127)
"""Exit codes of a shell that could not start a command."""
EACH = 5.0
TIMEOUT = 30.0
"""Seconds for one of them and for all; what still runs then, a server for example, has been loaded."""

_LOAD = """\
import os, runpy, signal, sys, traceback
path, seconds = sys.argv[1:]
sys.argv = [path]
signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, float(seconds))
here = os.getcwd()
sys.path[0] = os.path.dirname(os.path.abspath(path))
sys.path += [here, os.path.join(here, "src")]


of_others = ("TclError", "CalledProcessError", "TimeoutExpired", "OperationalError")


def outside(module):
    root = module.partition(".")[0]
    found = sys.modules.get(root)
    places = [getattr(found, "__file__", None) or "", *getattr(found, "__path__", ())]
    inside = root == "loaded" or any(place.startswith(here + os.sep) for place in places)
    return not inside and root not in getattr(sys, "stdlib_module_names", ()) and root != "builtins"


def of_the_place(error):
    if isinstance(error, ImportError):
        name = error.name or ""
        return "relative import" in str(error) or ("." not in name and name not in sys.modules) or outside(name)
    if outside(type(error).__module__):
        return True
    line = " ".join(frame.line or "" for frame in traceback.extract_tb(error.__traceback__)[-2:])
    wants = any(words in line for words in ("argv", "stdin", "input(", "environ"))
    return wants or isinstance(error, OSError) or type(error).__name__ in of_others


try:
    runpy.run_path(path, run_name="loaded")
except (SystemExit, EOFError, KeyboardInterrupt):
    pass
except BaseException as error:
    if not of_the_place(error):
        traceback.print_exc()
        os._exit(1)
    print(f"{path[2:]} could not be loaded here ({type(error).__name__}: {error}); that says nothing of it.")
"""
"""Runs a Python file as a module of another name. What it ends for want of (arguments, input, a package, a file, a
screen) tells of the place and not of the work; a module of the work itself that lacks something does."""


async def load(paths: Sequence[str], runner: CheckRunner) -> CheckResult | None:
    """Load the files, the first that fails ends it. None: there is none that can be loaded."""
    command = loading(paths)
    if not command:
        return None
    try:
        fork = await copy_of(runner.workspace)
    except NoCopy as error:
        return not_copied(error, runner)
    try:
        shown = f"load {', '.join(quoted(path) for path in paths[:MOST])}"
        result, _ = await runner.run(command, TIMEOUT, "load", shown=shown, fork=fork)
    finally:
        await asyncio.shield(fork.close())
    # What was still at work then has been loaded; what has no interpreter here cannot be. And that it can be loaded
    # shows nothing of what it does.
    loaded = result.exit_code in (None, *NOT_STARTED)
    return replace(result, exit_code=0 if loaded else result.exit_code, ran=False)


def loading(paths: Sequence[str], each: float = EACH) -> str:
    """The command line that loads them, `each` so many seconds at most; empty: there is none."""
    return " && ".join(_command(path, is_test(path), each) for path in paths[:MOST])


def _command(path: str, test: bool, seconds: float) -> str:
    name = quote(f"./{path}")
    match PurePath(path).suffix.lower():
        case ".py" | ".pyw" if not test:
            return f"python3 -B -c {quote(_LOAD)} {name} {seconds:g}"
        case ".py" | ".pyw":
            return f'python3 -B -c \'import sys; compile(open(sys.argv[1], "rb").read(), sys.argv[1], "exec")\' {name}'
        case ".js" | ".mjs" | ".cjs":
            return f"{{ ! command -v node >/dev/null || node --check {name}; }}"
        case ".sh" | ".bash":
            return f"bash -n {name}"
    return "true"
