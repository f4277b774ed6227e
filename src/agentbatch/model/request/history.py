"""The forms of a history that some endpoints insist on, message by message. Pure.

Each rule leaves a history alone that keeps to it, and changes no message that an earlier request has sent but for the
rule itself: prefix caches keep serving.
"""

import hashlib
import string
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

Message = dict[str, Any]

HistoryRule = Literal[
    "no_developer",
    "one_system",
    "alternate",
    "short_ids",
    "reasoning",
    "signed",
    "named",
    "single_calls",
    "tools_with_calls",
    "no_items",
]
"""`no_developer`: the developer's role is called system; `one_system`: one system message, first; `alternate`: user and
assistant take turns, an assistant stands between a tool and a user; `short_ids`: ids of calls have nine letters and
digits; `reasoning`: each assistant message has `reasoning_content`; `signed`: calls have Gemini's thought signature;
`named`: a tool's result has its name; `single_calls`: one call in a message, and its result behind it;
`tools_with_calls`: no calls in the history of a request that offers no tools; `no_items`: words in place of the items
that a response of the Responses API had."""

EmptyContent = Literal["null", "empty", "word"]
"""What stands for the text of a message that has calls and no words."""

EMPTY_CONTENTS: tuple[EmptyContent, ...] = ("null", "empty", "word")

BRIDGE = "OK."
"""What the assistant says between a tool's result and the user's next words; also the `word` of EmptyContent."""

ITEMS = "response_items"
"""The field of an assistant's message with the items in which the Responses API gave it (responses/items.py)."""

SOURCE = "response_source"
"""Beside it: the model and the host that they came from. Nobody else can read its encrypted reasoning."""

UNSIGNED = "skip_thought_signature_validator"
"""Google's placeholder for calls that another model made (ai.google.dev/gemini-api/docs/thought-signatures)."""

ID_LENGTH = 9
LETTERS = string.ascii_letters + string.digits
"""What ids of calls are made of: Mistral takes no others (langchain #21319), and nobody refuses them."""


def shaped(messages: Sequence[Message], rules: Collection[HistoryRule]) -> list[Message]:
    """The messages as these rules want them; what keeps to them is the same object."""
    history = list(messages)
    for rule, shape in _SHAPES.items():
        if rule in rules:
            history = shape(history)
    return history


def of_source(messages: Sequence[Message], source: str) -> list[Message]:
    """The messages with the items that came from there, and no others; empty: without any."""
    return [
        _without(message, (ITEMS, SOURCE))
        if ITEMS in message and not (source and message.get(SOURCE) == source)
        else message
        for message in messages
    ]


def without_fields(messages: Iterable[Message], names: Collection[str]) -> list[Message]:
    """Assistant messages, their calls and functions without these fields."""
    return [
        _without(message, names) if message.get("role") == "assistant" else message for message in messages
    ]


def with_empty_content(messages: Iterable[Message], form: EmptyContent) -> list[Message]:
    """Assistant messages that have calls and no words, with what this endpoint takes in their place."""
    content = {"null": None, "empty": "", "word": BRIDGE}[form]
    return [
        {**message, "content": content}
        if is_wordless(message) and message.get("content") != content
        else message
        for message in messages
    ]


def is_wordless(message: Message) -> bool:
    """An assistant's calls without a word."""
    return bool(_calls(message)) and not str(message.get("content") or "").strip()


def extra_fields(messages: Iterable[Message]) -> set[str]:
    """Names of what assistant messages, their calls and functions have beside the common fields."""
    found: set[str] = set()
    for message in messages:
        if message.get("role") == "assistant":
            found |= set(message) - {"role", "content", "tool_calls"}
            for call in _calls(message):
                found |= set(call) - {"id", "type", "function"}
                found |= set(_function(call)) - {"name", "arguments"}
    return found


def has_calls(messages: Iterable[Message]) -> bool:
    return any(_calls(message) for message in messages)


def _without_developer(messages: list[Message]) -> list[Message]:
    return [
        {**message, "role": "system"} if message.get("role") == "developer" else message
        for message in messages
    ]


def _alternating(messages: list[Message]) -> list[Message]:
    shaped: list[Message] = []
    for message in messages:
        last = shaped[-1] if shaped else {}
        before, role = last.get("role"), message.get("role")
        if before == "tool" and role == "user":
            shaped.append({"role": "assistant", "content": BRIDGE})
        elif before == role == "user" and _are_texts(last, message):
            shaped[-1] = {**last, "content": f"{last['content']}\n\n{message['content']}"}
            continue
        shaped.append(message)
    return shaped


