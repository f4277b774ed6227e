"""Answers kept from one batch to the next: the same question is not paid twice."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.requests.answers import was_refused
from agentbatch.requests.result import BatchResult
from agentbatch.store.format import clip

DAY = 86_400.0

EXPIRES = 30 * DAY
"""Seconds for which an answer is good."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, made REAL NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL, cost REAL, line TEXT NOT NULL
) WITHOUT ROWID;
"""


class ResponseCache:
    """One SQLite file, addressed by what is asked. Refusals and cut-off answers are not kept."""

    def __init__(
        self, path: Path, *, expires: float = EXPIRES, clock: Callable[[], float] = time.time
    ) -> None:
        """`expires`: seconds. Raises UserError when the file is none of ours."""
        self.path = path
        self._expires = expires
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise UserError(f"{path} is no cache of agentbatch: {clip(str(error), 200)}.") from None

    def get(self, key: str) -> str | None:
        """The output line of who asked this before."""
        row = self._connection.execute(
            "SELECT line FROM answers WHERE key = ? AND made > ?", (key, self._clock() - self._expires)
        ).fetchone()
        return row[0] if row else None

    def put(self, key: str, result: BatchResult, line: str) -> None:
        """Keep an answer, if it is one worth keeping."""
        if not _worth_keeping(result):
            return
        model = str((result.body or {}).get("model", ""))[:200]
        self._connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (key, self._clock(), model, result.usage.total, result.cost, line),
        )

    def close(self) -> None:
        self._connection.close()


def _worth_keeping(result: BatchResult) -> bool:
    if result.error is not None or result.body is None or was_refused(result.body):
        return False
    choices = result.body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    return first.get("finish_reason") != "length" and result.body.get("status") != "incomplete"
