"""An engine in a process of its own: starting it, waiting until its run can be looked at, ending it.

The two halves meet at a pipe: `Starting.wait` reads from it until `lifeline.tell_ready`, in the other process, names
the run's folder. A second pipe, the lifeline, goes the other way: it closes when the starter of the engine is gone.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import STATE_FOLDER
from agentbatch.runs.services.parent_watch import ENGINE_LOG, LIFELINE_FD, OUTPUT, READY_FD, STAY

NEVER_DAEMON = "--daemon"
"""Is left out of the words: the background process must not start another one."""

TOLD_BY_VARIABLE = {"--notify": ("AGENTBATCH_NOTIFY", " "), "--header": ("AGENTBATCH_HEADERS", "\n,")}
"""Flags with secrets: the variable that says the same, and the signs that part its values."""

PATIENCE = 10.0
"""Seconds that a process has to end when its start is called off; then it is killed."""


class EndedEarly(UserError):
    """The process ended before there was a run: its words were wrong, or asked for no run. `str()` says why."""

    def __init__(self, code: int, output: str) -> None:
        """`code`: its exit code, negative for a signal; `output`: all that it printed."""
        super().__init__(_why(code, output))
        self.code = code
        self.output = output


class CalledOff(UserError):
    """`Starting.cancel` came before the run had begun."""


class Background:
    """An engine that works on a run."""

    def __init__(self, run_folder: Path, process: "subprocess.Popen[bytes]", lifeline: int | None) -> None:
        """`lifeline`: the writing end of its pipe; None: it stays when we go."""
        self.run_folder = run_folder
        self.process = process
        self._lifeline = lifeline
        self._stopped = False

    @property
    def log(self) -> Path:
        """What it says besides run.log: warnings of Python, the trace of a crash."""
        return self.run_folder / ENGINE_LOG

    def ended(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        code = self.process.poll()
        if code is not None:
            self._close_pipe()
        return code

    def detach(self) -> None:
        """It runs without us from here."""
        if self._lifeline is not None:
            with contextlib.suppress(OSError):  # it has ended
                os.write(self._lifeline, STAY)
        self._close_pipe()

    def stop(self) -> None:
        """As Ctrl-C: nothing new starts, running iterations end first. A second time: at once."""
        # Two signals of one kind that come close together are one; the engine takes either.
        self.process.send_signal(signal.SIGINT if self._stopped else signal.SIGTERM)
        self._stopped = True

    def stop_now(self) -> None:
        """Calls and commands under way are cut off."""
        if not self._stopped:
            self.stop()
        self.stop()

    def _close_pipe(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


class Starting:
    """A process that is on its way to its run. `wait` may be called in a thread, and `cancel` from another."""

    def __init__(
        self, words: Sequence[str], folder: Path, environ: Mapping[str, str], *, lifeline: bool
    ) -> None:
        """Run `agentbatch WORDS` in `folder`. `lifeline`: it stops when this process ends without `detach`.

        Raises UserError when its output file cannot be made.
        """
        words, secret = in_the_background(words)
        self._output = _new_file(folder / STATE_FOLDER)
        self._settling = threading.Lock()
        self._cancelled = self._settled = False
        ready, theirs = os.pipe()
        held, ours = os.pipe() if lifeline else (None, None)
        told = {READY_FD: str(theirs), OUTPUT: str(self._output)}
        passed = [theirs]
        if held is not None:
            told[LIFELINE_FD] = str(held)
            passed.append(held)
        self._ready = open(ready, "rb")  # noqa: SIM115 - until `wait` has read it
        self._lifeline = ours
        try:
            with open(self._output, "ab") as sink:
                self.process = subprocess.Popen(
                    # -P: the folder may hold a json.py of its own; nothing is imported from there.
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "agentbatch",
                        *words,
                    ],
                    cwd=folder,
                    # No second background process, and no screen; flags that ask for one still win.
                    env={
                        **environ,
                        **told,
                        **secret,
                        "AGENTBATCH_DAEMON": "false",
                        "AGENTBATCH_DISPLAY": "none",
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=passed,
                )
        except BaseException:
            self._close()
            _forget(self._output)
            raise
        finally:
            for number in passed:
                os.close(number)

    def wait(self) -> Background:
        """Returns when the run can be looked at. Raises EndedEarly, or CalledOff after `cancel`."""
        told = os.fsdecode(self._ready.read())
        with self._settling:
            self._settled = not self._cancelled
        if not self._settled:
            if told:  # it has begun, and would end its first iterations before it obeys the first signal
                self.process.send_signal(signal.SIGINT)
            self._end()
            raise CalledOff("The start was called off.")
        if not told:
            code = self.process.wait()
            text = self._output.read_text(encoding="utf-8", errors="replace")
            self._end()
            raise EndedEarly(code, text)
        self._ready.close()
        return Background(Path(told), self.process, self._lifeline)

    def cancel(self) -> None:
        """End the process; `wait` raises CalledOff. Nothing when the run has begun."""
        with self._settling:
            self._cancelled = not self._settled
        if self._cancelled:
            self.process.terminate()

    def call_off(self) -> None:
        """`cancel`, to its end, where nobody waits any more."""
        self.cancel()
        if self._cancelled:
            self._end()

    def _end(self) -> None:
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()
        _forget(self._output)

    def _close(self) -> None:
        self._ready.close()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def start_background(
    words: Sequence[str], folder: Path, environ: Mapping[str, str], *, lifeline: bool
) -> Background:
    """Run `agentbatch WORDS` in `folder` in the background; returns when its run can be looked at.
    Ctrl-C until then ends what was started.

    Raises EndedEarly, with what it printed.
    """
    starting = None
    try:
        with interrupts_held():  # or one would leave a process that nobody knows of yet
            starting = Starting(words, folder, environ, lifeline=lifeline)
        return starting.wait()
    except KeyboardInterrupt:
        if starting is not None:
            starting.call_off()
        raise


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block. Raises KeyboardInterrupt there. Only the main thread is interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            raise KeyboardInterrupt


def _why(code: int, output: str) -> str:
    said = "\n".join(line.removeprefix("agentbatch: ") for line in output.strip().splitlines())
    if code < 0:
        return f"{said}\nThe engine was ended by signal {-code} before its run began.".lstrip()
    return said or (
        f"The engine ended with exit code {code} before its run began, and could not say why (is the disk full?)."
    )


def in_the_background(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The words without NEVER_DAEMON (behind `--` it is a path), and variables for those of TOLD_BY_VARIABLE, which
    hold tokens: a command line can be read by everybody on the machine for as long as the process lives."""
    end = words.index("--") if "--" in words else len(words)
    kept, rest = list[str](), iter(words[:end])
    values: dict[str, list[str]] = {}
    for word in rest:
        flag, given, value = word.partition("=")
        if flag in TOLD_BY_VARIABLE:
            values.setdefault(flag, []).append(value if given else next(rest, ""))
        elif word != NEVER_DAEMON:
            kept.append(word)
    told = {}
    for flag, given_values in values.items():
        variable, signs = TOLD_BY_VARIABLE[flag]
        if any(sign in value for value in given_values for sign in signs):
            kept += [f"{flag}={value}" for value in given_values]  # a variable would say it otherwise
        else:
            told[variable] = signs[0].join(given_values)
    return [*kept, *words[end:]], told


def _new_file(folder: Path) -> Path:
    path = folder / f"daemon-{secrets.token_hex(4)}.log"
    try:
        folder.mkdir(exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise cannot_be("made", path, error) from None
    return path


def _forget(output: Path) -> None:
    """Leave no trace of a run that did not begin."""
    output.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there are runs in it
        output.parent.rmdir()
