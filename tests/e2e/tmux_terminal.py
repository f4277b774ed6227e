"""A real terminal: a tmux of its own, with one program in it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

CLEARED = ("CODER_", "EVALUATION_", "OPENAI_", "AGENTBATCH_", "TEXTUAL", "NO_COLOR", "COLUMNS", "LINES")

needs_tmux = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="needs tmux: apt-get install tmux (brew install tmux)"
)


class Terminal:
    """`command` runs in `folder`; what it ends with is shown as `code N`."""

    def __init__(self, folder: Path, command: str, columns: int, rows: int, **environ: str) -> None:
        self._socket = folder.parent / "tmux"
        self._environ = _environment(folder.parent, environ)
        program = f"{sys.executable} -P -m agentbatch {command}"
        shell = f"cd '{folder}'; stty -a > ../before; {program}; code=$?; stty -a > ../after; echo code $code; exec cat"
        size = ("-x", str(columns), "-y", str(rows))
        self._tmux("-u", "-f", "/dev/null", "new-session", "-d", *size, shell)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=True).stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Keys as tmux names them; words are typed."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def until(self, text: str) -> str:
        """Wait until the screen has this text; returns the screen."""
        return self.until_it(lambda screen: text in screen, text)

    def until_it(self, holds: Callable[[str], bool], what: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while not holds(screen := self.screen()):
            assert time.monotonic() < deadline, f"no {what!r} on the screen:\n{screen}"
            time.sleep(0.05)
        return screen

    def app(self) -> int:
        """Process id of the program."""
        (shell,) = self._tmux("list-panes", "-F", "#{pane_pid}").split()
        return next(iter(children(int(shell))))

    def hang_up(self) -> None:
        """The terminal is gone."""
        self._tmux("kill-server")

    def close(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)


def _environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CLEARED)}
    return {
        **kept,
        "HOME": str(home),
        "TERM": "screen-256color",
        "XDG_CACHE_HOME": str(home / "cache"),
        **more,
    }


def children(process: int) -> list[int]:
    """Of a process, itself left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found.append(int(stat.parent.name))
    return found


def living(marker: str) -> list[int]:
    """Processes that have this text in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return [process for process in found if process != os.getpid()]


def send(process: int, number: signal.Signals) -> None:
    os.kill(process, number)
