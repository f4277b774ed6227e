"""A well-behaved server of tools, made with the protocol's own package: `sdk_mcp_server.py [stdio|http|json|sse]`. By
HTTP it prints its port, and wants a key."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

KEY = b"Bearer docs-0123456789"

server = MCPServer("notes")


@server.tool()
def add(a: int, b: int = 2) -> str:
    """Add two numbers."""
    return f"the sum is {a + b}"


@server.tool()
def write_note(name: str, text: str) -> str:
    """Write a note into the working directory."""
    Path(name).write_text(text)
    return "written"


@server.tool()
async def wait(seconds: float) -> str:
    """Wait so long."""
    await asyncio.sleep(seconds)
    return "waited"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("no cheese")


def guarded(app: Any) -> Any:
    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != KEY:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    return asked


def serve(kind: str) -> None:
    app = server.sse_app() if kind == "sse" else server.streamable_http_app(json_response=kind == "json")
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(guarded(app), log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    kind = sys.argv[1] if len(sys.argv) > 1 else "stdio"
    if kind == "stdio":
        server.run()
    else:
        serve(kind)
