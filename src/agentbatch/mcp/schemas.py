"""A tool's JSON schema as every endpoint takes it. Servers write any JSON Schema; endpoints take a part of it, each
another one, and refuse the whole request for one keyword in one tool. What is left out here still holds: the server
checks what it is sent. Pure.

What is kept is what all take: type, description, enum of texts, properties, required, items, anyOf below the top. What
was a limit is told in the description. The rows, and where each was met:

- `$ref`, `$defs`: put in their place (QwenLM/Qwen-Agent #873), a circle is cut (PrefectHQ/fastmcp #1016).
- `anyOf`, `oneOf`, `allOf` at the top: left out (anthropics/claude-code #5319); below, `oneOf` is `anyOf`, `allOf` one.
- `additionalProperties`, `$schema`, `title`, `default`: left out (promptfoo/promptfoo #6902).
- `exclusiveMinimum`, `format`, and other limits: told (hideya/langchain-mcp-tools-ts #36); `pattern` breaks grammars of
  llama.cpp (containers/kubernetes-mcp-server #758), and so do large lengths (firecrawl/firecrawl #4512).
- several types with `null`: the other one (anomalyco/opencode #14234); no type: one that fits (ggml-org/llama.cpp
  #14227).
- `properties` of what is no object: left out (anomalyco/opencode #11889).
- names of arguments with other signs than `A-Za-z0-9_.-`: others in the call (decocms/studio #6874).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentbatch.model.request.tool_schemas import KEPT
from agentbatch.patterns import regex
from agentbatch.text import clip, harmless

Schema = dict[str, Any]

MAX_DEPTH = 6
"""Objects and arrays in each other; what lies deeper is an object of whatever it is."""
MAX_ARGUMENTS = 60
"""Of one object."""
MAX_NAME = 256
"""Characters of the server's own name of an argument, which is stored."""
MAX_ENUM = 100
MAX_TEXT = 300
"""Characters of a description of an argument, and of each text in an enum."""
MAX_SCHEMA = 8_000
"""Characters of the whole."""
MAX_VISITS = 2_000
"""Parts of a schema that are looked at: a few definitions that name each other stand for millions."""
AT_ONCE = 100
"""Names and entries that are looked at as one part more: one definition may have 100,000, and be named everywhere."""

CUT = "cut, since it was too large"

