"""Commands that a task's text names to be run, and says no more of: "it is run with `./report.py a.csv`". Pure."""

import re
from collections.abc import Iterator
from itertools import islice

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.commands import leaves_out, parts
from agentbatch.tasks.evaluator.checks.facts.stated.context import context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand
from agentbatch.tasks.evaluator.checks.facts.stated.printed import COMMAND, MAX_COMMANDS

NEAR = 60
"""Characters before a command that are looked at."""
_RUN = regex(
    r"(?:\b(?:(?:run(?:ning)?|execut(?:e|ed|ing))(?: it)?(?: (?:as|with|by))?|started? (?:as|with|by)"
    r"|called (?:as|with)|invoked (?:as|with|by)|(?:a|the) command|so that|usage)[:：]?"
    r"|运行|執行|执行|用法[：:]?|调用|使い方[：:]?)\s*$",
    re.IGNORECASE,
)
_RUN_AFTER = regex(r"\s*(?:を実行|で(?:実行|起動)|と実行|(?:来)?(?:运行|执行|執行))")
_REACHES_OUT = regex(
    r"deploy|publish|release|send|mail|notif|upload|download|push|pull|fetch|crawl|scrap|sync|backup|delete|remov|drop|purge"
    r"|clean|reset|wipe|install|migrat|format|kill|shutdown|reboot|\bpay|post|tweet|serv|\bbot\b|train|prod\b|--(?:force|yes)\b"
    r"|://|@|\brm\b",
    re.IGNORECASE,
)
"""Words of what is not run unless its outcome is stated: it may change what is elsewhere, or take long."""


def is_harmless(command: str) -> bool:
    """What it does stays in the copy in which it is run, as far as its words say."""
    found = parts(command)
    away = found is None or any(word.startswith(("/", "~", "..")) for word in found.arguments)
    return not away and not _REACHES_OUT.search(command)


def named_commands(text: str) -> Iterator[StatedCommand]:
    for found in islice(COMMAND.finditer(text), MAX_COMMANDS):
        command = found["command"].strip()
        if not is_harmless(command) or leaves_out(command, "", text):
            continue
        before = text[max(0, found.start() - NEAR) : found.start()]
        if (_RUN.search(before) or _RUN_AFTER.match(text, found.end())) and context(
            text, found.start(), found.end()
        ).states(demanded=False):
            yield StatedCommand(command, ())
