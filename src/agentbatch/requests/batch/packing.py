"""Several short requests as one: what may go together, the body that asks for all, and the answers by id. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentbatch.requests.batch.executor import Item
from agentbatch.requests.spec.request import CHAT, BatchRequest, canonical
from agentbatch.requests.spec.structured import AnswerSchema, fits

MAX_TEXT_LENGTH = 8_000
"""Characters of a request's text. A longer one gains nothing from company: the saving is what all have in common."""

MAX_ID = 64
"""Characters. The model has to write the ids."""

MAX_OPEN = 50
"""Packs that wait for more items at once; then the one that has waited longest goes as it is."""

EXTRA_TOKENS = 24
"""Output tokens that an answer takes more in a pack: its id and the marks around it."""

Pack = tuple[Item, ...]

LIMITS = ("max_tokens", "max_completion_tokens")

ALONE = ("tools", "functions", "n", "logprobs", "stop", "audio", "prediction")
"""What makes no sense for several answers in one."""

ASKING = (
    "Answer each item below on its own, as if it were the only one. The items stand in a JSON object, each under its "
    "id. Reply with one JSON object and nothing else: under each id {what}. Every id once, none left out, none added."
)
A_TEXT = "the answer to that item, as a string"
A_DOCUMENT = "the answer to that item, as JSON that keeps to this schema: "


class Packer:
    """`size` 1: every request is a pack of its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._open: dict[str, list[Item]] = {}

    def add(self, item: Item) -> Pack | None:
        """The pack that goes now: a full one, a request that goes alone, or one that has waited for too long."""
        common = frame(item.request) if self._size > 1 else None
        if common is None:
            return (item,)
        begun = self._open.setdefault(common, [])
        begun.append(item)
        if len(begun) == self._size:
            return tuple(self._open.pop(common))
        return self.pop() if len(self._open) > MAX_OPEN else None

    def pop(self) -> Pack | None:
        """The pack that has waited longest, as it is; None when there is none."""
        if not self._open:
            return None
        return tuple(self._open.pop(next(iter(self._open))))

    def __len__(self) -> int:
        """Packs that wait for more items."""
        return len(self._open)


def text_of_item(request: BatchRequest) -> str:
    """The last user message: what a request does not share with others."""
    return str(request.body["messages"][-1]["content"])


def frame(request: BatchRequest) -> str | None:
    """What requests have to have in common to go together, as text; None for one that goes alone."""
    body = request.body
    messages = body.get("messages")
    if request.url != CHAT or len(request.id) > MAX_ID or any(body.get(name) for name in ALONE):
        return None
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(messages, list) or not isinstance(last, dict) or set(last) != {"role", "content"}:
        return None
    text = last["content"]
    if last["role"] != "user" or not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_LENGTH:
        return None
    if not _can_be_part(_schema_in(body)):
        return None
    return canonical({**body, "messages": messages[:-1]})


def pack_body(requests: Sequence[BatchRequest]) -> dict[str, Any]:
    """The body that asks for all of them; their frames are the same."""
    body = dict(requests[0].body)
    schema = _schema_in(body)
    what = A_TEXT if schema is None else A_DOCUMENT + json.dumps(schema, ensure_ascii=False)
    items = json.dumps(
        {request.id: text_of_item(request) for request in requests}, ensure_ascii=False, indent=1
    )
    content = f"{ASKING.format(what=what)}\n\n{items}"
    body["messages"] = [*body["messages"][:-1], {"role": "user", "content": content}]
    for name in LIMITS:
        if isinstance(body.get(name), int):
            body[name] = (body[name] + EXTRA_TOKENS) * len(requests)
    if schema is not None:
        form = body["response_format"]
        inner = {
            **form["json_schema"],
            "schema": _schema_of_all(schema, [request.id for request in requests]),
        }
        body["response_format"] = {**form, "json_schema": inner}
    return body


def read_pack(text: str, ids: Iterable[str], schema: AnswerSchema | None) -> dict[str, str]:
    """The valid answers by id, each as the text that it would have been alone. Unknown ids are left out;
    of an id that is there twice the first valid answer counts."""
    try:
        document = json.loads(text[text.find("{") : text.rfind("}") + 1], object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return {}
    wanted, answers = set(ids), dict[str, str]()
    for name, value in document.pairs:
        if name in wanted and name not in answers:
            answer = _answer(value, schema)
            if answer is not None:
                answers[name] = answer
    return answers


def shares(whole: int, weights: Sequence[float]) -> list[int]:
    """`whole` in parts that go by the weights and add up to it."""
    total = sum(weights)
    if total <= 0:
        weights, total = [1.0] * len(weights), float(len(weights))
    parts, given, reached = [], 0, 0.0
    for weight in weights:
        reached += weight
        until = round(whole * reached / total)
        parts.append(until - given)
        given = until
    return parts


class _Pairs(dict[str, Any]):
    """A JSON object that remembers what stood there twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _answer(value: Any, schema: AnswerSchema | None) -> str | None:
    if schema is not None:
        return json.dumps(value, ensure_ascii=False) if fits(schema, value) else None
    if isinstance(value, str):
        return value if value.strip() else None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _schema_in(body: Mapping[str, Any]) -> Any:
    form = body.get("response_format")
    inner = form.get("json_schema") if isinstance(form, dict) else None
    return inner.get("schema") if isinstance(inner, dict) else None


def _can_be_part(schema: Any) -> bool:
    """Whether the schema means the same inside another: one that refers to itself does not."""
    return schema is None or (
        isinstance(schema, dict) and not {"$ref", "$id", "$dynamicRef"} & set(_names(schema))
    )


def _names(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        yield from schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _names(inner)


def _schema_of_all(schema: Any, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict.fromkeys(ids, schema),
        "required": list(ids),
        "additionalProperties": False,
    }
