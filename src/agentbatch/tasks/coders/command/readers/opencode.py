"""The JSON lines of `opencode run --format json`."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.tasks.coders.command.readers.reader import (
    Ended,
    JsonReader,
    ReaderUpdate,
    Session,
    dollars,
    exit_code,
    mapping,
    name,
    text,
)
from agentbatch.tasks.coders.external.updates.tools import begun
from agentbatch.tasks.coders.external.updates.update import CostUpdate, MessageChunk, ToolCallUpdate

ENDS = {"stop": "end_turn", "length": "max_tokens", "tool-calls": ""}


class OpencodeReader(JsonReader):
    def __init__(self) -> None:
        self._session = ""
        self._cost = 0.0

    def parse(self, document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        session, part = name(document.get("sessionID")), mapping(document.get("part"))
        if session and not self._session:
            self._session = session
            yield Session(session)
        match document.get("type"):
            case "text" if text(part.get("text")):
                yield MessageChunk(text(part.get("text")) + "\n")
            case "reasoning" if text(part.get("text")):
                yield MessageChunk(text(part.get("text")), thought=True)
            case "tool_use":
                yield from _call(part)
            case "step_finish":
                cost = dollars(part.get("cost"))
                if cost:
                    self._cost += cost
                    yield CostUpdate(self._cost)
                reason = ENDS.get(text(part.get("reason")), "error")
                if reason:
                    yield Ended(reason)
            case "error":
                error = mapping(document.get("error"))
                yield Ended(
                    "error", text(mapping(error.get("data")).get("message")) or text(error.get("name"))
                )


def _call(part: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
    """It is told when it is over."""
    state, call = mapping(part.get("state")), name(part.get("callID"))
    begin = begun(call, text(part.get("tool")), mapping(state.get("input")))
    if begin is not None:
        yield begin
    if isinstance(begin, ToolCallUpdate):
        output = text(state.get("output")) or text(state.get("error"))
        yield ToolCallUpdate(
            id=call,
            status="completed" if state.get("status") == "completed" else "failed",
            exit_code=exit_code(mapping(state.get("metadata")).get("exit")),
            output=output or None,
        )
