"""The stream-json of Gemini CLI (`gemini -p … --output-format stream-json`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.tasks.coders.command.readers.told import (
    Ended,
    JsonReader,
    Session,
    Told,
    mapping,
    name,
    text,
)
from agentbatch.tasks.coders.external.telling.happenings import CallTold, Said, exit_in
from agentbatch.tasks.coders.external.telling.tools import begun


class GeminiReader(JsonReader):
    def told(self, document: Mapping[str, Any]) -> Iterator[Told]:
        match document.get("type"):
            case "init":
                yield Session(name(document.get("session_id")))
            case "message" if document.get("role") == "assistant" and text(document.get("content")):
                end = "" if document.get("delta") is True else "\n"
                yield Said(text(document.get("content")) + end)
            case "tool_use":
                tool, arguments = text(document.get("tool_name")), mapping(document.get("parameters"))
                call = begun(name(document.get("tool_id")), tool, arguments)
                if call is not None:
                    yield call
            case "tool_result":
                output = text(document.get("output")) or text(mapping(document.get("error")).get("message"))
                yield CallTold(
                    id=name(document.get("tool_id")),
                    status="completed" if document.get("status") == "success" else "failed",
                    exit_code=exit_in(output),
                    output=output or None,
                )
            case "result":
                done = document.get("status") == "success"
                problem = text(mapping(document.get("error")).get("message"))
                yield Ended("end_turn" if done else "error", "" if done else problem)
