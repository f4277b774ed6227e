"""Finding Python literals and calls with literals in running text. Pure, and linear in the text: nothing is looked at
for longer than MAX_SOURCE characters."""

import ast
import warnings
from ast import walk
from typing import Any, NamedTuple

from agentbatch.patterns import regex

MAX_SOURCE = 500
"""Characters of one call, and of one literal."""
MAX_DEPTH = 20
MAX_DIGITS = 300

_OPEN = {"(": ")", "[": "]", "{": "}"}
_NUMBER = regex(r"[-+]?(\d[\d_]*(\.\d+)?|\.\d+)([eE][-+]?\d+)?j?(?!\w)")
_WORD = regex(r"(True|False|None)(?!\w)")
_STRING = regex(r"[rRbBuU]{0,2}(?=['\"])")
_METHOD = regex(r"\.[A-Za-z_]\w*\(")
_NAMED = frozenset({"set()", "frozenset()"})


class FoundCall(NamedTuple):
    """A call that stands in a text."""

    source: str
    function: str
    module: str
    end: int
    """Where the text goes on after it."""


def closing(text: str, start: int) -> int:
    """The place after the bracket that closes the one at `start`, strings skipped; -1: there is none."""
    waiting: list[str] = []
    place, end = start, min(len(text), start + MAX_SOURCE)
    while place < end:
        character = text[place]
        if character in "'\"":
            place = string_end(text, place)
            if place < 0:
                return -1
            continue
        if character in _OPEN:
            waiting.append(_OPEN[character])
            if len(waiting) > MAX_DEPTH:
                return -1
        elif character in ")]}":
            if waiting.pop() != character:
                return -1
            if not waiting:
                return place + 1
        place += 1
    return -1


def string_end(text: str, start: int) -> int:
    """The place after the string that begins with the quote at `start`; -1: it does not end."""
    quote = text[start : start + 3] if text[start : start + 3] in ("'''", '"""') else text[start]
    place, end = start + len(quote), min(len(text), start + MAX_SOURCE)
    while place < end:
        if text[place] == "\\":
            place += 2
        elif text.startswith(quote, place):
            return place + len(quote)
        elif text[place] == "\n" and len(quote) == 1:
            return -1
        else:
            place += 1
    return -1


def literal_at(text: str, start: int) -> str:
    """The source of the literal that begins there; empty: none does, or none that is to be compared."""
    prefix = _STRING.match(text, start)
    if prefix:
        end = string_end(text, prefix.end())
    elif text[start : start + 1] and text[start] in _OPEN:
        end = closing(text, start)
    else:
        named = next((name for name in _NAMED if text.startswith(name, start)), "")
        if named:
            return named
        found = _WORD.match(text, start) or _NUMBER.match(text, start)
        end = found.end() if found else -1
    source = text[start:end] if end > start else ""
    return source if source and is_literal(source) else ""


def is_literal(source: str) -> bool:
    if source in _NAMED:
        return True
    tree = parsed(source)
    return tree is not None and _literal(tree)


def parsed(source: str) -> ast.expr | None:
    """The expression; None: it is none, or too long."""
    if len(source) > MAX_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _literal(tree: ast.expr) -> bool:
    """Only what can be compared: no `...`, which stands for what is left out."""
    if not all(_is_plain(node) for node in walk(tree)):
        return False
    try:
        return _has_content(ast.literal_eval(tree))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _is_plain(node: ast.AST) -> bool:
    return not isinstance(node, ast.Constant) or node.value not in (..., "...", "…", "....")


def _has_content(value: Any) -> bool:
    return not isinstance(value, int) or value.bit_length() < 4 * MAX_DIGITS


def call_at(text: str, start: int, function: str, module: str = "") -> FoundCall | None:
    """The call whose opening bracket stands after the name at `start`: with literals alone, and one method call after
    it at most, where the first makes an object."""
    name = f"{module}.{function}" if module else function
    end = closing(text, start + len(name))
    if end < 0:
        return None
    method = _METHOD.match(text, end)
    if method:
        end = closing(text, method.end() - 1)
    source = text[start:end]
    tree = parsed(source) if end > 0 else None
    return (
        FoundCall(source, function, module, end) if isinstance(tree, ast.Call) and _plain_call(tree) else None
    )


def _plain_call(tree: ast.Call) -> bool:
    """Something is given: what a call without arguments gives depends on what was done before."""
    match tree.func:
        case ast.Attribute(value=ast.Call() as made):
            return _is_class(made) and _given(made) and _given(tree)
        case ast.Name() | ast.Attribute(value=ast.Name()):
            return _given(tree) and bool(tree.args or tree.keywords)
    return False


def _is_class(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    return bool(name[:1].isupper())


def _given(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return all(keyword.arg for keyword in call.keywords) and all(map(_literal, values))
