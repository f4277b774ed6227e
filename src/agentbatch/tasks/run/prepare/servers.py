"""The servers of tools that a run's tasks have, checked before anything is spent; their headers get the user's keys."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from agentbatch.config.headers import secret_values
from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.redaction import secrets_in
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.run.prepare.own_files import planted
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import list_names
from agentbatch.workspace.preparation import find_program

CODER = os.path.join("agents", "coder.toml")


def with_servers(plan: Plan, environ: Mapping[str, str], own_keys: Collection[str]) -> Plan:
    """The plan with its servers' headers filled in. `own_keys`: variables with keys of model endpoints, which go to
    those alone. Raises UserError."""
    if not any(task.servers for task in plan.tasks):
        return plan
    check_package()

    def with_headers(task: PlannedTask) -> PlannedTask:
        servers = {
            name: filled(f"Task {task.id}: its MCP server {name}", server, environ, own_keys)
            for name, server in task.servers.items()
        }
        return replace(task, servers=servers)

    return replace(plan, tasks=tuple(map(with_headers, plan.tasks)))


def check_package() -> None:
    """Raises UserError."""
    if find_spec("mcp") is None:
        raise UserError("MCP servers need a package more: pip install 'agentbatch[mcp]'.")


def filled(who: str, server: McpServer, environ: Mapping[str, str], own_keys: Collection[str]) -> McpServer:
    """The server, which is `who` in a sentence, with its headers filled in. Raises UserError."""
    for variable in server.references:
        if variable in own_keys:
            raise UserError(
                f"{who} has ${{{variable}}} in its headers, a key of a model endpoint, which goes nowhere else. Use "
                "another variable."
            )
        if not environ.get(variable):
            raise UserError(
                f"{who} has ${{{variable}}} in its headers, which is not set. Set it in the environment or in .env."
            )
    return server.model_copy(update={"headers": server.filled_headers(environ)})


def check_planted(plan: Plan, folder: Path, task_file: Path) -> None:
    """That who has agentbatch call a server, outside of the sandbox and with the user's keys, is the user. Raises
    UserError."""
    calling = [
        os.path.relpath(task_file, folder) if name in task.task.mcp else CODER
        for task in plan.tasks
        for name, server in task.servers.items()
        if server.url
    ]
    for path in dict.fromkeys(calling):
        if sentence := planted(
            folder, path, "names an MCP server that is called from outside of the sandbox. None is"
        ):
            raise UserError(sentence)


def check_commands(tasks: Sequence[PlannedTask], path: str) -> None:
    """That the programs of servers on this machine are there. Raises UserError."""
    roots = {task.root for task in tasks}
    seen: set[str] = set()
    for task in tasks:
        for name, server in task.servers.items() if task.image is None else ():
            program = server.command[0] if server.command else ""
            if not program or program in seen:
                continue
            seen.add(program)
            try:
                find_program(program, path, roots)
            except UserError as error:
                raise UserError(f"Task {task.id}: its MCP server {name} cannot be started. {error}") from None


def unserved(
    tasks: Iterable[PlannedTask], entries: Mapping[str, CoderEntry], *, no_network: bool = False
) -> list[str]:
    """What coders of others do not get of their tasks' servers, a sentence each. `no_network`: in their sandbox. Raises
    UserError where a task requires it. Pure."""
    commands: dict[str, None] = {}
    headers: dict[str, None] = {}
    unreached: dict[str, None] = {}
    narrowed: dict[str, None] = {}
    for task in tasks:
        for coder in task.coders:
            entry = entries[coder]
            untold = entry.protocol == "command" and not entry.configures_servers
            for name, server in task.servers.items() if entry.protocol != "builtin" else ():
                far = no_network and bool(server.url)
                cannot = untold or bool(server.headers) or far
                if cannot and server.required:
                    raise UserError(
                        f"Task {task.id} requires the MCP server {name}, which {coder} cannot have."
                    )
                if untold:
                    commands[coder] = None
                elif server.headers:
                    headers[name] = None
                elif far:
                    unreached[name] = None
                elif server.tools is not None:
                    narrowed[name] = None
    sentences = (
        (commands, "{} gets no MCP servers: its entry in agents/coders.toml has no place for them."),
        (headers, "Headers stay outside of the sandbox: coders of others do without the MCP server {}."),
        (unreached, "With --no-network coders of others do not reach the MCP server {}."),
        (narrowed, "Coders of others have all tools of the MCP server {}, whatever `tools` says."),
    )
    return [text.format(list_names(list(names))) for names, text in sentences if names]


def server_secrets(servers: Iterable[McpServer]) -> list[str]:
    """What of them is to be redacted."""
    return [
        secret
        for server in servers
        for secret in (*secret_values(server.headers.items()), *secrets_in(server.url))
    ]
