"""The process that speaks with Ray, beside the engine: it has none of the engine's variables and keys, and the engine
none of Ray's threads, handlers and ends. (Ray ends a program that has lost the head for a minute: ray-project/ray
#45570; `ray.init` takes over SIGTERM.) It carries bytes between the engine and the actors, and reads none of them.

    python -m agentbatch.cluster.connection.driver HANDLE ADDRESS NAMESPACE

HANDLE: a socket to the engine, which ends this process by closing it. ADDRESS: as Ray takes it; empty: a Ray of its
own on this machine.
"""

import asyncio
import hashlib
import math
import os
import pathlib
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import ray
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.exceptions import ActorDiedError, RayError, RuntimeEnvSetupError
from ray.experimental.internal_kv import _internal_kv_get
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import agentbatch
from agentbatch.cluster.connection.fitting import can_grow
from agentbatch.cluster.connection.frames import MAX_FRAME, read_frame, write_frame
from agentbatch.cluster.exchange.losses import UNINSTALLED, in_words
from agentbatch.cluster.exchange.wire import pack, unpack
from agentbatch.cluster.node.hands import Hands
from agentbatch.cluster.node.report import clear_node, look_at_node

PING = 5.0
"""Seconds between two signs of life to every actor."""
SILENT = 40.0
"""Seconds without an answer to one after which the machine counts as lost; Ray itself says so sooner as a rule."""
REACHED_WITHIN = 15.0
"""Seconds for the head to take a connection."""
PATIENCE = 25.0
"""Seconds for the end of a lease."""
NODE_PATIENCE = 120.0
"""Seconds for a node to say how it is; it may have to install something first."""
INSTALLED_WITHIN = 60.0
"""Seconds for a machine to install what it lacks, before the run begins without having seen it."""
AT_ONCE = 1000
"""Questions to one actor."""
MAX_ANSWER = MAX_FRAME // 2
"""Bytes of one."""
NEEDED = {"pydantic": "pydantic", "python-dotenv": "dotenv"}
"""What our part on a node imports besides Ray: packages, and their modules."""
OWN_CPUS = os.cpu_count() or 1
AUTOSCALER_STATUS = "__autoscaling_status"
"""By which Ray's head knows what its monitor has written, which `ray status` shows."""


def main() -> None:
    handle, address, namespace = sys.argv[1:4]
    here = socket.socket(fileno=int(handle))
    if problem := _unreachable(address):  # Ray itself takes two minutes to say so
        sys.exit(problem)
    _connect(address, namespace, {})
    wanting = asyncio.run(_environment()) if address else {}
    if wanting:  # packages are sent along with a job alone, from its beginning
        ray.shutdown()
        _connect(address, namespace, wanting)
        if problem := asyncio.run(_uninstalled()):
            sys.exit(f"{UNINSTALLED}{problem}")
    asyncio.run(Driver(here).serve())
    ray.shutdown()


def _unreachable(address: str) -> str:
    """Why nobody can be there; empty: somebody may be."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return ""
    try:
        socket.create_connection((host, int(port)), REACHED_WITHIN).close()
    except OSError as error:
        return str(error.strerror or error)
    return ""


def _connect(address: str, namespace: str, runtime_env: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "logging_level": "error",
        "log_to_driver": False,
        "namespace": namespace,
        "runtime_env": runtime_env,
    }
    if address:
        loopback = address.split("://")[-1].startswith(("127.", "localhost"))
        ray.init(address=address, **({"_node_ip_address": "127.0.0.1"} if loopback else {}), **given)
    else:
        ray.init(
            address="local", num_cpus=OWN_CPUS, _node_ip_address="127.0.0.1", include_dashboard=False, **given
        )


class Gone(Exception):
    """The actor's machine, or the actor, is lost."""


