"""What a small model expects of a function, read out of its replies: calls with literals and the values that they give;
and which of it counts. Pure.

One of its asserts is as often wrong as right. What two askings agree on, or what its own program gives when it is run,
is right in nearly all cases (CodeT, arXiv 2207.10397: agreement between tests and programs).
"""

import ast
import builtins
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.programs.call_examples import literal, same

MAX_TASK = 20_000
"""Characters of a task that are looked at."""
MAX_REPLY = 20_000
MAX_LINE = 300
"""Characters of one assert."""
MAX_LINES = 60
MAX_FUNCTIONS = 2

VOTES = 2
FIRM_VOTES = 3
"""Programs of the coder's against a value; against one that a program confirms which passes the task's examples."""

_FUNCTION = regex(
    r"`(?:def )?(?:[A-Za-z_]\w*\.)?([A-Za-z_]\w*)\([^`\n]{0,200}`|\bdef ([A-Za-z_]\w*)\("
    r"|\bfunctions?\s+(?:called\s+|named\s+)?`?([A-Za-z_]\w*)`?\s?\(|\bfunctions? (?:called |named )?`([A-Za-z_]\w*)`"
    r"|(?:函数|函數|関数)\s*`?([A-Za-z_]\w*)`?\s?[(（`]",
    re.ASCII,  # signs of other scripts end a name
)
_PLAIN = regex(
    r"(?<![\w.`])([a-z_]\w*)\([a-z_]\w*(?:=[^,()\n]{1,20})?(?:, ?[a-z_]\w*(?:=[^,()\n]{1,20})?){0,5}\)",
    re.ASCII,
)
"""A signature in running text."""
_PYTHON = regex(r"python|\b\w+\.py\b", re.IGNORECASE | re.ASCII)
_SAYS_FUNCTION = regex("function|函数|函數|関数")
_FENCE = regex(r"^```[\w+-]*[ \t]*\n(.*?)(?:^```|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Expected:
    """One call and what it should give, both as Python writes them: equal where they mean the same."""

    function: str
    call: str
    value: str

    @property
    def text(self) -> str:
        return f"{self.call} == {self.value}"

    def as_stated(self) -> StatedCall:
        """As an example that is run; its numbers may be rounded."""
        return StatedCall(self.function, self.call, self.value, exact=False)


def wanted_functions(task: str) -> tuple[str, ...]:
    """The Python functions that the task asks for, the first ones; none where it cannot be told which."""
    text = task[:MAX_TASK]
    if not _PYTHON.search(text):
        return ()
    if re.search(r"\bclass\b", text):
        return ()
    named = [next(group for group in found.groups() if group) for found in _FUNCTION.finditer(text)]
    if _SAYS_FUNCTION.search(text):
        named += _PLAIN.findall(text)
    wanted = [
        name for name in named if not hasattr(builtins, name) and not name[0].isupper() and name != "main"
    ]
    return tuple(dict.fromkeys(wanted))[:MAX_FUNCTIONS]


def expected_of(reply: str, functions: Collection[str]) -> list[Expected]:
    """The asserts of a reply about the functions, without those that it contradicts itself in."""
    found: dict[str, dict[Expected, None]] = {}
    for line in reply[:MAX_REPLY].splitlines()[:MAX_LINES]:
        one = _assert(line.lstrip("-*0123456789. `\t").rstrip("` \t"), functions)
        if one is not None:
            found.setdefault(one.call, {})[one] = None
    return [one for same_call in found.values() if len(same_call) == 1 for one in same_call]


def program_of(reply: str) -> str:
    """The program of a reply: its first code block, else all of it."""
    text = reply[:MAX_REPLY]
    fenced = _FENCE.search(text)
    return (fenced[1] if fenced else text).strip()


def agreed(
    askings: Sequence[Iterable[Expected]], program: Mapping[str, str] | None, most: int
) -> list[Expected]:
    """What counts, `most` at most: what two askings say alike, or what the model's own program gives. `program`: what
    it gave, by the call; None: it says nothing, for it is wrong where that is known. Where it gives something else,
    nothing is agreed on."""
    counted: dict[Expected, int] = {}
    for asking in askings:
        for one in dict.fromkeys(asking):
            counted[one] = counted.get(one, 0) + 1
    contradicted = {one.call for one in counted if sum(other.call == one.call for other in counted) > 1}
    kept = []
    for one, times in counted.items():
        if one.call in contradicted:
            continue
        gave = program.get(one.call) if program is not None else None
        if same_value(one.value, gave) if gave is not None else times > 1:
            kept.append(one)
    return kept[:most]


def normal(call: str) -> str:
    """A call as `Expected` writes it; what is none stays as it is."""
    try:
        return ast.unparse(ast.parse(call, mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return call


def same_value(expected: str, came: str) -> bool:
    """Two literals mean the same, as examples are compared: what is expected may be rounded, a list may be a tuple."""
    try:
        return same(literal(expected), literal(came), exact=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _assert(line: str, functions: Collection[str]) -> Expected | None:
    """`assert f(1) == 2`, with literals alone."""
    if not line.startswith("assert") or len(line) > MAX_LINE or "\0" in line:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(line).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match body:
        case [
            ast.Assert(
                test=ast.Compare(left=ast.Call() as call, ops=[ast.Eq() | ast.Is()], comparators=[value])
            )
        ]:
            pass
        case _:
            return None
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    named = all(keyword.arg for keyword in call.keywords)  # no `**`
    if name not in functions or not given or not named or not all(map(_is_literal, (*given, value))):
        return None
    call.func = ast.Name(name, ast.Load())
    return Expected(name, ast.unparse(call), ast.unparse(value))


def _is_literal(tree: ast.expr) -> bool:
    try:
        ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


@dataclass(frozen=True)
class Vote:
    """What a program of the coder's gave for a call."""

    iteration: int
    conversation: int
    """Grows where the coder began anew."""
    program: str
    """Its digest."""
    value: str
    """A literal."""


def outvoted(expected: Expected, votes: Sequence[Vote], needed: int) -> bool:
    """So many programs that came about apart from each other, in two conversations or by a change between two
    iterations, give the same other value: it is rather the check that is wrong."""
    other = [vote for vote in votes if not same_value(expected.value, vote.value)]
    return any(
        _apart([vote for vote in other if same_value(one.value, vote.value)]) >= needed for one in other
    )


def _apart(votes: Sequence[Vote]) -> int:
    """How many of the votes are of different programs or conversations, and of different iterations."""
    seen: dict[tuple[int, str], int] = {}
    for vote in votes:
        if vote.iteration not in seen.values():
            seen.setdefault((vote.conversation, vote.program), vote.iteration)
    return len(seen)
