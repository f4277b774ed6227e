"""Servers of tools as an agent is told of them, which starts or calls them itself, inside its walls. Pure."""

from collections.abc import Collection, Mapping, Sequence

from acp.schema import EnvVariable, HttpMcpServer, McpServerStdio, SseMcpServer

from agentbatch.mcp.server import McpServer

AcpServers = Sequence[HttpMcpServer | SseMcpServer | McpServerStdio]


def acp_servers(
    servers: Mapping[str, McpServer], takes: Collection[str]
) -> tuple[list[HttpMcpServer | SseMcpServer | McpServerStdio], list[str]]:
    """For `session/new`, and a sentence for each that it cannot have. `takes`: `http` and `sse`, as far as it does."""
    given: list[HttpMcpServer | SseMcpServer | McpServerStdio] = []
    left_out = []
    for name, server in servers.items():
        if server.command:
            given.append(_command(name, server))
        elif server.headers:
            left_out.append(
                f"It does not get the MCP server {name}, whose headers stay outside of its walls."
            )
        elif server.sse and "sse" in takes:
            given.append(SseMcpServer(type="sse", name=name, url=server.url, headers=[]))
        elif not server.sse and "http" in takes:
            given.append(HttpMcpServer(type="http", name=name, url=server.url, headers=[]))
        else:
            left_out.append(f"It takes no such MCP servers as {name} by HTTP, and does without.")
    return given, left_out


def _command(name: str, server: McpServer) -> McpServerStdio:
    """The protocol wants an absolute path, and where a program lies inside its walls only the agent can look."""
    absolute = server.command[0].startswith("/")
    command, *words = server.command if absolute else ("/usr/bin/env", *server.command)
    env = [EnvVariable(name=variable, value=value) for variable, value in server.env.items()]
    return McpServerStdio(name=name, command=command, args=words, env=env)
