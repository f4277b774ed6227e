"""All examples that a task's own text states. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.calls import stated_calls
from agentbatch.tasks.evaluator.checks.facts.stated.described import described_commands
from agentbatch.tasks.evaluator.checks.facts.stated.doctests import stated_sessions
from agentbatch.tasks.evaluator.checks.facts.stated.example import Example, StatedCall, StatedCommand
from agentbatch.tasks.evaluator.checks.facts.stated.named import named_commands
from agentbatch.tasks.evaluator.checks.facts.stated.printed import stated_commands
from agentbatch.tasks.evaluator.checks.facts.stated.shown_runs import shown_runs

MAX_TEXT = 60_000
MAX_EXAMPLES = 40

_CHANCE = regex(r"\brandom|\bshuffl|\bdice\b|随机|ランダム|乱数", re.IGNORECASE)
_ANY_ORDER = regex(
    r"\b(?:any|some|arbitrary|no particular|unspecified)\s+order\b|\bunordered\b"
    r"|\border (?:does|is) not\b|\border doesn['’]t|顺序不限|任意顺序|顺序任意|順不同",
    re.IGNORECASE,
)
_SERVES = regex(
    r"\bserv(?:er|es|ing)\b|\blistens?\b|\bdaemon\b|\bforever\b|ctrl[-+ ]?c\b|服务器|サーバ", re.IGNORECASE
)
"""A program that does not end of itself, and whose output is not written out as long as it runs."""
_SEED = regex(r"\bseed|种子|シード", re.IGNORECASE)


def stated_examples(text: str) -> tuple[Example, ...]:
    """In their order by kind: sessions, calls, commands, each once."""
    text = "\n".join(line.rstrip() for line in text[:MAX_TEXT].replace("\r\n", "\n").split("\n"))
    if _CHANCE.search(text) and not _SEED.search(text):
        return ()
    commands = [] if _SERVES.search(text) else _commands(text)
    certain: tuple[Example, ...] = (
        *_certain_calls(text),
        *(one for one in commands if commands_agree(one, commands)),
    )
    return tuple(dict.fromkeys(certain))[:MAX_EXAMPLES]


def _certain_calls(text: str) -> list[StatedCall]:
    """Where two examples of one call contradict each other, what its function gives depends on what was done before:
    none of that function is certain."""
    ordered = not _ANY_ORDER.search(text)
    calls = [replace(call, ordered=ordered) for call in (*stated_sessions(text), *stated_calls(text))]
    by_call: dict[tuple[str, bool], list[StatedCall]] = defaultdict(list)
    for call in calls:
        by_call[call.call, call.printed].append(call)
    doubtful = {
        same[0].function for same in by_call.values() if len({(c.expected, c.raises) for c in same}) > 1
    }
    return [same[0] for same in by_call.values() if same[0].function not in doubtful]


def _commands(text: str) -> list[StatedCommand]:
    """Where what one prints is shown, that says more than its description; and that, more than its name alone."""
    ordered = not _ANY_ORDER.search(text)
    shown = [
        replace(one, ordered=ordered or len(one.lines) < 2)
        for one in (*stated_commands(text), *shown_runs(text))
    ]
    printing = {one.command for one in shown if one.lines}
    shown += [one for one in described_commands(text) if one.command not in printing]
    told = {one.command for one in shown}
    return [*shown, *(one for one in named_commands(text) if one.command not in told)]


def commands_agree(one: StatedCommand, commands: Sequence[StatedCommand]) -> bool:
    """What its other statements say is not something else."""
    same = [other for other in commands if other.command == one.command]
    lines = {other.lines for other in same if other.lines}
    codes = {other.exit_code for other in same if other.exit_code is not None}
    return len(lines) <= 1 and len(codes) <= 1