class Driver:
    def __init__(self, here: socket.socket) -> None:
        self._here = here
        self._actors: dict[int, Any] = {}
        self._heard: dict[int, float] = {}
        """When each actor that has arrived answered last."""
        self._doing: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._here)
        await self._tell(0, "ready", os.environ.get("RAY_AUTH_MODE") != "token")
        pinging = asyncio.ensure_future(self._ping_all())
        while (frame := await read_frame(reader)) is not None:
            number, op, given = unpack(frame)
            self._begin(self._do(number, getattr(self, f"do_{op}"), given))
        pinging.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        doing = asyncio.ensure_future(work)
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)

    async def _do(self, number: int, work: Callable[..., Awaitable[Any]], given: tuple[Any, ...]) -> None:
        try:
            answer: tuple[str, Any] = ("ok", _passable(await work(*given)))
        except RuntimeEnvSetupError as error:
            answer = ("error", f"agentbatch could not be brought to the node: {in_words(error)}")
        except (Gone, RayError) as error:
            answer = ("lost", in_words(error))
        except Exception as error:  # noqa: BLE001 - told to the engine, whichever it is
            answer = ("error", in_words(error))
        with suppress(ConnectionError):
            await self._tell(number, *answer)

    async def _tell(self, number: int, kind: str, value: Any) -> None:
        assert self._writer is not None
        await write_frame(self._writer, pack((number, kind, value)))

    async def do_lease(self, lease: int, name: str, options: dict[str, Any], posting: bytes) -> bytes:
        """Wait for a node, whatever that takes; the actor has arrived there then."""
        actor_class = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=AT_ONCE)(Hands)
        actor = actor_class.options(**options, name=name, scheduling_strategy="SPREAD").remote(posting)
        self._actors[lease] = actor
        arrived: bytes = await actor.arrive.remote()
        self._heard[lease] = time.monotonic()
        return arrived

    async def do_begin(self, lease: int) -> bytes:
        begun: bytes = await self._actor(lease).begin.remote()
        return begun

    async def do_ask(
        self, lease: int, fence: int, number: int, target: int, member: str, given: bytes
    ) -> bytes:
        answer: bytes = await self._actor(lease).ask.remote(fence, number, target, member, given)
        return answer

    async def do_cancel(self, lease: int, number: int) -> None:
        await self._actor(lease).cancel.remote(number)

    async def do_release(self, lease: int, gently: bool) -> bytes:
        """The lease ends; `gently`: what is there ends first, and its files go."""
        actor, arrived = self._actors.pop(lease, None), self._heard.pop(lease, None)
        if actor is None:
            return b""
        try:
            return (
                await asyncio.wait_for(_awaited(actor.end.remote()), PATIENCE) if gently and arrived else b""
            )
        except (RayError, TimeoutError):
            return b""
        finally:
            ray.kill(actor)

    async def do_machines(self) -> list[dict[str, float]]:
        """What each has in all."""
        return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]

    async def do_grows(self) -> bool | None:
        """An autoscaler can add machines; None: not known."""
        # Nobody can be asked whether the newer one has anything to add.
        if is_autoscaler_v2(fetch_from_server=True):
            return True
        return can_grow(_internal_kv_get(AUTOSCALER_STATUS))

    async def do_is_private(self) -> bool:
        """Ray speaks TLS, or all its machines are this one."""
        places = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        return os.environ.get("RAY_USE_TLS") == "1" or all(place.startswith("127.") for place in places)

    async def do_end_others(self, prefix: str) -> int:
        """Actors whose name begins so are of an earlier session of the run."""
        ended = 0
        for found in list_named_actors():
            if found.startswith(prefix):
                with suppress(ValueError):
                    ray.kill(ray.get_actor(found))
                    ended += 1
        return ended

    async def do_clear(self, mark: str) -> list[Any]:
        """Nothing of the run stays on any node."""
        return await _on_every_node(clear_node, mark)

    async def do_report(self, *programs: str) -> list[Any]:
        """Every node: its address, `ok` or `error`, a packed NodeReport or what is wrong."""
        return await _on_every_node(look_at_node, *programs)

    def _actor(self, lease: int) -> Any:
        if lease not in self._actors:
            raise Gone("the lease is over")
        return self._actors[lease]

    async def _ping_all(self) -> None:
        """So that actors know that the engine is there, and the engine which of them are."""
        while True:
            await asyncio.sleep(PING)
            for lease in list(self._heard):
                self._begin(self._ping(lease))

    async def _ping(self, lease: int) -> None:
        with suppress(Gone, RayError, ConnectionError):
            try:
                await self._actor(lease).ping.remote()
                self._heard[lease] = max(time.monotonic(), self._heard.get(lease, 0.0))
            except ActorDiedError as error:  # one that cannot be reached for a moment may come back
                await self._say_lost(lease, in_words(error))
        if time.monotonic() - self._heard.get(lease, math.inf) > SILENT:
            await self._say_lost(lease, f"it has not answered for {SILENT:g} seconds")

    async def _say_lost(self, lease: int, reason: str) -> None:
        if self._heard.pop(lease, None) is not None:
            await self._tell(0, "gone", (lease, reason))


