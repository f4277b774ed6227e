"""Runs in the workspace, by `python3 -c`: a Python script to its end, and says that it came there, and how.

Its arguments: a nonce, and the script. Its last line is the nonce and the exit code: a program that is imported and
ends the process, also at its exit, does not pass the check by that. (One that looks for the check in its own process
could; nothing inside a process is safe from it.)
"""

from __future__ import annotations

import linecache
import os
import sys
import traceback

NAME = "<check>"
NO_SCRIPT = 126


def main(nonce: str, script: str) -> None:
    sys.argv = ["check"]
    linecache.cache[NAME] = len(script), None, script.splitlines(True), NAME
    try:
        code = compile(script, NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        print(f"SyntaxError: {error}", flush=True)
        os._exit(NO_SCRIPT)
    leave, write, show = os._exit, os.write, traceback.print_exception
    ended: object = 0
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as error:
        ended = error.code
        if raised_in_a_file(error):
            print("The program ended the process before the check was over.")
            ended = 1
    except BaseException as error:
        # Without this program's own frame.
        show(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
        ended = 1
    if isinstance(ended, str):
        print(ended, file=sys.stderr)
    number = 0 if ended is None else ended if isinstance(ended, int) else 1
    number = number % 256 or int(number != 0)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    write(1, f"\n{nonce} {number}\n".encode())
    leave(number)


def raised_in_a_file(error: SystemExit) -> bool:
    """Of the work, and not in the script."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and place.tb_frame.f_code.co_filename.startswith(os.getcwd() + os.sep)


if __name__ == "__main__":
    main(*sys.argv[1:])
