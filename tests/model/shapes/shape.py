"""One answer of a provider, as it comes over the wire, and what it has to be read as.

The tables beside this file are made by us from facts: the fields, their order and their oddities are a provider's, as
its documentation or the named issue says; texts, names and numbers are ours.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from agentbatch.model.reply import ErrorKind

Call = tuple[str | None, str, str]
"""Id (None: one has to be made), name, arguments."""

Counts = tuple[int, int, int, int]
"""Input, the cached part of it, output, the reasoning part of it."""

LS = '{"command": "ls"}'


@dataclass(frozen=True)
class Shape:
    name: str
    """`provider: what is odd about it`."""
    source: str
    """Where it was seen: documentation, or project and issue."""
    body: bytes
    streams: bool = False
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish: str = "stop"
    usage: Counts | None = None
    carried: tuple[str, ...] = ()
    """Names of fields that go back with the history, of the message and of its first call."""
    price: tuple[str, str, float] | None = None
    """Model, base URL, US dollars by the price list."""
    kind: ErrorKind | None = None
    """The retry class; None: it is an answer."""
    says: str = ""
    """Words that the error's sentence has."""
    wait: float | None = None
    """Seconds that it asks to wait."""

    @property
    def provider(self) -> str:
        return self.name.partition(":")[0]


def whole(message: Any, finish: Any = "stop", usage: Any = None, **more: Any) -> bytes:
    """A completion. `more`: beside `choices`; what begins with `choice_` is the choice's."""
    own = {name.removeprefix("choice_"): value for name, value in more.items() if name.startswith("choice_")}
    choice = {"index": 0, "message": message, "finish_reason": finish, **own}
    rest = {name: value for name, value in more.items() if not name.startswith("choice_")}
    document = {"id": "x1", "object": "chat.completion", "model": "m", "choices": [choice], **rest}
    return encoded(document if usage is None else {**document, "usage": usage})


def said(text: Any = None, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **fields}


def call(call_id: Any, name: Any = "bash", arguments: Any = LS, **fields: Any) -> dict[str, Any]:
    """A tool call, or a piece of one; None leaves a field out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    given = {"id": call_id, "type": "function", "function": function, **fields}
    return {key: value for key, value in given.items() if value is not None}


def delta(finish: Any = None, choice: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a stream."""
    own = {"index": 0, "delta": fields, "finish_reason": finish, **(choice or {})}
    return {"id": "x1", "object": "chat.completion.chunk", "choices": [own]}


def last(usage: Any) -> dict[str, Any]:
    """The chunk with nothing but usage."""
    return {"id": "x1", "object": "chat.completion.chunk", "choices": [], "usage": usage}


def stream(*documents: Any, done: bool = True, data: str = "data: ", end: str = "\n\n") -> bytes:
    """Events; a text stands for itself, such as a comment."""
    lines = [one if isinstance(one, str) else data + json.dumps(one) for one in documents]
    return end.join([*lines, *([f"{data}[DONE]"] if done else []), ""]).encode()


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def counts(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **more,
    }
