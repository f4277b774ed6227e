"""Our commands, and programs that use us, as processes of their own, without the half second that a new interpreter
takes to import us.

They are forked from a server process that has imported everything already: real processes, with their own directory,
environment, streams and signals. What depends on a fresh interpreter (flags of Python, what is imported, `-m`) is
started as such by its test.
"""

import gc
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NoReturn

from tests.support.waiting import until, wait_until

PRELOADED = [
    "agentbatch.cli.main",
    "agentbatch.cli.requests.run",
    "agentbatch.cli.runs.status",
    "agentbatch.cli.tasks.batch",
    "agentbatch.cli.tasks.resume",
    "agentbatch.rehearsal.library",
    "agentbatch.rehearsal.server",
    "aiohttp",
    "genai_prices",
    "genai_prices.data",
    "httpx2",
    "openai",
    "openai.resources",
    "openai.types",
]
"""Also what commands load late, where several tests need it."""

ENDS_WITHIN = 600.0
"""Seconds that a command may take before its test fails."""


def _fork_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


_FORKS = _fork_server()


class Started:
    """A command under way; its output is there when it has ended."""

    def __init__(
        self,
        what: Callable[..., NoReturn],
        words: tuple[str, ...],
        folder: Path,
        environ: Mapping[str, str],
        stdin: Path,
        output: Path | None,
    ) -> None:
        place = tempfile.mkdtemp(prefix="agentbatch-output-")
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        self._out, self._err = (output or Path(place) / name for name in ("out", "err"))
        streams = (str(stdin), str(self._out), str(self._err))
        self._process: BaseProcess = _FORKS.Process(
            target=_process, args=(what, words, str(folder), dict(environ), streams), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def said(self) -> str:
        """What it has written to stdout so far."""
        return self._out.read_text(errors="replace") if self._out.exists() else ""

    def complaints(self) -> str:
        """What it has said on stderr so far."""
        return self._err.read_text(errors="replace") if self._err.exists() else ""

    async def wait(self) -> int:
        await until(lambda: self.returncode is not None, "the command does not end", ENDS_WITHIN)
        return self._process.exitcode or 0

    async def communicate(self) -> tuple[bytes, bytes]:
        await self.wait()
        return self._streams()

    def result(self) -> "subprocess.CompletedProcess[str]":
        """Wait for its end, where there is no event loop."""
        wait_until(lambda: self.returncode is not None, "the command does not end", ENDS_WITHIN)
        out, err = self._streams()
        return subprocess.CompletedProcess([], self._process.exitcode or 0, out.decode(), err.decode())

    def _streams(self) -> tuple[bytes, bytes]:
        return self._out.read_bytes(), self._err.read_bytes()


def start(
    *words: str,
    cwd: Path,
    env: Mapping[str, str],
    stdin: Path = Path(os.devnull),
    output: Path | None = None,
) -> Started:
    """`agentbatch WORDS` under way. `output`: a file for both streams together."""
    return Started(_command, words, cwd, env, stdin, output)


def start_program(program: Path, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Started:
    """`python -W error PROGRAM ARGUMENTS` under way, for a program that uses our packages."""
    return Started(_program, (str(program), *arguments), cwd, env, Path(os.devnull), None)


def run(*words: str, cwd: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """`agentbatch WORDS`, and what it said."""
    return start(*words, cwd=cwd, env=env).result()


def _process(
    what: Callable[..., NoReturn],
    words: tuple[str, ...],
    folder: str,
    environ: dict[str, str],
    streams: tuple[str, str, str],
) -> NoReturn:
    """In the forked process: everything as a new interpreter would find it."""
    gc.freeze()  # what the server has loaded is no garbage: looking through it copies all of its memory,
    gc.set_threshold(10_000)  # and counting it goes through it
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    flags = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)
    for number, (path, flag) in enumerate(zip(streams, flags, strict=True)):
        opened = os.open(path, flag, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    what(*words)


def _command(*words: str) -> NoReturn:
    from agentbatch.cli.main import main  # only here: the tests themselves need not load it

    sys.argv = ["agentbatch", *words]
    sys.exit(main(words))


def _program(*words: str) -> NoReturn:
    sys.argv = list(words)
    sys.path.insert(0, str(Path(words[0]).parent))
    warnings.simplefilter("error")
    runpy.run_path(words[0], run_name="__main__")
    sys.exit()
