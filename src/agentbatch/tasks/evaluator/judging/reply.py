"""Reading a verdict out of a reply: in one pass from its end, whatever it holds. Pure."""

import json
import re
from collections import Counter
from typing import Any

from pydantic import ValidationError

from agentbatch.problems import first_problem
from agentbatch.tasks.agents.messages import without_thoughts
from agentbatch.tasks.results.verdict import Verdict

MAX_REPLY = 200_000
"""Characters; a verdict is a hundredth of that."""

NOTHING = frozenset({"", "none", "nothing", "n/a", "na", "null", "no", "empty", "无"})
"""Follow-ups that ask for nothing."""


class NoVerdict(ValueError):
    """The reply holds no valid verdict; the text says what is wrong, for the judge to mend."""


def parse_verdict(content: str) -> Verdict:
    """The verdict in which the reply ends. Raises NoVerdict.

    Prose or thoughts may stand before it, nothing after it: a judge quotes what it judges, so a verdict somewhere in
    the text need not be the judge's own. For the same reason two that disagree, and a broken one, count as none.
    """
    if len(content) > MAX_REPLY:
        raise NoVerdict(f"it is longer than {MAX_REPLY:,} characters")
    text = without_thoughts(content)
    spans = _objects(text)
    if not spans:
        raise NoVerdict("there is no JSON object in it")
    (start, end), *earlier = spans
    if text[end:].strip(" \t\r\n`])."):
        raise NoVerdict("something follows the JSON object")
    verdict = _validated(_unwrapped(_parsed(text[start:end])))
    for other in _others(text[:start], earlier):
        if other.get("complete", verdict.complete) != verdict.complete:
            raise NoVerdict("two verdicts in it disagree")
    if verdict.complete and verdict.follow_up_prompt.strip(" .-").casefold() not in NOTHING:
        raise NoVerdict("complete is true, and yet follow_up_prompt asks for something: one of them is wrong")
    return verdict


def _objects(text: str) -> list[tuple[int, int]]:
    """Where objects begin and end, the last one first: each closing brace with its opening one, whatever strings hold.
    Backwards, so that an odd quote or brace in the prose before the last object cannot hide it."""
    signs = [found for found in re.finditer(r'\\.|["{}]', text, re.DOTALL) if found[0][0] != "\\"]
    spans: list[tuple[int, int]] = []
    depth, in_string, end = 0, False, 0
    for found in reversed(signs):
        sign = found[0]
        if depth == 0:
            if sign == "}":
                depth, in_string, end = 1, False, found.end()
        elif sign == '"':
            in_string = not in_string
        elif not in_string:
            depth += 1 if sign == "}" else -1
            if depth == 0:
                spans.append((found.start(), end))
    return spans


def _others(text: str, spans: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """The objects before the verdict. Raises NoVerdict where one could be a broken verdict."""
    found: list[dict[str, Any]] = []
    between, at = [], len(text)
    for start, end in spans:
        if text.find('"complete"', start, end) < 0:
            continue
        try:
            found.append(_unwrapped(_parsed(text[start:end])))
        except NoVerdict:
            continue  # it stays a part of what is between
        between.append(text[end:at])
        at = start
    between.append(text[:at])
    if any('"complete"' in part for part in between):
        raise NoVerdict("a JSON object in it is broken")
    return found


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except NoVerdict:
        raise
    except (ValueError, RecursionError):
        raise NoVerdict("its JSON object is broken") from None
    assert isinstance(value, dict)  # it begins with a brace
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise NoVerdict(f"{names.most_common(1)[0][0][:40]!r} is in it twice")
    return found


def _unwrapped(found: dict[str, Any]) -> dict[str, Any]:
    """`{"verdict": {...}}` is the verdict in it."""
    inner = found.get("verdict")
    return inner if len(found) == 1 and isinstance(inner, dict) else found


def _validated(found: dict[str, Any]) -> Verdict:
    try:
        return Verdict.model_validate(found)
    except ValidationError as error:
        problem = first_problem(error)
        raise NoVerdict(f"{problem.name}: {problem.message}") from None
