"""Runs in the workspace, by `python3 -I -c`: calls of one module's functions, and what came of them.

Its one argument is JSON: `nonce`, `path` of the module, and `calls`, each with `call` (its source: literals alone),
`function`, `expected` (a literal's source; empty: none), `exact` and `ordered`. It prints a line for each call, the
nonce and JSON: `value` (repr), `shown` (str) and `equal`; or `raised` (names of its classes) and `words`; or
`missing`, true: the module has no such name. A module that cannot be imported gets one line, with `import` true.

The module runs in this process. One that means to can read the nonce, and print lines of its own: as it can return
whatever the examples want to see. This tells whether the work is right, not whether it is honest.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import math
import os
import sys
import warnings
from typing import Any

MAX_SHOWN = 400
"""Characters of a value that are told; a longer one is compared here alone."""
MAX_WORDS = 200


def main(argument: str) -> None:
    given = json.loads(argument)
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)

    def say(what: dict[str, Any]) -> None:
        out.write("%s %s\n" % (given["nonce"], json.dumps(what)))  # noqa: UP031
        out.flush()

    try:
        module = load(given["path"])
    except BaseException as error:
        say({"import": True, **described(error)})
    else:
        for call in given["calls"]:
            say(outcome(module, **call))
    os._exit(0)  # whatever else runs here


def load(path: str) -> Any:
    """The module, in the package in which it lies."""
    folder, file = os.path.split(os.path.abspath(path))
    names = [os.path.splitext(file)[0]]
    sys.argv = [path]
    sys.path.insert(0, os.getcwd())
    while os.path.exists(os.path.join(folder, "__init__.py")) and len(names) < 10:
        folder, name = os.path.split(folder)
        names.insert(0, name)
    sys.path.insert(0, folder)
    if len(names) > 1:
        return importlib.import_module(".".join(names if names[-1] != "__init__" else names[:-1]))
    spec = importlib.util.spec_from_file_location(names[0], path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[names[0]] = module
    spec.loader.exec_module(module)
    return module


def outcome(
    module: Any, call: str, function: str, expected: str, exact: bool, ordered: bool
) -> dict[str, Any]:
    if not hasattr(module, function):
        return {"missing": True}
    try:
        value = evaluated(ast.parse(call, mode="eval").body, module)
        if inspect.iscoroutine(value):
            import asyncio

            value = asyncio.run(value)
    except BaseException as error:
        return described(error)
    try:
        shown = repr(value)
        equal = same(literal(expected), value, exact, ordered) if expected else None
        return {
            "value": shown if len(shown) <= MAX_SHOWN else None,
            "shown": str(value)[: MAX_SHOWN + 1],
            "equal": True if equal else False if equal is False and is_literal(shown) else None,
        }
    except BaseException:
        return {"value": None, "shown": "", "equal": None}


def evaluated(tree: ast.expr, module: Any) -> Any:
    """A call with literals: of a function, of a class, of a method of an object that is made for it."""
    if not isinstance(tree, ast.Call):
        raise TypeError("no call")
    given = [literal(value) for value in tree.args]
    named = {str(word.arg): literal(word.value) for word in tree.keywords}
    target = tree.func
    if isinstance(target, ast.Name):
        return getattr(module, target.id)(*given, **named)
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Call):
        return getattr(evaluated(target.value, module), target.attr)(*given, **named)
    if isinstance(target, ast.Attribute):
        return getattr(module, target.attr)(*given, **named)
    raise TypeError("no call of a name")


def literal(source: Any) -> Any:
    """Of a source or a tree; without a word of what Python thinks of how it is written."""
    if source in ("set()", "frozenset()"):
        return set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(source)


def is_literal(source: str) -> bool:
    try:
        literal(source)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False
    return True


def same(stated: Any, came: Any, exact: bool = True, ordered: bool = True) -> bool:
    """The value is the one that was stated. A list may be a tuple, and a number may have been computed in another way;
    where it is not `exact`, one with a point may have been rounded; where not `ordered`, lists may be in any order."""
    if isinstance(stated, (list, tuple)) and isinstance(came, (list, tuple)):
        if not ordered:
            stated, came = sorted(stated, key=repr), sorted(came, key=repr)
        pairs = [same(one, other, exact, ordered) for one, other in zip(stated, came)]  # noqa: B905
        return len(stated) == len(came) and all(pairs)
    if isinstance(stated, dict) and isinstance(came, dict):
        return stated.keys() == came.keys() and all(same(stated[k], came[k], exact, ordered) for k in stated)
    numbers = (int, float)
    if isinstance(stated, numbers) and isinstance(came, numbers) and float in (type(stated), type(came)):
        try:
            if isinstance(stated, int):
                return math.isclose(float(stated), float(came), rel_tol=1e-12, abs_tol=1e-9)
            return near(float(stated), float(came), exact)
        except OverflowError:  # a whole number that no float is near to
            return False
    return bool(stated == came)


def near(stated: float, came: float, exact: bool) -> bool:
    digits = repr(stated).partition(".")[2]
    slack = 0.0 if exact or not digits.isdigit() else 0.5000001 * 10.0 ** -len(digits)
    return math.isclose(stated, came, rel_tol=1e-9, abs_tol=max(1e-9, slack))


def described(error: BaseException) -> dict[str, Any]:
    names = [kind.__name__ for kind in type(error).__mro__]
    try:
        words = " ".join(str(error).split())
    except BaseException:
        words = ""
    return {"raised": names[:20], "words": words[:MAX_WORDS]}


if __name__ == "__main__":
    main(sys.argv[1])
