"""Runs of a program that a task's text shows as a terminal has them: a line with `$` and the command, and what it
prints below. Pure."""

import re
from collections.abc import Iterator
from itertools import islice

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.commands import leaves_out, parts
from agentbatch.tasks.evaluator.checks.facts.stated.context import context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand

MAX_LINES = 20
MAX_BLOCKS = 100
_BLOCK = regex(
    r"^```[^\n`]*\n(?P<fenced>(?:(?!```)[^\n]*\n){1,60})[ \t]*```"
    r"|(?<=\n\n)(?P<indented>(?:(?: {4}|\t)[^\n]*(?:\n|$)){1,60})",
    re.MULTILINE,
)
_ROUGHLY = regex(
    r"\b(?:like|similar|something|roughly|approximately|might|may|could|format|sketch|mock\w*)\b"
    r"|类似|大致|大概|格式|のような|形式|イメージ",
    re.IGNORECASE,
)
_COMMENT = regex(r"\s+#\s.*")


def shown_runs(text: str) -> Iterator[StatedCommand]:
    """Those of a block from its first line on, until one that is no plain run, or shows nothing: what comes behind it
    may depend on it."""
    for block in islice(_BLOCK.finditer(text), MAX_BLOCKS):
        around = context(text, block.start(), block.end())
        lead = text[max(0, block.start() - 300) : block.start()].rstrip().rpartition("\n")[2]
        if _ROUGHLY.search(lead) or _ROUGHLY.search(around.intro) or not around.states(demanded=False):
            continue
        for shown in re.split(r"^[ \t]*\$[ \t]+", block["fenced"] or block["indented"], flags=re.MULTILINE)[
            1:
        ]:
            command, _, output = shown.partition("\n")
            command = _COMMENT.sub("", command).strip()
            lines = tuple(line.rstrip() for line in output.strip("\n").split("\n") if line.strip())
            if not lines or parts(command) is None or len(lines) > MAX_LINES:
                break
            if "Traceback" in output or leaves_out(command, output, text):
                break
            yield StatedCommand(command, lines)
