"""Calls whose outcome a task's text states: `f(1, 2) == 3`, "f('a') returns 'b'", "f(-1) raises ValueError". Pure."""

import builtins
import re
from collections.abc import Iterator
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.context import Context, context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.checks.facts.stated.literals import FoundCall, call_at, literal_at

MAX_CALLS = 300
"""Calls of one text that are looked at."""

_CALL = regex(r"(?<![A-Za-z0-9_.])(?:([A-Za-z_][A-Za-z0-9_]*)\.)?([A-Za-z_][A-Za-z0-9_]*)\(")
_GIVES = regex(
    r"`{0,2}(?:\s*(?:"
    r"(?P<code>===?|=(?![=>~])|=>|->|→|⇒|⟶)"
    r"|(?P<should>(?:should|must|shall|has to|needs to)\s+(?:return|be|give|equal|yield|produce|evaluate to))\b"
    r"|(?P<says>returns?|gives?|is|equals?|yields?|produces?|evaluates to|will (?:return|give|be))\b"
    r"|(?P<demands>应该?返回|应当返回|必须返回|应该?是|应该?为|应该?得到)"
    r"|(?P<tells>会?返回|得到|等于|的结果[是为]|は|の結果は|の戻り値は)"
    r")|(?P<comment>[ \t]*#[ \t]*(?:=>|->|→|==|=|returns?|gives?)?)"
    r")(?:\s+(?:exactly|the (?:string|list|value|number|tuple|integer|text|dict|set)))?[ \t]*[:：]?\s*(`{0,2})"
)
_RAISES = regex(
    r"`{0,2}\s*(?:(?:=>|->|→|#)\s*)?(?P<should>(?:should|must|shall|has to|needs to)\s+|应该?|必须)?(?:will\s+)?"
    r"(?:raises?|throws?|抛出|引发)\s*(?:an?\s+|the\s+|一个\s*)?`{0,2}(?P<name>[A-Za-z_][A-Za-z0-9_.]*)`{0,2}(?!\w)"
    r"(?!\s+(?:message|code|flag|count|rate|level|to)\b)",
    re.ASCII,
)
_VALUE = r"\s*`?[-+\d'\"\[({]"
"""Another value follows: what was found is the first of several."""
_END = regex(
    r"(?P<close>`{0,2})(?:\s*$|[ \t]*\n|\s*[;:)\]）。，；、—–|”’」』]|[\"'](?!\w)|\.(?![\w.])|\*\*|\s+\(|[ \t]*#"
    rf"|\s*,(?!{_VALUE})|,?\s+(?:and|but|while|whereas|because|since|so|not|which|instead|rather)\b(?!{_VALUE})"
    r"|\s*(?:を返|を出力|です|になり|になる|となる|である|と等しい))"
)
_MESSAGE = regex(r"(?P<close>), *f?[\"']")
"""What an assertion says where it fails."""
_NO_STATEMENT = regex(
    r"(?:^|\W)(?:def|class|if|elif|while|until|unless|when|whenever|whether|return|lambda|await|yield|not|for|in|del"
    r"|raise|let|async|than|import|except|function|fn|func|signature|new|or)\s*[`(\"']*$",
    re.IGNORECASE,
)
_OPERATOR = regex(r"(?:[-+*/%<>&^~@|!]|==)\s*[`(]*$")
_NO_OPERATOR = regex(r"[\s>*+•|-]*(?:\d+[.)])?\s*[`(*]*$|(?:.*\s)?\*\*`?$|\s*\|.*\|\s*`?$")
"""The mark of a list, of bold words or of a table that stands before a call."""
LINE = 300
"""Characters of a line that are looked at before a call."""


class _Outcome(NamedTuple):
    expected: str
    raises: str
    end: int
    demanded: bool
    exact: bool


def stated_calls(text: str) -> Iterator[StatedCall]:
    """All that are certain, in their order."""
    for number, found in enumerate(_CALL.finditer(text)):
        if number == MAX_CALLS:
            return
        call = call_at(text, found.start(), found[2], found[1] or "")
        if call is None:
            continue
        around = context(text, found.start(), call.end)
        outcome = _raises(text, call) or _gives(text, call)
        if outcome is None or not _is_statement(around, text, found.start()):
            continue
        if context(text, found.start(), outcome.end).states(demanded=outcome.demanded):
            yield StatedCall(
                call.function, call.source, outcome.expected, outcome.raises, call.module, outcome.exact
            )


def _is_statement(around: Context, text: str, start: int) -> bool:
    """The call stands for itself, and is no part of a larger expression, condition or definition."""
    line = text[max(0, start - LINE, text.rfind("\n", 0, start) + 1) : start]
    if _NO_STATEMENT.search(around.before) or line.lstrip().startswith(">>>"):
        return False
    return not _OPERATOR.search(line) or _NO_OPERATOR.match(line) is not None


def _gives(text: str, call: FoundCall) -> _Outcome | None:
    relation = _GIVES.match(text, call.end)
    if relation is None:
        return None
    expected = literal_at(text, relation.end())
    end = _END.match(text, relation.end() + len(expected)) if expected else None
    if expected and end is None and relation["code"] == "==":
        end = _MESSAGE.match(text, relation.end() + len(expected))
    if end is None or len(end["close"]) < len(relation[relation.lastindex or 0]):
        return None
    if relation["comment"] and text[end.start() : end.end()].strip(" \t\n"):
        return None  # a comment that says more than that
    if relation["code"] in ("->", "=") and expected == "None":
        return None  # the annotation of a function
    demanded = bool(relation["should"] or relation["demands"])
    after = relation.end() + len(expected)
    return _Outcome(expected, "", after, demanded, exact=relation["code"] in ("==", "==="))


def _raises(text: str, call: FoundCall) -> _Outcome | None:
    found = _RAISES.match(text, call.end)
    if found is None:
        return None
    name = found["name"].rstrip(".").rsplit(".", 1)[-1]
    if name.lower() in ("error", "exception"):
        name = "Exception"
    known = isinstance(getattr(builtins, name, None), type) and issubclass(
        getattr(builtins, name), BaseException
    )
    if not known and not name.endswith(("Error", "Exception")):
        return None
    return _Outcome("", name, found.end(), bool(found["should"]), exact=True)
