"""Runs in the workspace, by `python3 -c`: loads a Python file as a module of another name.

Its arguments: the path, beginning with `./`, and, if it is only to be parsed, `parse`. What the file ends for want of
(arguments, input, a package, a file, a screen) tells of the place and not of the work: it ends with 0 and a line that
says so. A module of the work itself that lacks something does tell of it, as all else does: exit code 1.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback

OF_OTHERS = ("TclError", "CalledProcessError", "TimeoutExpired", "OperationalError")
MAX_READ = 100_000


def main(path: str, parse: bool) -> None:
    if parse:
        with open(path, "rb") as source:
            compile(source.read(), path, "exec", dont_inherit=True)
        return
    here = os.getcwd()
    sys.argv = [path]
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    sys.path += [here, os.path.join(here, "src")]
    try:
        runpy.run_path(path, run_name="loaded")
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            sys.exit()
        if not (usage(path, error) if isinstance(error, SystemExit) else of_the_place(error, here)):
            # Without this program's own frame.
            traceback.print_exception(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
            os._exit(1)
        sys.stdout.flush()
        said = f"{type(error).__name__}: {error}"
        print(f"load: {path[2:]} could not be loaded here ({said}); that says nothing of it.")


def of_the_place(error: BaseException, here: str) -> bool:
    if isinstance(error, ImportError):
        name = error.name or ""
        apart = "." not in name and name not in sys.modules
        return "relative import" in str(error) or apart or outside(name, here)
    if outside(type(error).__module__, here):
        return True
    line = " ".join(frame.line or "" for frame in traceback.extract_tb(error.__traceback__)[-2:])
    wants = any(words in line for words in ("argv", "stdin", "input(", "environ"))
    lacks = isinstance(error, (LookupError, EOFError, ValueError))
    return (wants and lacks) or isinstance(error, OSError) or type(error).__name__ in OF_OTHERS


def outside(module: str, here: str) -> bool:
    """It is neither of the work nor of Python."""
    root = module.partition(".")[0]
    found = sys.modules.get(root)
    places = [getattr(found, "__file__", None) or "", *getattr(found, "__path__", ())]
    inside = root == "loaded" or any(place.startswith(here + os.sep) for place in places)
    return not inside and root not in getattr(sys, "stdlib_module_names", ()) and root != "builtins"


def usage(path: str, error: SystemExit) -> bool:
    """It wants arguments or input."""
    with open(path, "rb") as source:
        text = source.read(MAX_READ)
    takes = any(words in text for words in (b"argv", b"argparse", b"stdin", b"input(", b"environ", b"open("))
    return error.code == 2 or takes


if __name__ == "__main__":
    main(sys.argv[1], "parse" in sys.argv[2:])
