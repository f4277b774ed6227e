"""A side at the other end of a wire. Manifests go over it as what has changed since the last that went, in either
direction, so that a directory of which nothing has changed takes a few bytes.

`ServedSide` stands beside the directory, `RemoteSide` on the engine's machine; whatever carries calls is between them.
"""

from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex
from typing import Any

from agentbatch.cluster.shapes import checked
from agentbatch.cluster.travel.manifest import Manifest
from agentbatch.cluster.travel.records import applied, between, decoded, encoded
from agentbatch.cluster.travel.side import Side

NOTHING = ""
"""Names the empty manifest, which both ends know from the beginning."""


class ServedSide:
    """The end with the directory. Strings, numbers, bytes and lists of them are all that passes."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._name = NOTHING
        self._last: Manifest = {}
        """The last manifest that went over the wire."""

    async def scan(self, known: str) -> tuple[str, str, bytes]:
        """What the directory holds: a name for that, the manifest that the other end has to begin with (`known`, or
        NOTHING), and what has changed since."""
        manifest = await self._side.scan()
        base = known if known == self._name else NOTHING
        change = between(self._last if base else {}, manifest)
        self._name, self._last = token_hex(8), manifest
        return self._name, base, encoded(change)

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return await self._side.missing(digests)

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        return await self._side.give(digests, at)

    async def take(self, pack: bytes) -> None:
        await self._side.take(pack)

    async def place(self, known: str, change: bytes, since: bytes | None) -> tuple[str, list[str]] | None:
        """Both as what has changed since `known`. Returns a name for the manifest, and the problems; None: `known` is
        not known here, nothing was done."""
        if known not in (self._name, NOTHING):
            return None
        base = self._last if known else {}
        manifest = applied(decoded(change), base)
        before = None if since is None else applied(decoded(since), base)
        problems = await self._side.place(manifest, before)
        self._name, self._last = token_hex(8), manifest
        return self._name, problems


class RemoteSide:
    """The engine's end; see `Side` for the protocol."""

    def __init__(self, ask: Callable[..., Awaitable[Any]]) -> None:
        """`ask(name, *arguments)` calls that member of the ServedSide, and raises what it raises."""
        self._ask = ask
        self._name = NOTHING
        self._last: Manifest = {}

    async def scan(self) -> Manifest:
        name, base, change = checked(tuple[str, str, bytes], await self._ask("scan", self._name))
        manifest = applied(decoded(change), self._last if base and base == self._name else {})
        self._name, self._last = name, manifest
        return manifest

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return checked(list[str], await self._ask("missing", list(digests)))

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        return checked(bytes, await self._ask("give", list(digests), at))

    async def take(self, pack: bytes) -> None:
        await self._ask("take", pack)

    async def place(self, manifest: Manifest, since: Manifest | None = None) -> list[str]:
        for name, last in ((self._name, self._last), (NOTHING, {})):
            before = None if since is None else encoded(between(last, since))
            answer = await self._ask("place", name, encoded(between(last, manifest)), before)
            if answer is not None:
                self._name, problems = checked(tuple[str, list[str]], answer)
                self._last = manifest
                return problems
        raise AssertionError("NOTHING is always known")
