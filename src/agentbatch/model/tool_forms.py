"""How tool calls are written and read where the endpoint takes none of its own: what the model client asks of
`agentbatch.toolcalls`, which it does not know."""

from collections.abc import Sequence
from typing import Any, Protocol

from agentbatch.model.answer import Answer
from agentbatch.model.capabilities import ToolMode
from agentbatch.model.reply import Message, ToolSpec

Schema = tuple[str, dict[str, Any]]
"""A name and a JSON schema for the answer."""


class ToolForms(Protocol):
    """The forms other than `native`. Pure."""

    @property
    def stop(self) -> Sequence[str]:
        """Where a reply in `text` mode may be cut off."""
        ...

    def action_schema(self, tools: Sequence[ToolSpec]) -> Schema:
        """The schema of one call, in `schema` mode."""
        ...

    def render(self, history: list[Message], tools: Sequence[ToolSpec], mode: ToolMode) -> list[Message]:
        """The history without the endpoint's own tool calls, and with the tools described."""
        ...

    def read(
        self,
        answer: Answer,
        tools: Sequence[ToolSpec] | None,
        mode: ToolMode,
        messages: Sequence[Message],
    ) -> Answer:
        """The answer to `messages` with the tool calls that it holds as text."""
        ...


NO_FORMS = "the endpoint was opened without forms for tools in text"


class NativeOnly:
    """For clients that offer no tools: nothing is rendered, nothing read."""

    stop: Sequence[str] = ()

    def action_schema(self, tools: Sequence[ToolSpec]) -> Schema:
        raise ValueError(NO_FORMS)

    def render(self, history: list[Message], tools: Sequence[ToolSpec], mode: ToolMode) -> list[Message]:
        if tools:
            raise ValueError(NO_FORMS)
        return history

    def read(
        self,
        answer: Answer,
        tools: Sequence[ToolSpec] | None,
        mode: ToolMode,
        messages: Sequence[Message],
    ) -> Answer:
        return answer