def _with_one_system(messages: list[Message]) -> list[Message]:
    systems = [message for message in messages if message.get("role") == "system"]
    if not systems or not _are_texts(*systems) or (len(systems) == 1 and messages[0] is systems[0]):
        return messages
    text = "\n\n".join(message["content"] for message in systems)
    return [{**systems[0], "content": text}, *(m for m in messages if m.get("role") != "system")]


def _with_short_ids(messages: list[Message]) -> list[Message]:
    return [_short(message) for message in messages]


def _short(message: Message) -> Message:
    if "tool_call_id" in message:
        return _changed(message, "tool_call_id", short_id(str(message["tool_call_id"])))
    calls = _calls(message)
    if not calls:
        return message
    return _changed(
        message, "tool_calls", [_changed(call, "id", short_id(str(call.get("id") or ""))) for call in calls]
    )


def short_id(call_id: str) -> str:
    """The id as nine letters and digits, always the same for the same id."""
    if len(call_id) == ID_LENGTH and call_id.isascii() and call_id.isalnum():
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "backslashreplace")).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:ID_LENGTH])


def _with_reasoning(messages: list[Message]) -> list[Message]:
    """A blank where there was none: DeepSeek takes any text, some gateways drop an empty one."""
    return [
        {**message, "reasoning_content": message.get("reasoning") or " "}
        if message.get("role") == "assistant" and not message.get("reasoning_content")
        else message
        for message in messages
    ]


def _signed(messages: list[Message]) -> list[Message]:
    """The first call of a message has the signature, if any has one."""
    return [
        _changed(message, "tool_calls", [_sign(calls[0]), *calls[1:]])
        if (calls := _calls(message)) and not any("extra_content" in call for call in calls)
        else message
        for message in messages
    ]


def _sign(call: Message) -> Message:
    return {**call, "extra_content": {"google": {"thought_signature": UNSIGNED}}}


def _named(messages: list[Message]) -> list[Message]:
    names: dict[str, Any] = {}
    shaped: list[Message] = []
    for message in messages:
        names.update((str(call.get("id")), _function(call).get("name")) for call in _calls(message))
        name = names.get(str(message.get("tool_call_id"))) if message.get("role") == "tool" else None
        shaped.append({**message, "name": name} if name and not message.get("name") else message)
    return shaped


def _with_single_calls(messages: list[Message]) -> list[Message]:
    """A message with several calls as that many, each in front of its result; the first has the words."""
    shaped: list[Message] = []
    waiting: dict[str, Message] = {}
    """Calls whose results have not come, each in a message of its own."""
    for message in messages:
        if message.get("role") == "tool":
            call = waiting.pop(str(message.get("tool_call_id")), None)
            shaped += [message] if call is None else [call, message]
            continue
        shaped += waiting.values()
        waiting = {}
        calls = _calls(message)
        if len(calls) > 1:
            waiting = {
                str(call.get("id")): {"role": "assistant", "content": None, "tool_calls": [call]}
                for call in calls
            }
            waiting[str(calls[0].get("id"))] = {**message, "tool_calls": calls[:1]}
        else:
            shaped.append(message)
    return [*shaped, *waiting.values()]


def _without_items(messages: list[Message]) -> list[Message]:
    return of_source(messages, "")


_SHAPES: Mapping[HistoryRule, Callable[[list[Message]], list[Message]]] = {
    "no_developer": _without_developer,
    "one_system": _with_one_system,
    "alternate": _alternating,
    "short_ids": _with_short_ids,
    "reasoning": _with_reasoning,
    "signed": _signed,
    "named": _named,
    "single_calls": _with_single_calls,
    "no_items": _without_items,
}


def _without(message: Message, names: Collection[str]) -> Message:
    kept = {name: value for name, value in message.items() if name not in names}
    calls = _calls(message)
    if calls and any(not set(names).isdisjoint({*call, *_function(call)}) for call in calls):
        kept["tool_calls"] = [_call_without(call, names) for call in calls]
    return message if kept == message else kept


def _call_without(call: Message, names: Collection[str]) -> Message:
    kept = {name: value for name, value in call.items() if name not in names}
    function = {name: value for name, value in _function(call).items() if name not in names}
    return {**kept, "function": function}


def _changed(message: Message, name: str, value: Any) -> Message:
    return message if message.get(name) == value else {**message, name: value}


def _calls(message: Message) -> list[Message]:
    """Those of somebody else's body need not be a list of objects."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _function(call: Message) -> Message:
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def _are_texts(*messages: Message) -> bool:
    return all(isinstance(message.get("content"), str) for message in messages)
