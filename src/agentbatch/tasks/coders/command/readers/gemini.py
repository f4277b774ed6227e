"""The stream-json of Gemini CLI (`gemini -p … --output-format stream-json`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.tasks.coders.command.readers.reader import (
    Ended,
    JsonReader,
    ReaderUpdate,
    Session,
    mapping,
    name,
    text,
)
from agentbatch.tasks.coders.external.updates.tools import begun
from agentbatch.tasks.coders.external.updates.update import MessageChunk, ToolCallUpdate, exit_code_in


class GeminiReader(JsonReader):
    def parse(self, document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        match document.get("type"):
            case "init":
                yield Session(name(document.get("session_id")))
            case "message" if document.get("role") == "assistant" and text(document.get("content")):
                end = "" if document.get("delta") is True else "\n"
                yield MessageChunk(text(document.get("content")) + end)
            case "tool_use":
                tool, arguments = text(document.get("tool_name")), mapping(document.get("parameters"))
                call = begun(name(document.get("tool_id")), tool, arguments)
                if call is not None:
                    yield call
            case "tool_result":
                output = text(document.get("output")) or text(mapping(document.get("error")).get("message"))
                yield ToolCallUpdate(
                    id=name(document.get("tool_id")),
                    status="completed" if document.get("status") == "success" else "failed",
                    exit_code=exit_code_in(output),
                    output=output or None,
                )
            case "result":
                done = document.get("status") == "success"
                problem = text(mapping(document.get("error")).get("message"))
                yield Ended("end_turn" if done else "error", "" if done else problem)
