"""Finds out how a model calls tools best: it has to write a small file whose content needs quoting."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agentbatch.files import json_object
from agentbatch.model.capabilities import Capabilities, ToolMode, stepped_down
from agentbatch.model.client import ModelClient
from agentbatch.model.reply import Message, ModelError, Reply, ToolSpec
from agentbatch.usage import Usage

FILE = "probe.py"
LINES = ('print("It\'s \\"done\\"")', "folder = 'C:\\\\new\\\\table'")
"""The file's content: both kinds of quotes, and backslashes that a careless reader takes for line breaks."""

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
    """The best mode in which the file arrived unchanged; if it did in none, the best in which a call came that is well
    formed: a model may write the file its own way. The last one if none did."""
    summary: str
    """The result as a sentence without a full stop."""
    works: bool
    """False: no call that is well formed came in any mode."""
    usage: Usage


async def probe_tools(client: ModelClient, tools: Sequence[ToolSpec]) -> Probe:
    """Try the modes, best first, from the one that the endpoint should support. `tools` must include write_file.

    The endpoint is left in the mode that was found. Raises ModelError when a call fails other than by a refusal of its
    mode, or when the last mode is refused: then nothing is known, and the endpoint is believed what it was.
    """
    endpoint, model = client.endpoint, client.model
    usage = Usage()
    seen: list[str] = []
    formed: ToolMode | None = None
    refusal: ModelError | None = None
    believed = endpoint.capabilities(model).tool_mode
    mode: ToolMode | None = believed
    while mode is not None:
        endpoint.use_tool_mode(model, mode)
        try:
            # As sure as it can be: else chance alone has a small model spoil the file in the mode that suits it best.
            reply = await client.complete(MESSAGES, tools=tools, temperature=0.0)
        except ModelError as error:
            if error.kind not in ("request", "denied", "malformed"):
                raise
            refusal = error
            seen.append(f"{mode}: refused")
        else:
            refusal = None
            usage += reply.usage
            mode = _after_refusals(mode, endpoint.capabilities(model).tool_mode, seen)
            problem = _problem(reply)
            seen.append(f"{mode}: {problem or 'intact'}")
            formed = formed or (mode if _is_formed(reply, tools) else None)
            if not problem:
                return Probe(mode, f"a file with quotes arrived intact ({'; '.join(seen)})", True, usage)
        mode = _next(mode, endpoint.capabilities(model))
    if formed is not None:
        endpoint.use_tool_mode(model, formed)
        return Probe(formed, f"calls arrived well formed ({'; '.join(seen)})", True, usage)
    if refusal is not None:
        endpoint.use_tool_mode(model, believed)
        raise refusal  # also in the simplest mode: it is not about tools
    return Probe("text", f"a file with quotes did not arrive intact ({'; '.join(seen)})", False, usage)


def _after_refusals(asked: ToolMode, answered: ToolMode, seen: list[str]) -> ToolMode:
    """The mode of the reply: the client steps down by itself when the endpoint refuses one."""
    if answered != asked:
        seen.append(f"{asked}: refused")
    return answered


def _next(mode: ToolMode, capabilities: Capabilities) -> ToolMode | None:
    """The mode to try after this one."""
    lower = stepped_down(replace(capabilities, tool_mode=mode)).tool_mode
    return lower if lower != mode else None


def _is_formed(reply: Reply, tools: Sequence[ToolSpec]) -> bool:
    """It calls tools that there are, with arguments that are JSON objects and lack none that is required."""
    required = {
        tool["function"]["name"]: tool["function"]["parameters"].get("required", ()) for tool in tools
    }
    calls = [call for call in reply.tool_calls if call.name in required]
    given = [json_object(call.arguments) or {} for call in calls]
    return bool(calls) and all(
        found and not set(required[call.name]) - found.keys()
        for call, found in zip(calls, given, strict=True)
    )


def _problem(reply: Reply) -> str:
    """What is wrong with the reply; empty when the file is intact."""
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
