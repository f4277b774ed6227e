"""Whether an agent's program is there and speaks, asked of the program itself, in a workspace like any other."""

import asyncio
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.runs.check_words import last_said
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.program import ModelAddress, program
from agentbatch.text import clip, first_line, harmless_line
from agentbatch.workspace.workspace import Process, Program, Workspace

VERSION_SECONDS = 20.0
GREETING_SECONDS = 60.0
"""The slowest agent that was tried takes seven seconds of a processor until it answers."""
MAX_ANSWER = 1_000_000
"""Bytes that an agent may print before it has answered."""

GREETING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": 1,
        "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
        "clientInfo": {"name": "agentbatch", "version": "1"},
    },
}

NOWHERE = ModelAddress("none", "http://127.0.0.1:9", "none")
"""Nothing is asked of a model: no agent calls one before its first prompt."""


@dataclass(frozen=True)
class ProbeResult:
    """What an agent's program says of itself. Foreign text, made harmless."""

    version: str = ""
    """Empty: it does not say."""
    speaks: bool | None = None
    """It has answered in its protocol; None: it was not asked, since it is a command or would ask for a login first."""
    problem: str = ""
    """Why it is of no use as it is, a sentence; empty: nothing is known against it."""


async def probe(entry: CoderEntry, workspace: Workspace) -> ProbeResult:
    """Its program has to be on PATH."""
    start = program(entry, workspace.info, NOWHERE)
    asked = replace(start, argv=entry.version or (entry.program, "--version"), credentials=())
    try:
        version = version_in(await asyncio.wait_for(_output(workspace, asked), VERSION_SECONDS))
    except TimeoutError:
        return ProbeResult(problem=f"{' '.join(asked.argv)} did not end within {VERSION_SECONDS:.0f} s.")
    except (OSError, UserError) as error:
        return ProbeResult(problem=clip(str(error), 300))
    if entry.protocol != "acp":
        return ProbeResult(version)
    if not entry.gateway and not entry.own:  # without its login it waits for one
        return ProbeResult(
            version, problem=f"It works with a login of its own only: --coder-login {entry.name}."
        )
    try:
        answer = await asyncio.wait_for(_greeted(workspace, replace(start, credentials=())), GREETING_SECONDS)
    except TimeoutError:
        return ProbeResult(version, False, f"It did not answer `initialize` within {GREETING_SECONDS:.0f} s.")
    except (OSError, UserError, ValueError) as error:
        return ProbeResult(version, False, clip(str(error), 300))
    named = answer.get("agentInfo")
    known = str(named.get("version", "")) if isinstance(named, dict) else ""
    return ProbeResult(version or version_in(known), True)


_NUMBER = r"v?(\d{1,6}\.\d{1,6}(?:[\w.+-]{0,30}\w)?)"
_VERSION_LINE = regex(rf"(?:[\w@/.-]+,? ){{0,4}}?{_NUMBER}\.?(?: \([^()]{{0,60}}\))?")
_NAMED_VERSION = regex(rf"\bversion:? {_NUMBER}", re.IGNORECASE)


def version_in(printed: str) -> str:
    """A number like 1.2 or 1.2.3-beta that is a line, with its program's name before it, or behind the word `version`;
    empty where there is none: not each number is a version. Pure."""
    lines = [harmless_line(line).strip() for line in printed[:10_000].splitlines()[:50]]
    found = next(filter(None, map(_VERSION_LINE.fullmatch, lines)), None)
    found = found or next(filter(None, map(_NAMED_VERSION.search, lines)), None)
    return clip(found[1], 40) if found else ""


def answered(line: bytes) -> dict[str, Any] | None:
    """The result of `initialize`, where this line of an agent's is its answer; None: it is another message, or none.
    Raises ValueError where it is a refusal."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("id") != 1:
        return None
    result = message.get("result")
    if not isinstance(result, dict):
        raise ValueError(f"It refused `initialize`: {clip(json.dumps(message.get('error')), 200)}")
    return result


def _said(printed: str) -> str:
    """The line that says why it ended: a crash of Python's says it at its end."""
    return last_said(printed) if "Traceback (most recent call last)" in printed else first_line(printed)


async def _output(workspace: Workspace, asked: Program) -> str:
    process = await workspace.open(asked)
    try:
        await process.close_input()
        printed = b""
        while len(printed) < MAX_ANSWER and (block := await process.read()):
            printed += block
        code = await process.wait()
        if code:
            said = clip(_said(process.errors or printed.decode("utf-8", "replace")), 200)
            raise OSError(f"{' '.join(asked.argv[:3])} ended with {code}{f': {said}' if said else ''}.")
        return printed.decode("utf-8", "replace") or process.errors
    finally:
        await process.stop()


async def _greeted(workspace: Workspace, asked: Program) -> dict[str, Any]:
    process = await workspace.open(asked)
    try:
        await process.write(json.dumps(GREETING).encode() + b"\n")
        return await _answer(process)
    finally:
        await process.stop()


async def _answer(process: Process) -> dict[str, Any]:
    rest, seen = b"", 0
    while seen < MAX_ANSWER:
        block = await process.read()
        if not block:
            await process.wait()  # and for its last words
            break
        seen += len(block)
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if (found := answered(line)) is not None:
                return found
    said = _said(process.errors)
    raise ValueError(f"It gave no answer to `initialize`{f': {clip(said, 200)}' if said else ''}.")
