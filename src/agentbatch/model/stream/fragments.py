"""Tool calls that arrive in fragments: which fragment belongs to which call. Pure."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from agentbatch.files import json_object
from agentbatch.model.answer.answer import MAX_CALLS
from agentbatch.model.answer.carried import READ_OF_CALL, READ_OF_FUNCTION, Pieces
from agentbatch.patterns import regex

MAX_TAIL = 2_000
"""Characters of a partial answer that are shown."""

MAX_NAME = 200
"""Characters of a tool's name; OpenAI allows 64."""

_SURROGATE = regex("[\ud800-\udfff]")


class _Call:
    """A call so far."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.carried = Pieces(READ_OF_CALL)
        self.of_function = Pieces(READ_OF_FUNCTION)
        self._complete: bool | None = None

    def add(self, call_id: str, name: str, arguments: str) -> None:
        # Some servers send a new id with each fragment: the first one counts.
        self.id = self.id or call_id
        if name and not (self.name and self.arguments):
            self.name = _named(self.name, name)
        if arguments:
            self.arguments.append(arguments)

    def document(self) -> dict[str, Any]:
        """As in a message's `tool_calls`."""
        function = {
            **self.of_function.fields(),
            "name": self.name[:MAX_NAME],
            "arguments": _whole_arguments(self.arguments),
        }
        return {**self.carried.fields(), "id": self.id, "function": function}

    @property
    def is_complete(self) -> bool:
        """Its arguments arrived as one fragment that is a JSON object: nothing can follow."""
        if len(self.arguments) != 1:
            return False
        if self._complete is None:
            self._complete = json_object(self.arguments[0]) is not None
        return self._complete


class Fragments:
    """The tool calls of one streamed answer."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, fragment: Any) -> int:
        """Add one entry of a delta's `tool_calls`; returns the number of characters in it."""
        if not isinstance(fragment, dict):
            return 0
        function = fragment.get("function")
        function = function if isinstance(function, dict) else {}
        call_id, name = _text(fragment.get("id")), _text(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        index = _number(fragment.get("index"))
        current = self._unnumbered(call_id) if index is None else self._by_index.get(index)
        call = (
            self._begin(index)
            if current is None or _begins_another(current, call_id, name, arguments)
            else current
        )
        call.add(call_id, name, arguments)
        return len(name) + len(arguments) + call.carried.add(fragment) + call.of_function.add(function)

    def calls(self) -> list[dict[str, Any]]:
        """The calls as a message's `tool_calls`, in the order in which they began."""
        return [call.document() for call in self._calls]

    def tail(self) -> str:
        """The end of the latest call's arguments so far."""
        return ending(self._calls[-1].arguments) if self._calls else ""

    def _begin(self, index: int | None) -> _Call:
        call = _Call()
        if len(self._calls) >= MAX_CALLS:
            return call  # filled, then dropped
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _unnumbered(self, call_id: str) -> _Call | None:
        """The call that a fragment without an index continues: the one with its id, or the last one."""
        last = self._calls[-1] if self._calls else None
        if last is None or not call_id or call_id == last.id:
            return last
        return next((call for call in self._calls if call.id == call_id), last)


def _begins_another(call: _Call, call_id: str, name: str, arguments: str) -> bool:
    """True when a fragment with the call's index is another call: Google's endpoint sends whole calls, all with
    index 0."""
    if not name or not call.name:
        return False
    if call_id and call.id:
        return call_id != call.id
    return bool(arguments) and call.is_complete


def _named(before: str, piece: str) -> str:
    """The name so far: it comes whole, in pieces (continue #5849), repeated, or longer each time."""
    if piece == before or piece.startswith(before):
        return piece
    return before if len(before) > MAX_NAME else before + piece


def _number(index: Any) -> int | None:
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def _arguments(raw: Any) -> str:
    if raw is None or isinstance(raw, str):
        return raw or ""
    return json.dumps(raw, ensure_ascii=False)


def _whole_arguments(pieces: Sequence[str]) -> str:
    """The pieces as one text; the last one where each has all that came before it (DeepSeek behind Baidu Qianfan:
    NousResearch/hermes-agent#35718; vercel/ai#15888)."""
    grown = len(pieces) > 1 and all(later.startswith(earlier) for earlier, later in pairwise(pieces))
    text = joined(pieces)
    return pieces[-1] if grown and json_object(text) is None and json_object(pieces[-1]) is not None else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def ending(texts: Sequence[str]) -> str:
    """The last MAX_TAIL characters of the fragments."""
    kept: list[str] = []
    room = MAX_TAIL
    for text in reversed(texts):
        kept.append(text[-room:])
        room -= len(text)
        if room <= 0:
            break
    return joined(kept[::-1])


def joined(texts: Sequence[str]) -> str:
    """Fragments as one text. A character that the server split into two surrogate escapes is joined again."""
    text = "".join(texts)
    if not text.isascii() and _SURROGATE.search(text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text
