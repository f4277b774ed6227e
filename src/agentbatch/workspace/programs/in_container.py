"""A program of a task that works in a container: in another one of the same image, with its HOME in it, so that no
command of the task reaches it, and with all that it starts by itself."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.containers.container import Container
from agentbatch.workspace.containers.inhabitants import SYSTEM, entering
from agentbatch.workspace.containers.mounts import Bind
from agentbatch.workspace.containers.walls import ContainerWalls
from agentbatch.workspace.programs.local_process import LocalProcess
from agentbatch.workspace.programs.relay import Relay
from agentbatch.workspace.sandbox.walls import Walls
from agentbatch.workspace.shell.shell import announced
from agentbatch.workspace.workspace import Program


async def open_in_container(
    walls: Walls,
    program: Program,
    env: Mapping[str, str],
    home: Path,
    logins: Mapping[str, Path],
    redact: Redactor,
    folder: Path,
) -> LocalProcess:
    """`home`: its own, on this machine as inside; `logins`: what is laid into it; `folder`: of its container. Raises
    UserError, OSError."""
    assert isinstance(walls, ContainerWalls)
    if not await walls.has(program.argv[0]):
        raise UserError(
            f"The program {program.argv[0]} is not to be found in the task's image. Build one that has it "
            "(`dockerfile`), or let the task work without an image."
        )
    binds = [Bind(home, str(home), writable=True)]
    binds += [Bind(place, f"{home}/{name}", writable=True) for name, place in logins.items()]
    container = walls.beside(binds, folder)
    relay = None
    try:
        await container.enter()
        if program.port:
            relay = await _relay(container, program.port)
        variables = {**env, **program.env, "HOME": str(home)}
        words = container.command(variables, walls.directory, announced(program.argv), talked=True)
        return LocalProcess(words, Path("/"), container.engine.env, redact, relay, container)
    except BaseException:
        if relay is not None:
            await relay.close()
        await container.end()
        raise


async def _relay(container: Container, port: int) -> Relay:
    """Listening on loopback in the container. Raises UserError, OSError."""
    inside = entering(container.namespaces, "net") if container.namespaces else None
    if inside is None:
        raise UserError(
            "A program in a container reaches its model through a port that nsenter (util-linux) opens there, as "
            "podman lets us; here that cannot be had."
        )
    relay = Relay(port)
    words = [*inside, *relay.around([shutil.which("true") or "true"])]
    try:
        entered = await asyncio.create_subprocess_exec(
            *words,
            pass_fds=(relay.handle,),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": SYSTEM, "LC_ALL": "C"},
        )
        listens = await relay.listen()
        _, problem = await entered.communicate()
    except BaseException:
        await relay.close()
        raise
    if not listens:
        await relay.close()
        raise OSError(
            f"No port could be opened in the container: {problem.decode(errors='replace').strip()[-300:]}"
        )
    return relay
