"""A llama.cpp server for one run: a child process on this machine that ends with the engine."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from agentbatch.config import RoleSettings, secret_variables
from agentbatch.errors import UserError
from agentbatch.files import open_own
from agentbatch.local.child import ServerOrder
from agentbatch.local.server_plan import ServerPlan
from agentbatch.patterns import regex

LOADING_NOTICE = 20.0
"""Seconds until the first notice that it is still loading; each further one after twice the time."""

MAX_LOADING = 3600.0
"""Seconds."""

LOG_TAIL = 64 * 1024
"""Bytes at the end of llama.cpp's log that are searched for the cause of a failure."""

MAX_CAUSE = 240
"""Characters of a failure's cause that are shown."""

_LOG_LINE = regex(r"^[\d.]+ (?P<level>[EWID]) +(?:\S+ +)?(?P<where>[\w.()]+): (?P<text>.*)$")
_CAUSE = regex(r"error loading model: |GGML_ASSERT|what\(\): |failed to allocate|Error: ")


class LocalServer:
    """`async with` it around the run. `base_url` is set from then on."""

    def __init__(self, plan: ServerPlan, api_key: str, log: Path, notify: Callable[[str], None]) -> None:
        """`api_key`: any, a new one for each server; `log`: file for llama.cpp's own log; `notify` gets sentences about
        loading."""
        self.plan = plan
        self.api_key = api_key
        self.base_url = ""
        self._log = log
        self._notify = notify
        self._process: asyncio.subprocess.Process | None = None

    @property
    def role(self) -> RoleSettings:
        """The server as an endpoint that a role is played on."""
        return RoleSettings(model=self.plan.name, base_url=self.base_url, api_key=SecretStr(self.api_key))

    @property
    def identity(self) -> str:
        """Identifies the model across runs, on whatever port it is served."""
        return self.plan.identity

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._end()

    async def ended(self) -> str:
        """Wait until the server ends by itself; returns a sentence about it."""
        assert self._process is not None
        code = await self._process.wait()
        why = "" if code == -signal.SIGKILL else self._why()  # killed, it logged nothing
        return f"The local model's server ended ({_describe_exit(code)}){why}. Its log is {self._log}."

    async def _start(self) -> None:
        started = time.monotonic()
        self._notify(self.plan.describe())
        with os.fdopen(open_own(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log:
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
        self._notify(f"{self.plan.name} is loaded, after {time.monotonic() - started:.0f} s")

    async def _answer(self, stdout: asyncio.StreamReader, started: float) -> str:
        """The base URL, once the model is loaded. Raises UserError when that fails."""
        line = asyncio.ensure_future(stdout.readline())
        wait = LOADING_NOTICE
        try:
            while not (await asyncio.wait([line], timeout=wait))[0]:
                passed = time.monotonic() - started
                if passed > MAX_LOADING:
                    raise UserError(
                        f"{self.plan.path} was not loaded after {passed:.0f} s. Its log is {self._log}."
                    )
                self._notify(f"{self.plan.name} is still loading, after {passed:.0f} s")
                wait *= 2
        finally:
            line.cancel()
        answer = json.loads(line.result() or b"{}")
        if "base_url" in answer:
            return str(answer["base_url"])
        assert self._process is not None
        code = await self._process.wait()
        exit_text = "" if code == 1 else f" (its process ended: {_describe_exit(code)})"
        why = self._why() or (f": {answer['error']}" if "error" in answer else "")
        raise UserError(f"llama.cpp cannot load {self.plan.path}{exit_text}{why}. Its log is {self._log}.")

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
        cause = last_error(self._log)
        return f": {cause}" if cause else ""

    async def _end(self) -> None:
        """Kill it: it has no state to save."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _environment() -> dict[str, str]:
    """Ours, without keys. Waiting threads sleep: spinning, they would halve the speed as soon as a task's command needs
    a core."""
    keys = {*secret_variables(), "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
    kept = {name: value for name, value in os.environ.items() if name not in keys}
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept}


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    if -code == signal.SIGKILL:
        return "killed, perhaps out of memory"
    return f"signal {-code}"


def last_error(log: Path) -> str:
    """The line of llama.cpp's log that explains a failure, without its timestamp; empty when there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return explaining_line(lines)


def explaining_line(lines: list[str]) -> str:
    """The last line with a cause in it, else the last error. Pure."""
    shown = [line for line in lines if _CAUSE.search(line)]
    if not shown:
        shown = [line for line in lines if (found := _LOG_LINE.match(line)) and found["level"] == "E"]
    if not shown:
        return ""
    found = _LOG_LINE.match(shown[-1])
    text = (found["text"] if found else shown[-1]).removeprefix("error loading model: ")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return text if len(text) <= MAX_CAUSE else text[: MAX_CAUSE - 1] + "…"
