"""Servers of tools as an agent is told of them, which starts or calls them itself, inside its walls. Pure."""

from collections.abc import Mapping, Sequence

from acp.schema import EnvVariable, HttpMcpServer, McpServerStdio

from agentbatch.mcp.server import McpServer

Told = Sequence[HttpMcpServer | McpServerStdio]


def told_servers(
    servers: Mapping[str, McpServer], http: bool
) -> tuple[list[HttpMcpServer | McpServerStdio], list[str]]:
    """For `session/new`, and a sentence for each that it cannot have. `http`: it takes those with a URL."""
    told: list[HttpMcpServer | McpServerStdio] = []
    left_out = []
    for name, server in servers.items():
        if server.command:
            told.append(_command(name, server))
        elif server.headers:
            left_out.append(
                f"It does not get the MCP server {name}, whose headers stay outside of its walls."
            )
        elif http:
            told.append(HttpMcpServer(type="http", name=name, url=server.url, headers=[]))
        else:
            left_out.append(f"It takes no MCP servers by HTTP, and does without {name}.")
    return told, left_out


def _command(name: str, server: McpServer) -> McpServerStdio:
    """The protocol wants an absolute path, and where a program lies inside its walls only the agent can look."""
    absolute = server.command[0].startswith("/")
    command, *words = server.command if absolute else ("/usr/bin/env", *server.command)
    env = [EnvVariable(name=variable, value=value) for variable, value in server.env.items()]
    return McpServerStdio(name=name, command=command, args=words, env=env)
