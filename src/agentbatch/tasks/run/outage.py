"""When an endpoint is gone: tasks fail one after another for want of an answer, and those that follow would."""

OUTAGE = 3
"""Tasks that fail in a row for want of an answer, each after all its retries, before the run stops."""


class Outage:
    """Counts; the engine acts."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._answered = -1

    def unanswered(self, answered: int) -> str:
        """A task has failed for want of an answer. `answered`: calls of the run that were answered so far. Returns why
        the run stops, as a sentence; empty: it goes on."""
        self._in_a_row = self._in_a_row + 1 if answered == self._answered else 1
        self._answered = answered
        if self._in_a_row < OUTAGE:
            return ""
        return (
            f"The model cannot be reached: {self._in_a_row} tasks in a row have failed for want of an answer."
        )
