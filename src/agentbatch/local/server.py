"""A llama.cpp server for one run: a child process on this machine that ends with us."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from agentbatch.config import secret_variables
from agentbatch.errors import UserError
from agentbatch.local.child import ServerOrder
from agentbatch.local.llama_log import last_words
from agentbatch.local.server_plan import ServerPlan

STILL_LOADING = 20.0
"""Seconds after which a person is told that it still loads; then after twice that, and so on."""

MAX_LOADING = 3600.0
"""Seconds."""


class LocalServer:
    """`async with` it around the run. `base_url` and `api_key` hold from then on."""

    def __init__(self, plan: ServerPlan, api_key: str, log: Path, tell: Callable[[str], None]) -> None:
        """`api_key`: any, a new one for each server; `log` gets llama.cpp's own log; `tell` sentences about loading."""
        self.plan = plan
        self.api_key = api_key
        self.base_url = ""
        self._log = log
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None

    @property
    def identity(self) -> str:
        """Names the model across runs, whatever port it is served on."""
        return self.plan.identity

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def ended(self) -> str:
        """Wait until the server ends by itself; returns a sentence."""
        assert self._process is not None
        code = await self._process.wait()
        why = "" if code == -signal.SIGKILL else self._why()  # killed, it had no time for a word
        return f"The local model's server ended ({_how(code)}){why}. Its log is {self._log}."

    async def _start(self) -> None:
        started = time.monotonic()
        self._tell(self.plan.describe())
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "agentbatch.local.child",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                env=_environment(), start_new_session=True,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps(self._order()).encode() + b"\n")
            await self._process.stdin.drain()
        self.base_url = await self._answer(self._process.stdout, started)
        self._tell(f"{self.plan.name} is loaded, after {time.monotonic() - started:.0f} s")

    async def _answer(self, stdout: asyncio.StreamReader, started: float) -> str:
        """The base URL, once the model is loaded. Raises UserError when it cannot be."""
        line = asyncio.ensure_future(stdout.readline())
        wait = STILL_LOADING
        try:
            while not (await asyncio.wait([line], timeout=wait))[0]:
                passed = time.monotonic() - started
                if passed > MAX_LOADING:
                    raise UserError(
                        f"{self.plan.path} was not loaded after {passed:.0f} s. Its log is {self._log}."
                    )
                self._tell(f"{self.plan.name} is still loading, after {passed:.0f} s")
                wait *= 2
        finally:
            line.cancel()
        answer = json.loads(line.result() or b"{}")
        if "base_url" in answer:
            return str(answer["base_url"])
        assert self._process is not None
        code = await self._process.wait()
        how = "" if code == 1 else f" (its process ended: {_how(code)})"
        why = self._why() or (f": {answer['error']}" if "error" in answer else "")
        raise UserError(f"llama.cpp cannot load {self.plan.path}{how}{why}. Its log is {self._log}.")

    def _order(self) -> ServerOrder:
        size = self.plan.size
        return ServerOrder(
            parent=os.getpid(),
            model=str(self.plan.path),
            name=self.plan.name,
            api_key=self.api_key,
            slots=size.slots,
            context=size.context,
            threads=size.threads,
            prompt_cache=size.prompt_cache,
        )

    def _why(self) -> str:
        words = last_words(self._log)
        return f": {words}" if words else ""

    async def _end(self) -> None:
        """Kill it: it keeps nothing that would have to be saved."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _environment() -> dict[str, str]:
    """Ours, without keys. Threads sleep while they wait for each other: spinning, they would halve the speed as soon as
    a task's command wants a core too."""
    keys = {*secret_variables(), "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
    kept = {name: value for name, value in os.environ.items() if name not in keys}
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept}


def _how(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    if -code == signal.SIGKILL:
        return "killed, perhaps for want of memory"
    return f"signal {-code}"
