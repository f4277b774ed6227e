"""What the model calls of a run were for, from its database."""

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

QUERY = """
SELECT substr(task_id, 1, instr(task_id || '@', '@') - 1), json_extract(body, '$.purpose'), count(*),
       sum(json_extract(body, '$.usage.input') + json_extract(body, '$.usage.output'))
FROM events WHERE type = 'model_call_finished' GROUP BY 1, 2 ORDER BY min(seq)
"""


class Spent(NamedTuple):
    calls: int
    tokens: int
    """Input and output."""


def spent_by_purpose(folder: Path) -> dict[str, dict[str, Spent]]:
    """By task (its attempts together) and by what the calls were for (`code`, `judge`, `checks`, ...); of the one run
    in the folder where it was started. Calls that never ended are not counted."""
    (database,) = folder.glob(".agentbatch/runs/*/run.db")
    found: dict[str, dict[str, Spent]] = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        for task, purpose, calls, tokens in connection.execute(QUERY):
            found.setdefault(task, {})[purpose or "code"] = Spent(calls, tokens)
    return found


def total_of(parts: Iterable[Mapping[str, Sequence[int]]]) -> dict[str, Spent]:
    """The sums, by what for; each of `parts` has pairs of calls and tokens."""
    sums: dict[str, Spent] = {}
    for part in parts:
        for purpose, (calls, tokens) in part.items():
            before = sums.get(purpose, Spent(0, 0))
            sums[purpose] = Spent(before.calls + calls, before.tokens + tokens)
    return sums


def in_words(spent: Mapping[str, Spent]) -> str:
    return ", ".join(f"{name} {one.tokens:,} ({one.calls} calls)" for name, one in spent.items())
