"""Servers of tools whose program is scripted."""

import json
import sys
from typing import Any

from agentbatch.mcp.server import McpServer
from tests.support.paths import CHECKOUT

FAKE = CHECKOUT / "tests" / "support" / "fake_mcp_server.py"


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def fake(*names: str, **more: Any) -> McpServer:
    tools = json.dumps([tool(name) for name in names])
    return McpServer.model_validate({"command": [sys.executable, "-I", "-S", str(FAKE), tools], **more})