_SCALARS = ("string", "integer", "number", "boolean")
_TYPES = (*_SCALARS, "object", "array")
_LIMITS = (
    "default", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
    "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems",
)  # fmt: skip
"""Told in words."""
_SILENT = frozenset(
    ("title", "$schema", "$id", "$defs", "definitions", "additionalProperties", "examples", *_LIMITS)
)
"""What is left out, or told, without a loss that anybody has to know of."""
_NAME = regex(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class CleanedSchema:
    schema: Schema
    """`{"type": "object", "properties": …, "required": …}`"""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The server's own names of arguments, by those in the schema, where they differ."""
    notes: tuple[str, ...] = ()
    """What of it was lost, for a person."""


EMPTY: Schema = {"type": "object", "properties": {}, "required": []}
_ATTEMPTS = ((MAX_DEPTH, True), (MAX_DEPTH, False), (2, False), (1, False))
"""How deep it may be, and whether with descriptions of its arguments: until it is small enough."""


def clean(schema: object) -> CleanedSchema:
    """`schema`: whatever the server sent."""
    for attempt in _ATTEMPTS:
        cleaner = _Cleaner(schema if isinstance(schema, dict) else {}, *attempt)
        try:
            found = cleaner.top()
        except RecursionError:
            break
        if len(json.dumps(found, ensure_ascii=False)) <= MAX_SCHEMA:
            cut = () if attempt == _ATTEMPTS[0] else (CUT,)
            return CleanedSchema(found, cleaner.renamed, tuple(dict.fromkeys((*cleaner.notes, *cut))))
    return CleanedSchema(EMPTY, notes=(CUT,))


class _Cleaner:
    def __init__(self, whole: Schema, depth: int, texts: bool) -> None:
        """`texts`: descriptions below the top are kept."""
        self.whole = whole
        self.depth = depth
        self.texts = texts
        self.renamed: dict[str, str] = {}
        self.notes: list[str] = []
        self._visits = 0
        self._written: dict[int, str] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def top(self) -> Schema:
        root = self._resolved(self.whole, ())[0]
        for keyword in ("anyOf", "oneOf", "not", "if", "enum"):
            if keyword in root:
                self.note(f"`{keyword}` at the top left out")
                root = {key: part for key, part in root.items() if key != keyword}
        if root.get("type", "object") != "object":
            self.note("not an object at the top")
            root = {}
        found = self._clean({**root, "type": "object"}, self.depth, ())
        found.pop("description", None)
        properties = found.get("properties", {})
        names = _usable_names(properties)
        self.renamed = {new: old for old, new in names.items() if new != old}
        if self.renamed:
            self.note("arguments renamed")
        return {
            "type": "object",
            "properties": {names[name]: part for name, part in properties.items()},
            "required": [names[name] for name in found.get("required", ())],
        }

    def _clean(self, given: object, depth: int, above: tuple[str, ...]) -> Schema:
        """One schema. `above`: the references that it stands in."""
        schema, above = self._resolved(given, above)
        if depth <= 0 or not self._looked_at(schema):
            self.note("cut where it was deep")
            kind = _kind(schema)
            return {"type": kind} if kind in _SCALARS else EMPTY
        for keyword in schema.keys() - KEPT - _SILENT - {"oneOf", "allOf", "$ref", "nullable"}:
            self.note(f"`{clip(str(keyword), 40)}` left out")
        choices = self._choices(schema)
        if choices is not None and len(choices) != 1:
            found: Schema = {"anyOf": [self._clean(one, depth - 1, above) for one in choices[:MAX_ENUM]]}
        else:
            found = self._plain({**schema, **(choices[0] if choices else {})}, depth, above)
        if self.texts and (text := self._told(schema)):
            found["description"] = text
        return found

    def _plain(self, schema: Schema, depth: int, above: tuple[str, ...]) -> Schema:
        kind = _kind(schema)
        if kind == "object":
            return {"type": kind, **self._arguments(schema, depth, above)}
        if kind == "array":
            items = schema.get("items", {"type": "string"})
            return {"type": kind, "items": self._clean(items, depth - 1, above)}
        enum = schema.get("enum")
        choices = enum[:MAX_ENUM] if isinstance(enum, list) else []
        if kind == "string" and choices and all(map(is_text, choices)):
            return {"type": kind, "enum": [one[:MAX_TEXT] for one in dict.fromkeys(choices)]}
        return {"type": kind}

    def _arguments(self, schema: Schema, depth: int, above: tuple[str, ...]) -> Schema:
        given = schema.get("properties")
        listed = given if isinstance(given, dict) else {}
        properties = {name: part for name, part in listed.items() if is_text(name) and len(name) <= MAX_NAME}
        if len(properties) < len(listed):
            self.note(f"arguments whose names are no text, or have more than {MAX_NAME} characters, left out")
        if len(properties) > MAX_ARGUMENTS:
            self.note(f"the first {MAX_ARGUMENTS} of {len(properties):,} arguments kept")
        required = schema.get("required")
        wanted = {one for one in required if isinstance(one, str)} if isinstance(required, list) else set()
        first = sorted(properties, key=lambda name: name not in wanted)[:MAX_ARGUMENTS]
        kept = [name for name in properties if name in set(first)]
        return {
            "properties": {name: self._clean(properties[name], depth - 1, above) for name in kept},
            "required": [name for name in kept if name in wanted],
        }

    def _choices(self, schema: Schema) -> list[Schema] | None:
        """What it may be instead of one thing; None: one thing."""
        for keyword in ("anyOf", "oneOf"):
            options = schema.get(keyword)
            if isinstance(options, list) and options:
                known: list[Schema] = [
                    one for one in options if isinstance(one, dict) and one.get("type") != "null"
                ]
                return known or [{}]
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return [{"type": kind} for kind in kinds if kind in _TYPES] or [{}]
        return None

    def _resolved(self, given: object, above: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """Without a reference at its top, and with the parts of `allOf` as one."""
        schema = given if isinstance(given, dict) else {}
        if not self._looked_at(schema):
            return {}, above
        while isinstance(reference := schema.get("$ref"), str):
            rest = {key: part for key, part in schema.items() if key != "$ref"}
            target = self._target(reference)
            if reference in above or target is None or len(above) > MAX_DEPTH * 4:
                self.note(f"a reference {'in a circle' if reference in above else 'that leads nowhere'} cut")
                kind = _kind(target or {})
                return {"type": kind if kind != "array" else "object", **rest}, above
            schema, above = {**target, **rest}, (*above, reference)
            if not self._looked_at(schema):
                return {}, above
        parts = schema.get("allOf")
        if isinstance(parts, list) and parts:
            whole = {key: part for key, part in schema.items() if key != "allOf"}
            for part in parts[:MAX_ENUM]:
                whole = _joined(whole, self._resolved(part, above)[0])
                if not self._looked_at(whole):
                    return {}, above
            return whole, above
        return schema, above

    def _looked_at(self, schema: Schema) -> bool:
        """False: enough was looked at."""
        if self._visits <= MAX_VISITS:
            inner = (len(part) for part in schema.values() if isinstance(part, list | dict))
            self._visits += 1 + (len(schema) + sum(inner)) // AT_ONCE
        return self._visits <= MAX_VISITS

    def _told(self, schema: Schema) -> str:
        """The description, with the limits that cannot be kept."""
        given = schema.get("description")
        text = harmless(given[:10_000]) if isinstance(given, str) else ""
        limits = [
            f"{name}: {self._value(schema[name])}"
            for name in _LIMITS
            if name in schema and schema[name] is not None
        ]
        enum = schema.get("enum")
        if isinstance(enum, list) and not all(isinstance(one, str) for one in enum):
            limits.append(f"one of {self._value(enum)}")
        told = f"({', '.join(limits)})" if limits else ""
        return f"{clip(text, MAX_TEXT)} {clip(told, MAX_TEXT)}".strip()

    def _value(self, value: object) -> str:
        """Each is written once, wherever it is named: it may be large."""
        if id(value) not in self._written:
            try:
                self._written[id(value)] = json.dumps(value, ensure_ascii=False)[:100]
            except (ValueError, RecursionError):
                self._written[id(value)] = "?"
        return self._written[id(value)]

    def _target(self, reference: str) -> Schema | None:
        if reference == "#":
            return self.whole
        if not reference.startswith("#/"):
            return None
        place: object = self.whole
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, dict) else None
        return place if isinstance(place, dict) else None


def is_text(value: object) -> bool:
    """It can be stored and sent: JSON may hold halves of characters, which are no Unicode."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one in _TYPES), None)
    if isinstance(kind, str) and kind in _TYPES:
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _joined(one: Schema, other: Schema) -> Schema:
    """Both hold."""
    both = {**other, **one}
    properties = [part["properties"] for part in (other, one) if isinstance(part.get("properties"), dict)]
    if properties:
        both["properties"] = {name: part for of_one in properties for name, part in of_one.items()}
    required = [part["required"] for part in (one, other) if isinstance(part.get("required"), list)]
    if required:
        both["required"] = [name for part in required for name in part]
    return both


def _usable_names(names: Sequence[str] | Mapping[str, Any]) -> dict[str, str]:
    """Names that every endpoint takes, by those that there are; the same where it can be."""
    found: dict[str, str] = {name: name for name in names if _NAME.fullmatch(name)}
    taken = set(found)
    for name in names:
        if name not in found:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:60] or "argument"
            new = next(
                one for n in range(1, 1000) if (one := plain if n == 1 else f"{plain}_{n}") not in taken
            )
            taken.add(new)
            found[name] = new
    return {name: found[name] for name in names}
