"""Asking a run's engine for something: the `commands` table, and what it answered."""

from collections.abc import Mapping

from agentbatch.runs.control.commands import OVER, Answer, await_answer, post
from agentbatch.runs.folder import RunFolder, holder

ANSWER_WITHIN = 30.0
"""Seconds. An engine looks four times a second; one that is stopped or starved does not."""


def ask(folder: RunFolder, name: str, arguments: Mapping[str, object]) -> Answer:
    """Post a command and wait for its answer, at most ANSWER_WITHIN seconds. Raises UserError when the run's database
    cannot be written to."""
    engine = holder(folder)
    number = post(folder.database, name, arguments)
    answer = await_answer(folder.database, number, lambda: bool(holder(folder)), ANSWER_WITHIN)
    if answer is not None:
        return answer
    if holder(folder):
        return Answer(
            False,
            f"The engine ({engine}) has not answered within {ANSWER_WITHIN:.0f} s. "
            f"It may still do it: `agentbatch status {folder.run_id}` tells.",
        )
    return Answer(False, OVER)