def _passable(answer: Any) -> Any:
    """What actors answer is bytes, which are read elsewhere. Raises ValueError for what would never get there, or would
    end the connection that all tasks have."""
    if isinstance(answer, bytes) and len(answer) > MAX_ANSWER:
        raise ValueError(f"a node has answered {len(answer):,} bytes; {MAX_ANSWER:,} are the most")
    if not isinstance(answer, bytes | bool | int | list | None):
        raise ValueError("a node has answered what no node of ours does")
    return answer


async def _on_every_node(what: Callable[..., Any], *given: Any) -> list[tuple[str, str, Any]]:
    """Of each its address, `ok` or `error`, and what it answers or what is wrong."""

    async def there(node: dict[str, Any]) -> tuple[str, str, Any]:
        place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        work = ray.remote(max_retries=0, num_cpus=0)(what)
        done = work.options(scheduling_strategy=place).remote(*given)
        try:
            return node["NodeManagerAddress"], "ok", await asyncio.wait_for(_awaited(done), NODE_PATIENCE)
        except (RayError, TimeoutError) as error:
            return node["NodeManagerAddress"], "error", in_words(error)

    return list(await asyncio.gather(*(there(node) for node in ray.nodes() if node["Alive"])))


async def _environment() -> dict[str, Any]:
    """What brings our package to machines that have another one, or none; empty: all that answer have ours."""

    def there() -> dict[str, str]:  # sent by its text: the node may not have the module that it stands in
        found = {name: str(find_spec(name) is not None) for name in ("pydantic", "dotenv")}
        spec = find_spec("agentbatch")
        if spec is None or spec.origin is None:
            return {**found, "agentbatch": ""}
        package = pathlib.Path(spec.origin).parent
        whole = hashlib.sha256()
        for part in ("", "workspace/**/", "cluster/**/"):
            for path in sorted(package.glob(f"{part}*.py")):
                whole.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
        return {**found, "agentbatch": whole.hexdigest()}

    here = there()
    away = [answer for _, result, answer in await _on_every_node(there) if result == "ok"]
    env: dict[str, Any] = {}
    if any(one["agentbatch"] != here["agentbatch"] for one in away):
        env["py_modules"] = [str(pathlib.Path(agentbatch.__file__).parent)]
    wanting = [name for name, module in NEEDED.items() if any(one[module] != "True" for one in away)]
    if wanting:
        env["pip"] = [f"{name}=={version(name)}" for name in wanting]
    return env


async def _uninstalled() -> str:
    """Why that cannot be brought to a machine; empty: it can, or it takes its time."""

    def there() -> None:
        pass

    try:
        tried = ray.remote(max_retries=0, num_cpus=0)(there).remote()
        await asyncio.wait_for(_awaited(tried), INSTALLED_WITHIN)
    except RuntimeEnvSetupError as error:
        return in_words(error)
    except (RayError, TimeoutError):
        return ""
    return ""


async def _awaited(reference: Any) -> Any:
    return await reference


if __name__ == "__main__":
    main()
