"""Servers of tools as the configuration of an agent names them, which starts or calls them itself, inside its walls.
Pure."""

import json
from collections.abc import Mapping
from typing import Any

from agentbatch.mcp.server import McpServer


def configured(servers: Mapping[str, McpServer]) -> str:
    """The JSON of `mcpServers`, as Claude Code and Copilot read it; without those whose headers stay outside."""
    return json.dumps({name: _entry(server) for name, server in servers.items() if not server.headers})


def _entry(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {"type": "sse" if server.sse else "http", "url": server.url}
    command, *words = server.command
    return {"type": "stdio", "command": command, "args": words, "env": server.env}
