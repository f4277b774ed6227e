"""What agents ask beside the work, of the same model: a title of the session, a summary of it. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from agentbatch.patterns import regex
from agentbatch.rehearsal.play import text_of

Side = Literal["title", "summary"]

QUESTIONS: Mapping[Side, re.Pattern[str]] = {
    "title": regex(
        r"title generator"  # opencode
        r"|generate an? (?:\w+ )*title (?:\([^()]*\) )?(?:for|and branch name)"  # codex-acp, claude, goose
        r"|Write the title in the predominant language of the session",  # claude
        re.IGNORECASE,
    ),
    "summary": regex(
        r"CONTEXT CHECKPOINT COMPACTION"  # codex
        r"|create a detailed summary of (?:this|the) conversation"  # claude
        r"|create a new anchored summary"  # opencode
        r"|summarizes internal chat history"  # qwen
        r"|context summarization assistant",  # pi
        re.IGNORECASE,
    ),
}
"""How the agents of 2026-11 word these questions."""

LOOKED_AT = 4000
"""Characters at both ends of a message: agents ask there, and put a whole conversation between them."""

TITLE = "A rehearsal"


def side_question(messages: Sequence[Mapping[str, Any]]) -> Side | None:
    """Which question it is, by the first message or the last; None: the work."""
    for message in (messages[0], messages[-1]):
        if message.get("role") in ("user", "system"):
            text = text_of(message)
            text = text[:LOOKED_AT] + "\n" + text[-LOOKED_AT:]
            for side, asked in QUESTIONS.items():
                if asked.search(text):
                    return side
    return None
