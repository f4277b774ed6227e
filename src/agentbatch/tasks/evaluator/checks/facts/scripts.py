"""Stated calls of functions that are written in JavaScript: given and answered as JSON. Pure."""

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.checks.facts.stated.literals import parsed
from agentbatch.tasks.evaluator.programs.call_examples import literal
from agentbatch.tasks.evaluator.programs.program import as_json, command


def is_script(path: str) -> bool:
    return path.endswith((".js", ".cjs", ".mjs"))


def given(call: StatedCall) -> list[Any] | None:
    """Its arguments; None: it is no call that JavaScript has as well."""
    tree = parsed(call.call)
    if (
        not isinstance(tree, ast.Call)
        or tree.keywords
        or call.printed
        or isinstance(tree.func, ast.Attribute)
    ):
        return None
    values = [literal(value) for value in tree.args]
    expected = literal(call.expected) if call.expected else None
    return values if all(map(_is_json, (*values, expected))) else None


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float)


def script_command(nonce: str, path: str, calls: Sequence[StatedCall]) -> str:
    listed = [{"function": call.function, "given": given(call)} for call in calls]
    return command("call_examples.js", as_json({"nonce": nonce, "path": path, "calls": listed}))


def of_script(said: Sequence[Mapping[str, Any]], calls: Sequence[StatedCall]) -> list[Mapping[str, Any]]:
    """Its answers, as the program that calls Python gives them."""
    return [_read(answer, call) for answer, call in zip(said, calls, strict=False)]


def _read(answer: Mapping[str, Any], call: StatedCall) -> Mapping[str, Any]:
    if "raised" in answer or "missing" in answer:
        return answer
    try:
        return {"value": repr(json.loads(answer["json"]))}
    except (KeyError, TypeError, ValueError, RecursionError):
        shown = str(answer.get("shown"))
        return {"value": shown, "equal": False if shown == "undefined" and call.expected != "None" else None}
