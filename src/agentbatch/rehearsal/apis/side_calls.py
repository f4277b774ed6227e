"""What agents ask beside the work, of the same model: a title of the session, a summary of it. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.rehearsal.play import text_of
from agentbatch.rehearsal.script import Say

TITLE = re.compile(r"title generator|generate a (?:short |concise |brief )*title", re.IGNORECASE)
"""How a title is asked for: opencode, claude."""

QUESTIONS: Mapping[re.Pattern[str], Say] = {TITLE: Say(content="A rehearsal")}


def side_answer(messages: Sequence[Mapping[str, Any]]) -> Say | None:
    """The answer to a question beside the work; None for the work."""
    first = next((text_of(message) for message in messages), "")
    return next((say for asked, say in QUESTIONS.items() if asked.search(first)), None)
