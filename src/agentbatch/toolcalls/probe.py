"""Finding out how a model calls tools: it is asked to write one small file whose content needs quoting."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agentbatch.model.capabilities import Capabilities, ToolMode, stepped_down
from agentbatch.model.client import ModelClient
from agentbatch.model.reply import Message, ModelError, Reply, ToolSpec
from agentbatch.usage import Usage

FILE = "probe.py"
LINES = ('print("It\'s \\"done\\"")', "folder = 'C:\\\\new\\\\table'")
"""What the file must hold: both kinds of quotes, and backslashes that a careless reader takes for line breaks."""

MESSAGES: tuple[Message, ...] = (
    {"role": "system", "content": "You are a programmer who works alone in a directory."},
    {
        "role": "user",
        "content": f"Write the file {FILE} with exactly these {len(LINES)} lines in it:\n\n"
        + "\n".join(LINES),
    },
)


class Probe(NamedTuple):
    mode: ToolMode
    """The best mode in which the file arrived whole; the last one when it did in none."""
    found: str
    """What was seen, as a sentence without a full stop."""
    works: bool
    """False: the file did not arrive whole in any mode."""
    usage: Usage


async def probe_tools(client: ModelClient, tools: Sequence[ToolSpec]) -> Probe:
    """Try the modes from the one that the endpoint is believed to take, best first. `tools` must have write_file.

    The endpoint is left in the mode that was found. Raises ModelError when it cannot be asked at all.
    """
    endpoint, model = client.endpoint, client.model
    usage = Usage()
    seen: list[str] = []
    refusal: ModelError | None = None
    mode: ToolMode | None = endpoint.capabilities(model).tool_mode
    while mode is not None:
        endpoint.use_tool_mode(model, mode)
        try:
            reply = await client.complete(MESSAGES, tools=tools)
        except ModelError as error:
            if error.kind != "request":
                raise
            refusal = error
            seen.append(f"{mode}: refused")
        else:
            refusal = None
            usage += reply.usage
            mode = _after_refusals(mode, endpoint.capabilities(model).tool_mode, seen)
            problem = _problem(reply)
            seen.append(f"{mode}: {problem or 'whole'}")
            if not problem:
                return Probe(mode, f"a file with quotes came whole ({'; '.join(seen)})", True, usage)
        mode = _next(mode, endpoint.capabilities(model))
    if refusal is not None:
        raise refusal  # in the simplest form too: it is not about tools
    return Probe("text", f"a file with quotes came whole in no way ({'; '.join(seen)})", False, usage)


def _after_refusals(asked: ToolMode, answered: ToolMode, seen: list[str]) -> ToolMode:
    """The mode that the reply came in: the client goes on by itself when the endpoint refuses one."""
    if answered != asked:
        seen.append(f"{asked}: refused")
    return answered


def _next(mode: ToolMode, capabilities: Capabilities) -> ToolMode | None:
    """The mode to try after this one."""
    lower = stepped_down(replace(capabilities, tool_mode=mode)).tool_mode
    return lower if lower != mode else None


def _problem(reply: Reply) -> str:
    """What is wrong with the reply; empty when the file is whole."""
    call = next((call for call in reply.tool_calls if call.name == "write_file"), None)
    if call is None:
        if reply.cut_off:
            return "cut off at the output limit"
        return "another call" if reply.tool_calls else "no call"
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return "cut off at the output limit" if reply.cut_off else "broken JSON"
    content = arguments.get("content") if isinstance(arguments, dict) else None
    if not isinstance(content, str) or arguments.get("path") not in (FILE, f"./{FILE}"):
        return "wrong arguments"
    return "" if content.strip().splitlines() == list(LINES) else "content changed"
