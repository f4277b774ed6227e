"""A task's lease on every machine of a cluster, for a moment: its directory goes there and comes back, commands run in
its walls, and a program reaches this machine as coders of others reach the gateway."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.losses import Lost
from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.tasks.run.workspaces.cluster import throwaway_cluster
from agentbatch.workspace.workspace import Image, Order, Program, Workspace

A_LITTLE = 0.001
"""Of what Ray calls node:ADDRESS, by which a lease is on that machine."""
FREE_WITHIN = 30.0
"""Seconds for a machine to have room for a task."""
PATIENCE = 60.0
"""Seconds for what a task does there."""

PULLED_WITHIN = 1_200.0
"""Seconds besides for a machine to pull an image."""

COPIES = 'printf %s "$(<sent.txt)" > came.txt'
"""Bash alone is sure to be in an image."""
COMMAND = f"git --version && python3 --version && {COPIES}"

ASKS = """
import os, socket, sys
port = int(sys.argv[1].rsplit(":", 1)[1])
with socket.create_connection(("127.0.0.1", port), 20) as way:
    way.sendall(os.environ["TRIAL_TOKEN"].encode() + b"\\n")
    print(way.makefile().readline().strip(), flush=True)
"""


@dataclass(frozen=True)
class NodeTrial:
    """A task's lease on a machine, a sentence each; empty: nothing is to be said."""

    failed: str = ""
    warned: str = ""
    done: str = ""


async def try_machines(
    places: Sequence[str], connection: Connection, settings: Settings, environ: Mapping[str, str]
) -> dict[str, NodeTrial]:
    """By address. Closes nothing. Raises Lost, UserError."""
    machines = await connection.request("machines")
    offered = {name: one.get("CPU", 0.0) for one in machines for name in one if name.startswith("node:")}
    ids = {place: f"try-{number}" for number, place in enumerate(places)}  # an address is what a machine says
    resources = {ids[place]: {f"node:{place}": A_LITTLE} for place in places}
    with TemporaryDirectory(prefix="agentbatch-") as folder:
        image = None if settings.image is None else Image(settings.image)
        patience = FREE_WITHIN + (PULLED_WITHIN if image else 0.0)
        workspaces = throwaway_cluster(Path(folder), environ, settings, connection, resources)

        async def one(place: str) -> NodeTrial:
            if offered.get(f"node:{place}", 0.0) < settings.task_cpus:
                return NodeTrial(
                    done=f"has {offered.get(f'node:{place}', 0.0):g} processors, and so no tasks"
                )
            root = Path(folder, "work", ids[place])
            root.mkdir(parents=True)
            (root / "sent.txt").write_text(place, encoding="utf-8")
            order = Order(ids[place], str(root), "none", {}, ("bash",), PATIENCE, image=image)
            task = workspaces.make(order)
            try:
                async with asyncio.timeout(patience):
                    workspace = await task.start()
                async with asyncio.timeout(PATIENCE):
                    return await _try(workspace, root, place, contained=image is not None)
            except TimeoutError:
                return NodeTrial(
                    warned="no task could be tried there in time: others have its processors, or it hangs"
                )
            except (UserError, OSError, Lost) as error:
                return NodeTrial(failed=f"no task can work there: {error}")
            finally:
                await task.close()

        tried = await asyncio.gather(*map(one, places))
        await workspaces.clear()
    return dict(zip(places, tried, strict=True))


async def _try(workspace: Workspace, root: Path, place: str, *, contained: bool) -> NodeTrial:
    result = await workspace.run(COPIES if contained else COMMAND, PATIENCE)
    if result.exit_code != 0:
        return NodeTrial(failed=f"a command of a task fails there: {result.output.strip()[-200:]}")
    await workspace.snapshot()  # it is at home then
    came = root / "came.txt"
    if not came.is_file() or came.read_text(encoding="utf-8") != place:
        return NodeTrial(failed="what a command wrote there did not come home")
    works = f"a task works there in {workspace.info.sandbox}"
    if contained and (await workspace.run("command -v python3", PATIENCE)).exit_code != 0:
        return NodeTrial(done=works)
    try:
        answer = await _ask(workspace)
    except (UserError, OSError) as error:
        return NodeTrial(warned=f"coders of others do not reach the gateway from there: {error}", done=works)
    if not answer:
        return NodeTrial(warned="coders of others do not reach the gateway from there", done=works)
    return NodeTrial(done=f"{works}, coders of others reach the gateway")


async def _ask(workspace: Workspace) -> bool:
    """Whether a program there can ask what listens here, by its token."""
    token, word = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    async with _listening(token, word) as port:
        argv = ("python3", "-c", ASKS, f"http://127.0.0.1:{port}")
        process = await workspace.open(Program(argv, "trial", env={"TRIAL_TOKEN": token}, port=port))
        try:
            printed = b""
            while len(printed) < 1000 and (data := await process.read()):
                printed += data
            return printed.decode(errors="replace").strip() == word
        finally:
            await process.stop()


@asynccontextmanager
async def _listening(token: str, word: str) -> AsyncIterator[int]:
    server = await asyncio.start_server(partial(_answer, token, word), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answer(token: str, word: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if secrets.compare_digest(await reader.readline(), f"{token}\n".encode()):
        writer.write(f"{word}\n".encode())
    writer.close()
