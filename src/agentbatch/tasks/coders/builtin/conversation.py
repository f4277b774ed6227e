"""The coder's conversation: one a task, append-only, so that a provider's prefix cache serves it."""

from collections.abc import Callable, Sequence
from typing import Any

from agentbatch.model.reply import Message
from agentbatch.model.tokens import estimate_messages
from agentbatch.tasks.coders.coder import Numbers


class Conversation:
    """The messages as they are sent. `record(generation, position, message)` is called for each one."""

    def __init__(
        self,
        record: Callable[[int, int, Message], None],
        generation: int = 0,
        stored: Sequence[Message] = (),
        numbers: Numbers | None = None,
    ) -> None:
        """`generation`: that of `stored`, messages of an earlier session, which are not recorded again. `numbers`:
        those that the task's other coders have as well."""
        self._record = record
        self._numbers = numbers or Numbers()
        self._numbers.take(generation)
        self._messages: list[Message] = []
        self.generation = generation
        self.tokens = 0
        """Estimated tokens of all messages; kept as they come, so that a long conversation is not measured again."""
        self.call_ids: set[str] = set()
        """Ids of all tool calls so far; an endpoint may repeat itself, the history must not."""
        for message in stored:
            self._take(message)

    @property
    def messages(self) -> Sequence[Message]:
        return self._messages

    def add(self, message: Message) -> None:
        self._take(message)
        self._record(self.generation, len(self._messages) - 1, message)

    def _take(self, message: Message) -> None:
        self._messages.append(message)
        self.tokens += estimate_messages([message])
        self.call_ids.update(call["id"] for call in message.get("tool_calls", ()))

    def replace(self, messages: Sequence[Message]) -> None:
        """Compaction: continue from `messages`, as a new generation."""
        assert_paired(messages)
        self.generation = self._numbers.next()
        self.tokens = 0
        self._messages = []
        for message in messages:
            self.add(message)


def unanswered(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The latest message's tool calls, in the OpenAI form, that have no answer: the run ended in their midst."""
    answered: set[str] = set()
    for message in reversed(messages):
        if message["role"] != "tool":
            return [call for call in message.get("tool_calls", ()) if call["id"] not in answered]
        answered.add(message["tool_call_id"])
    return []


def assert_paired(messages: Sequence[Message]) -> None:
    """Every tool call is answered once, right after its message, and every answer belongs to a call.

    Endpoints refuse anything else. A violation is a bug of ours, hence AssertionError.
    """
    open_ids: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                raise AssertionError(f"message {place} answers no open tool call")
            open_ids.discard(message["tool_call_id"])
            continue
        if open_ids:
            raise AssertionError(f"message {place} comes before the answers to {sorted(open_ids)}")
        open_ids = {call["id"] for call in message.get("tool_calls", ())}
    if open_ids:
        raise AssertionError(f"the conversation ends without the answers to {sorted(open_ids)}")
