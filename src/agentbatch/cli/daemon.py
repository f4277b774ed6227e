"""`--daemon`: the same command again as a process of its own, which goes on when the terminal goes.

The two halves meet at a pipe: `start` waits in the foreground until `tell_ready`, in the background, names the
run's folder.
"""

import contextlib
import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.store.run_folder import STATE_FOLDER

READY_FD = "AGENTBATCH_READY_FD"
"""Names the end of the pipe on which the background process tells its run's folder. Tasks' commands do not get it."""

OUTPUT = "AGENTBATCH_DAEMON_OUTPUT"
"""Names the file that takes its output until there is a run's folder."""

ENGINE_LOG = "engine.log"
"""What a background engine says besides run.log: warnings of Python, the trace of a crash."""


def start(words: Sequence[str]) -> int:
    """Run the command of these words in the background; returns when its run can be looked at, or when it has ended.

    Returns 0 when the run is under way, else the exit code of the process, whose output is shown then.
    """
    output = _new_file(Path.cwd() / STATE_FOLDER)
    ours, theirs = os.pipe()
    with open(ours, "rb") as pipe, open(output, "ab") as sink:
        try:
            process = subprocess.Popen(
                # -P: the folder that we are in may hold a json.py of its own; nothing is imported from there.
                [sys.executable, "-P", "-m", "agentbatch", *(word for word in words if word != "--daemon")],
                env=_environment(os.environ, theirs, output),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)
        try:
            told = os.fsdecode(pipe.read())
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            _forget(output)
            raise
    if not told:
        return _ended_early(process.wait(), output)
    name = Path(told).name  # a run goes on only in the folder that it was started in
    sys.stdout.write(f"Run {name} is under way in the background (process {process.pid}).\n\n")
    sys.stdout.writelines(f"  agentbatch {command} {name}\n" for command in ("status", "logs -f", "stop"))
    return 0


def tell_ready(run_folder: Path) -> None:
    """Tell whoever started this process with `start` that the run can be looked at. Nothing otherwise."""
    number, output = os.environ.pop(READY_FD, ""), os.environ.pop(OUTPUT, "")
    if not number.isdecimal() or not _is_pipe(int(number)):
        return
    # Where it cannot be moved (a full disk), output goes on to where it goes.
    with contextlib.suppress(OSError):
        _move_output(Path(output), run_folder / ENGINE_LOG)
    # The starter may be gone: nobody needs to know then.
    with contextlib.suppress(OSError), open(int(number), "wb") as pipe:
        pipe.write(os.fsencode(run_folder))


def _environment(environ: Mapping[str, str], ready: int, output: Path) -> dict[str, str]:
    """No second background process, and no screen; flags that ask for one still win."""
    told = {READY_FD: str(ready), OUTPUT: str(output)}
    return {**environ, **told, "AGENTBATCH_DAEMON": "false", "AGENTBATCH_DISPLAY": "none"}


def _new_file(folder: Path) -> Path:
    path = folder / f"daemon-{secrets.token_hex(4)}.log"
    try:
        folder.mkdir(exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise UserError(f"--daemon: {path} cannot be made: {error.strerror or error}.") from None
    return path


def _forget(output: Path) -> None:
    """Leave no trace of a run that did not begin."""
    output.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there are runs in it
        output.parent.rmdir()


def _ended_early(code: int, output: Path) -> int:
    text = output.read_text(encoding="utf-8", errors="replace")
    _forget(output)
    (sys.stdout if code == 0 else sys.stderr).write(text)
    if code > 0 and not text.strip():
        sys.stderr.write(
            f"agentbatch: the background process ended with exit code {code} before its run began, and could not say "
            "why (is the disk full?). Without --daemon it does.\n"
        )
    if code >= 0:
        return code
    sys.stderr.write(
        f"agentbatch: the background process was ended by signal {-code} before its run began.\n"
    )
    return 128 - code


def _is_pipe(number: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(number).st_mode)
    except (OSError, OverflowError):
        return False


def _move_output(source: Path, target: Path) -> None:
    """Make stdout and stderr go to `target`, behind what earlier sessions of the run have left there."""
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        os.write(number, source.read_bytes())
        os.dup2(number, 1)
        os.dup2(number, 2)
    finally:
        os.close(number)
    source.unlink()
