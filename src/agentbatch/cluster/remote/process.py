"""A program on a node that is talked with: each member is a question."""

from functools import partial

from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import MAIN
from agentbatch.cluster.exchange.tunnel import Way
from agentbatch.cluster.shapes import checked
from agentbatch.cluster.stations.station import Station
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import Program

LOST = 255
"""Exit code of a program whose machine is lost: nobody knows another."""

WAIT_AT_ONCE = 65536


class ClusterProcess:
    """See `Process` for the protocol."""

    def __init__(self, station: Station, number: int, redact: Redactor, way: Way | None = None) -> None:
        """`way`: its way to a port of the engine's machine; it ends with the program."""
        self._way = way
        self._station = station
        self._number = number
        self._generation = station.generation
        self._redact = redact
        self._errors = ""
        self._stopped = False

    @classmethod
    async def open(
        cls, station: Station, program: Program, redact: Redactor, target: int = MAIN
    ) -> "ClusterProcess":
        """Raises Lost, UserError, OSError."""
        if program.credentials:
            raise UserError(
                f"{program.argv[0]} uses a login of yours, which never leaves this machine: on a cluster it can only "
                "ask the gateway. Leave --coder-login out, or run without --cluster."
            )
        if program.port and not await station.is_private():
            raise UserError(
                f"{program.argv[0]} has to reach the gateway with its token and its conversation, and this Ray sends "
                "them in plain text between its machines: have it use TLS (RAY_USE_TLS=1), or run without --cluster."
            )
        given = (*program.argv, *program.env.values(), *map(_text, program.files.values()))
        if any(redact(text) != text for text in given):
            raise UserError(f"What {program.argv[0]} is started with holds a key of yours; no node gets one.")
        number, gate = checked(tuple[int, int], await station.ask(target, "open", program))
        way = Way(partial(station.ask, gate), program.port) if gate else None
        return cls(station, number, redact, way)

    async def write(self, data: bytes) -> None:
        try:
            await self._ask("write", data)
        except Lost:
            raise BrokenPipeError("its machine was lost") from None

    async def close_input(self) -> None:
        await self._quietly("close_input")

    async def read(self, limit: int = WAIT_AT_ONCE) -> bytes:
        try:
            data = await self._ask("read", limit)
        except Lost as error:
            self._errors = f"{self._errors}\nIts machine was lost: {error}".strip()
            return b""
        return data if isinstance(data, bytes) else b""

    async def wait(self) -> int:
        try:
            code = await self._ask("wait")
        except Lost:
            return LOST
        return code if isinstance(code, int) else LOST

    async def freeze(self) -> None:
        try:
            await self._ask("freeze")
        except Lost as error:
            raise OSError(f"Its machine was lost: {error}") from None

    async def thaw(self) -> None:
        await self._quietly("thaw")

    async def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            if self._way is not None:
                await self._way.close()
            await self._quietly("stop")

    @property
    def errors(self) -> str:
        return self._errors

    async def _quietly(self, member: str) -> None:
        try:
            await self._ask(member)
        except Lost:
            return

    async def _ask(self, member: str, *given: object) -> object:
        if self._generation != self._station.generation:
            raise Lost("it was on another machine")
        told = await self._station.ask(self._number, member, *given)
        answer, errors = checked(tuple[bytes | int | None, str], told)
        self._errors = self._redact(errors)
        return answer


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
