"""Reads an answer of /v1/responses, streamed or whole, as the same Answer as one of chat completions."""

from collections.abc import Callable, Mapping
from typing import Any

from agentbatch.model.answer.answer import Answer, GarbageError
from agentbatch.model.http.transport import MAX_BODY
from agentbatch.model.responses.form import ResponsesForm
from agentbatch.model.responses.items import Item, answer_of_items
from agentbatch.model.stream.fragments import joined
from agentbatch.model.stream.typed_events import Document, EventContent, TypedEvents, document_of

MAX_ITEMS = 1_000
"""Of one answer; more is no answer."""

PIECES = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_text": "thought",
    "response.function_call_arguments": "arguments",
}
"""What arrives piece by piece as `….delta`, and whole as `….done`, which some servers alone send (LM Studio's thoughts:
earendil-works/pi #4191)."""

WHOLE = {"refusal": "refusal", "arguments": "arguments"}
"""Where `….done` has it, if not in `text`."""

PARTS = {"text": "output_text", "refusal": "refusal"}
"""Of a message: the types of its parts, by the field that has their words."""

Key = int | str


def read_response(body: bytes) -> Answer:
    """The answer in a 200's body. Raises GarbageError, RefusedError or CutError."""
    reader = StreamedResponse()
    reader.feed(body)
    return reader.answer()


class StreamedResponse(TypedEvents):
    """As `StreamedAnswer`."""

    def __init__(self, on_tokens: Callable[[int], None] = lambda tokens: None) -> None:
        super().__init__(ResponsesForm(), on_tokens)
        self._items: dict[Key, Item] = {}
        """In their order; of one that has not ended, its beginning."""
        self._ended: set[Key] = set()
        self._pieces: dict[Key, dict[str, list[str]]] = {}
        self._output: list[Any] = []
        """As the whole document has it, or the last event."""
        self._held = 0
        """Bytes of all of it."""

    def answer(self) -> Answer:
        outcome = self.outcome()
        streamed = [self._item(key) for key in self._items]
        # An event that ends a stream repeats its items; at some servers it has none (openai/codex: its own backend).
        output = self._output if len(self._output) > len(streamed) else streamed
        return answer_of_items(output, outcome.finish_reason, outcome.usage)

    def _event(self, data: bytes) -> EventContent:
        document = document_of(data)
        said = self._form.event(document)
        kind, item, response = document.get("type"), document.get("item"), document.get("response")
        held = self._held
        if isinstance(item, dict) and kind in ("response.output_item.added", "response.output_item.done"):
            key = self._key(document, item)
            self._hold(len(data))
            self._items[key] = item
            if kind.endswith("done"):
                self._ended.add(key)
        elif isinstance(kind, str) and (name := PIECES.get(kind.rpartition(".")[0])) is not None:
            self._take_piece(self._key(document, {}), name, document, len(data))
        elif said.last and isinstance(response, Mapping):
            self._take_output(response, len(data))
        # Events with nothing in them do not extend the timeout: a server could send them for ever.
        return said if said.text or said.last or self._held > held else said._replace(part=False)

    def _whole(self, body: bytes) -> EventContent:
        document = document_of(body)
        said = self._form.whole(document)
        self._take_output(document, len(body))
        return said

    def _take_output(self, response: Document, size: int) -> None:
        output = response.get("output")
        if isinstance(output, list):
            self._hold(size)
            self._output = output[:MAX_ITEMS]

    def _key(self, document: Document, item: Item) -> Key:
        """Which item an event is about: by its place, or by its id where a server counts no places."""
        for value in (document.get("output_index"), item.get("id"), document.get("item_id")):
            if isinstance(value, int | str) and value != "":
                return value
        return 0

    def _take_piece(self, key: Key, name: str, document: Document, size: int) -> None:
        pieces = self._pieces.get(key, {}).get(name, [])
        piece = (
            document.get("delta") if pieces or "delta" in document else document.get(WHOLE.get(name, "text"))
        )
        if not isinstance(piece, str) or not piece:
            return
        self._hold(len(piece) if key in self._items else size)
        self._items.setdefault(key, {})
        self._pieces.setdefault(key, {})[name] = pieces
        pieces.append(piece)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > 3 * MAX_BODY or len(self._items) > MAX_ITEMS:
            raise GarbageError(f"longer than {MAX_BODY // (1024 * 1024)} MB, or of over {MAX_ITEMS:,} items")

    def _item(self, key: Key) -> Item:
        """One, with its pieces where it does not have them itself."""
        item = self._items[key]
        pieces = {name: joined(texts) for name, texts in self._pieces.get(key, {}).items()}
        kind = item.get("type")
        if pieces.get("arguments") and kind == "function_call" and not item.get("arguments"):
            return {**item, "arguments": pieces["arguments"]}
        if item.get("content"):
            return item
        parts = [{"type": PARTS[name], name: text} for name, text in pieces.items() if name in PARTS]
        if parts and kind in (None, "message"):
            return {"type": "message", "role": "assistant", **item, "content": parts}
        if pieces.get("thought") and kind in (None, "reasoning") and key not in self._ended:
            return {
                "type": "reasoning",
                "summary": [],
                **item,
                "content": [{"type": "reasoning_text", "text": pieces["thought"]}],
            }
        return item
