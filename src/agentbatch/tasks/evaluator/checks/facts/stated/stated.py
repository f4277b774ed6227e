"""All examples that a task's own text states. Pure."""

import re
from collections import defaultdict

from agentbatch.tasks.evaluator.checks.facts.stated.calls import stated_calls
from agentbatch.tasks.evaluator.checks.facts.stated.commands import stated_commands
from agentbatch.tasks.evaluator.checks.facts.stated.doctests import stated_sessions
from agentbatch.tasks.evaluator.checks.facts.stated.example import Example, StatedCall

MAX_TEXT = 60_000
MAX_EXAMPLES = 40

_CHANCE = re.compile(r"\brandom|\bshuffl|\bdice\b|随机|ランダム|乱数", re.IGNORECASE)
_SEED = re.compile(r"\bseed|种子|シード", re.IGNORECASE)


def stated_examples(text: str) -> tuple[Example, ...]:
    """In their order by kind: sessions, calls, commands. Examples that contradict each other are none."""
    text = "\n".join(line.rstrip() for line in text[:MAX_TEXT].replace("\r\n", "\n").split("\n"))
    if _CHANCE.search(text) and not _SEED.search(text):
        return ()
    found: dict[str, list[Example]] = defaultdict(list)
    for call in (*stated_sessions(text), *stated_calls(text)):
        found[call.call].append(call)
    for command in stated_commands(text):
        found[command.command].append(command)
    agreed = [
        examples[0] for examples in found.values() if all(_agree(examples[0], other) for other in examples)
    ]
    return tuple(agreed[:MAX_EXAMPLES])


def _agree(one: Example, other: Example) -> bool:
    if isinstance(one, StatedCall) and isinstance(other, StatedCall):
        return one.printed != other.printed or (one.expected, one.raises) == (other.expected, other.raises)
    return one == other
