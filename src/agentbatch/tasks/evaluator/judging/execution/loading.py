"""The least that can be run of a change that nobody has run: it is loaded, in a copy of the directory."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from shlex import quote

from agentbatch.tasks.evaluator.checks.check import TAIL_LINES, CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of, not_copied
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.workspace.files.file_diff import quoted
from agentbatch.workspace.workspace import CommandResult

MOST = 10
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

_SERVES = re.compile(
    r"\b(?:serv\w*|daemon|listen\w*|loops?|forever|endless\w*|bots?|games?|watch\w*|ports?)\b", re.I
)

_LOAD = """\
import os, runpy, sys, traceback
path = sys.argv[1]
sys.argv = [path]
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
    lacks = isinstance(error, (LookupError, EOFError, ValueError))
    return (wants and lacks) or isinstance(error, OSError) or type(error).__name__ in of_others


def usage(error):
    with open(path, "rb") as source:
        text = source.read(100_000)
    takes = any(words in text for words in (b"argv", b"argparse", b"stdin", b"input(", b"environ", b"open("))
    return error.code == 2 or takes


try:
    runpy.run_path(path, run_name="loaded")
except BaseException as error:
    if isinstance(error, SystemExit) and not error.code:
        sys.exit()
    if not (usage(error) if isinstance(error, SystemExit) else of_the_place(error)):
        traceback.print_exc()
        os._exit(1)
    sys.stdout.flush()
    print(f"load: {path[2:]} could not be loaded here ({type(error).__name__}: {error}); that says nothing of it.")
"""
"""Runs a Python file as a module of another name. What it ends for want of (arguments, input, a package, a file, a
screen) tells of the place and not of the work; a module of the work itself that lacks something does."""


@dataclass(frozen=True)
class Loaded:
    """What became of it."""

    result: CheckResult
    asked: tuple[str, ...]
    """All that were to be loaded."""
    untold: bool = False
    """Of one at least it cannot be told: it lacked something, or was still running. Nothing of it counts as run."""
    left: tuple[str, ...] = ()
    """Those that were too many to be loaded."""


async def load(paths: Sequence[str], runner: CheckRunner, task: str = "") -> Loaded | None:
    """Load the files, the first that fails ends it. None: there are none. That they load shows nothing of what they
    do."""
    if not paths:
        return None
    try:
        fork = await copy_of(runner.workspace)
    except NoCopy as error:
        return Loaded(not_copied(error, runner), tuple(paths))
    runner.started("load", runner.redact(_name(paths[:MOST])))
    told: list[str] = []
    seconds, code, untold, done = 0.0, 0, False, 0
    try:
        for path in paths[:MOST]:
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
    return Loaded(result, tuple(paths), untold, tuple(paths[done:]) if not code else ())


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
    python = f"python3 -B -c {quote(_LOAD)} {name}"
    if is_test(path):
        compiled = 'import sys; compile(open(sys.argv[1], "rb").read(), sys.argv[1], "exec")'
        python = f"python3 -B -c {quote(compiled)} {name}"
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
