"""The forms in which tools are called without the endpoint's help, as the model client asks for them."""

from collections.abc import Sequence

from agentbatch.model.answer import Answer
from agentbatch.model.capabilities import ToolMode
from agentbatch.model.reply import Message, ToolSpec
from agentbatch.model.tool_forms import Schema
from agentbatch.toolcalls import blocks, json_actions
from agentbatch.toolcalls.text_answer import with_text_calls


class TextForms:
    """Blocks of text, and one JSON action (`ToolForms`)."""

    stop: Sequence[str] = blocks.STOP

    def action_schema(self, tools: Sequence[ToolSpec]) -> Schema:
        return "action", json_actions.action_schema(tools)

    def render(self, history: list[Message], tools: Sequence[ToolSpec], mode: ToolMode) -> list[Message]:
        render = json_actions.render if mode == "schema" else blocks.render
        return render(history, tools)

    def read(
        self,
        answer: Answer,
        tools: Sequence[ToolSpec] | None,
        mode: ToolMode,
        messages: Sequence[Message],
    ) -> Answer:
        return with_text_calls(answer, tools, mode, messages)
