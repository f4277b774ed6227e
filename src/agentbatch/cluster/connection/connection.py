"""The engine's way to a cluster: a process of its own speaks with Ray (`driver.py`), and begins again when the head of
the cluster is lost."""

import asyncio
import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from agentbatch.cluster.connection.frames import read_frame, write_frame
from agentbatch.cluster.exchange.losses import CLASS, MAX_WORDS, UNINSTALLED, HeadLost, Lost
from agentbatch.cluster.exchange.wire import Unreadable, pack, unpack
from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.text import clip

MISSING = "--cluster needs Ray: pip install 'agentbatch[cluster]'."

ADDRESS = regex(r"(\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}", re.ASCII | re.IGNORECASE)

NAMESPACE = "agentbatch"
"""In which the actors of all our runs have names."""

PASSED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)
"""Variables that the process of Ray gets; besides them those of Ray itself."""

STARTED_WITHIN = 120.0
"""Seconds for a connection; a Ray of one's own takes 3 to 10, on a machine under load more."""

DISMISSED_WITHIN = 60.0
"""Seconds for an end."""

WAITS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each try to reach a lost head again; the last one from then on."""


class Connection:
    """From the first request to `close`."""

    def __init__(
        self,
        address: str,
        environ: Mapping[str, str],
        tell: Callable[[str], None],
        around: Sequence[str] = (),
    ) -> None:
        """`address`: `auto`, or as Ray takes it. `tell`: what a person should know, a sentence. `around`: a command
        line that runs the one behind it where the cluster can be reached."""
        self._around = around
        self._given = address
        self._environ = environ
        self._tell = tell
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._starting, self._writing = asyncio.Lock(), asyncio.Lock()
        self._up = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._errors = b""
        self.session = 0
        """Of the connection, from 1; 0: there is none now. Whoever had a lease in another has lost it."""
        self._sessions = count(1)
        self.open_to_all = False
        """Who reaches the cluster needs no token. Known when there was a connection."""
        self.gone: dict[int, str] = {}
        """Leases that are known to be lost, and why."""

    @property
    def address(self) -> str:
        """As Ray takes it; empty: a Ray of our own."""
        return self._environ.get("RAY_ADDRESS", "") if self._given == "auto" else self._given

    @property
    def is_lost(self) -> bool:
        """There was one, and the head does not answer any more."""
        return self._following is not None and not self._up.is_set()

    async def start(self) -> None:
        """Safe to repeat. Raises UserError where there is no cluster."""
        async with self._starting:
            if self._following is None:
                if not has_ray():
                    raise UserError(MISSING)
                check_address(self.address)
                reader = await self._open()
                self._following = asyncio.ensure_future(self._follow(reader))

    async def request(self, op: str, *given: Any) -> Any:
        """What the driver answers. Waits while there is no connection. Raises Lost, UserError."""
        await self.start()
        await self._up.wait()
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with self._writing:
                assert self._writer is not None
                with suppress(ConnectionError):  # then it is over, and the answer comes with that
                    await write_frame(self._writer, pack((number, op, given)))
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def dismiss(self, op: str, *given: Any) -> Any:
        """A request by which something ends: what is not there any more is not waited for. Raises Lost, UserError."""
        if self._following is None or not self._up.is_set():
            raise HeadLost("there is no connection")
        try:
            async with asyncio.timeout(DISMISSED_WITHIN):
                return await self.request(op, *given)
        except TimeoutError:
            raise HeadLost("it does not answer") from None

    async def close(self) -> None:
        """Safe to repeat."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        await self._end()

    async def _open(self) -> asyncio.StreamReader:
        here, there = socket.socketpair()
        with there:
            self._process = self._begin_driver(there.fileno())
        reader, self._writer = await asyncio.open_connection(sock=here)
        self._reading_errors = asyncio.ensure_future(asyncio.to_thread(self._read_errors, self._process))
        try:
            async with asyncio.timeout(STARTED_WITHIN):
                frame = await read_frame(reader)
        except TimeoutError:
            await self._end()
            raise UserError(refusal(self.address, f"it has not answered for {STARTED_WITHIN:g} s")) from None
        except BaseException:
            await self._end()
            raise
        if frame is None:
            await self._end()
            raise UserError(refusal(self.address, self._errors.decode(errors="replace")))
        self.open_to_all = unpack(frame)[2] is True
        self.session = next(self._sessions)
        self._up.set()
        return reader

    def _begin_driver(self, handle: int) -> "subprocess.Popen[bytes]":
        module = "agentbatch.cluster.connection.driver"
        return subprocess.Popen(
            [*self._around, sys.executable, "-P", "-m", module, str(handle), self.address, NAMESPACE],
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            pass_fds=(handle,),
            start_new_session=True,
        )

    def _variables(self) -> dict[str, str]:
        chosen = {
            name: value
            for name, value in self._environ.items()
            if name in PASSED or (name.startswith("RAY_") and name != "RAY_ADDRESS")
        }
        return {
            "RAY_raylet_start_wait_time_s": str(int(STARTED_WITHIN)),
            **chosen,
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def _read_errors(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        self._errors = b""
        while data := os.read(process.stderr.fileno(), 65536):
            self._errors = (self._errors + data)[-20_000:]
        process.stderr.close()

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        while True:
            while (frame := await read_frame(reader)) is not None:
                self._take(frame)
            self._up.clear()
            self.session = 0
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(HeadLost("the head of the cluster does not answer"))
            await self._end()
            self._tell("The head of the cluster does not answer any more.")
            reader = await self._open_again()
            self._tell("The cluster is there again.")

    def _take(self, frame: bytes) -> None:
        try:
            number, kind, value = unpack(frame)
        except (Unreadable, TypeError, ValueError):
            return
        if kind == "gone":
            match value:
                case (int(lease), str(reason)):
                    self.gone[lease] = clip(reason, MAX_WORDS)
            return
        answer = self._waiting.get(number)
        if answer is None or answer.done():
            return
        match kind:
            case "ok":
                answer.set_result(value)
            case "lost":
                answer.set_exception(Lost(str(value)))
            case _:
                answer.set_exception(UserError(f"The cluster cannot do that: {value}"))

    async def _open_again(self) -> asyncio.StreamReader:
        for number in count():
            await asyncio.sleep(WAITS[min(number, len(WAITS) - 1)])
            with suppress(UserError, OSError):
                return await self._open()
        raise AssertionError

    async def _end(self) -> None:
        process, self._process = self._process, None
        if self._writer is not None:
            self._writer.close()
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, 15.0)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await asyncio.to_thread(process.wait)
        await asyncio.wait({self._reading_errors}, timeout=5.0)


def refusal(address: str, printed: str) -> str:
    """Why there is no cluster at the address (empty: a Ray of our own), by what Ray has printed. Pure."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    last = CLASS.sub("", lines[-1]) if lines else "it does not answer"
    where = address or "a Ray of its own on this machine"
    if "Version mismatch" in printed:
        versions = [line for line in lines if line.startswith(("Ray:", "Python:"))]
        return (
            f"--cluster: {where} has another version of Ray or Python: {', '.join(versions[:2])}; here they are "
            f"{', '.join(versions[2:4])}. Install the same here as there."
        )
    if "AuthenticationError" in printed:
        return (
            f"--cluster: {where} wants a token that is not the one here: put the cluster's into ~/.ray/auth_token, or "
            "its path into RAY_AUTH_TOKEN_PATH, and set RAY_AUTH_MODE=token."
        )
    if UNINSTALLED in last:
        return (
            f"--cluster: the machines of {where} lack pydantic, python-dotenv or this agentbatch, and Ray cannot bring "
            f"it: {last.partition(UNINSTALLED)[2]}. Install agentbatch for the Python that runs Ray there; Ray itself "
            "installs what is missing where it is `ray[default]` and the machines reach PyPI."
        )
    return (
        f"--cluster: {f'there is no Ray at {where}' if address else f'{where} could not be started'}: {last}"
    )


def has_ray() -> bool:
    return importlib.util.find_spec("ray") is not None


def check_address(address: str) -> None:
    """Raises UserError for what is none; empty: a Ray of our own."""
    if address and address != "auto" and not ADDRESS.fullmatch(address):
        raise UserError(
            f"--cluster: {clip(repr(address), 200)} is no address of a cluster: it is auto, or HOST:PORT of its head, "
            "such as 10.0.0.1:6379 (Ray's own client, ray://, is not supported)."
        )
