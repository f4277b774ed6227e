"""A server of tools for tests, without the protocol's package, whose start takes as long as a hundred of these calls.
What it does in a call is the name of the tool; what tools it lists, its argument as JSON."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

TOOLS = json.loads(sys.argv[1]) if len(sys.argv) > 1 else []


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"result": {"content": [{"type": "text", "text": value}], **more}}


def ask(method: str) -> dict[str, Any]:
    """What the client answers to a request of the server's."""
    say({"id": "of-the-server", "method": method, "params": {}})
    answer: dict[str, Any] = json.loads(sys.stdin.readline())
    return answer


def tick() -> None:
    for number in range(100_000):
        Path("ticks.new").write_text(str(number))  # whole at each moment at which it is made to stand still
        Path("ticks.new").replace("ticks")
        time.sleep(0.01)


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match name:
        case "die":
            sys.stderr.write("out of cheese\n")
            sys.exit(3)
        case "hang":
            time.sleep(600)
        case "flood":
            while True:
                sys.stdout.write(
                    '{"jsonrpc": "2.0", "method": "notifications/message", "params": {}}\n' * 10_000
                )
        case "bulk":
            while True:
                sys.stdout.write("x" * 1000 + "\n")
        case "nag":
            while True:
                ask("ping")
        case "large":
            sys.stdout.write("x" * (9 << 20) + "\n")
        case "deep":
            sys.stdout.write('{"id": ' + "[" * 100_000 + "\n")
        case "garbage":
            sys.stdout.write(
                'Listening on \x1b[31mport\n{"a"\n[]\n{"jsonrpc": "2.0", "id": 77, "result": {}}\n'
            )
            return text("found")
        case "nonsense":
            return {"result": {"content": 5}}
        case "no object":
            return {"result": "yes"}
        case "refuse":
            return {"error": {"code": -32602, "message": "no such\x1b[2J thing"}}
        case "ask":
            answers = [ask(method) for method in ("sampling/createMessage", "elicitation/create", "ping")]
            return text(" ".join("refused" if "error" in answer else "answered" for answer in answers))
        case "touch":
            Path("touched").touch()
        case "once":
            if not Path("hung").exists():
                Path("hung").touch()
                time.sleep(600)
        case "tick":
            threading.Thread(target=tick, daemon=True).start()
        case "key":
            return text("the key is sk-mcp-0123456789abcdef")
    return text(json.dumps(arguments))


for line in sys.stdin:
    asked = json.loads(line)
    match asked["method"]:
        case "initialize":
            reply: dict[str, Any] = {
                "result": {
                    "protocolVersion": asked["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "fake", "version": "1"},
                }
            }
        case "tools/list":
            more = {"nextCursor": "more"} if any(one["name"] == "endless" for one in TOOLS) else {}
            reply = {"result": {"tools": TOOLS, **more}}
        case "tools/call":
            reply = call(asked["params"]["name"], asked["params"]["arguments"])
        case _:
            reply = {"error": {"code": -32601, "message": "Method not found"}}
    if "id" in asked:
        say({"id": asked["id"], **reply})
