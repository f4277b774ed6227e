"""The servers of tools that a run's tasks have, checked before anything is spent; their headers get the user's keys."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec

from agentbatch.config.headers import secret_values
from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.redaction import secrets_in
from agentbatch.tasks.spec.plan import Plan, PlannedTask


def with_servers(plan: Plan, environ: Mapping[str, str], own_keys: Collection[str]) -> Plan:
    """The plan with its servers' headers filled in. `own_keys`: variables with keys of model endpoints, which go to
    those alone. Raises UserError."""
    if not any(task.servers for task in plan.tasks):
        return plan
    if find_spec("mcp") is None:
        raise UserError("MCP servers need a package more: pip install 'agentbatch[mcp]'.")
    return replace(plan, tasks=tuple(_filled(task, environ, own_keys) for task in plan.tasks))


def _filled(task: PlannedTask, environ: Mapping[str, str], own_keys: Collection[str]) -> PlannedTask:
    servers = {}
    for name, server in task.servers.items():
        for variable in server.references:
            who = f"Task {task.id}: the headers of its MCP server {name} name ${{{variable}}}, "
            if variable in own_keys:
                raise UserError(
                    f"{who}a key of a model endpoint, which goes nowhere else. Use another variable."
                )
            if not environ.get(variable):
                raise UserError(f"{who}which is not set. Set it in the environment or in .env.")
        servers[name] = server.model_copy(update={"headers": server.filled_headers(environ)})
    return replace(task, servers=servers)


def server_secrets(servers: Iterable[McpServer]) -> list[str]:
    """What of them is to be redacted."""
    return [
        secret
        for server in servers
        for secret in (*secret_values(server.headers.items()), *secrets_in(server.url))
    ]
