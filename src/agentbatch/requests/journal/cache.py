"""Answers kept from one batch to the next: the same question is not paid twice."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import cache_folder, json_object
from agentbatch.requests.spec.answers import was_refused
from agentbatch.requests.spec.result import BatchResult
from agentbatch.text import clip

DAY = 86_400.0

FILE = "answers.db"

EXPIRES = 30 * DAY
"""Seconds for which an answer is good."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, made REAL NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL, cost REAL, line TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_made ON answers (made);
"""


class Kept(NamedTuple):
    """What is kept of one model's answers."""

    model: str
    answers: int
    tokens: int
    cost: float | None
    """US dollars that they took; None when a price was unknown."""
    oldest: float
    newest: float
    """Seconds since the epoch."""


def cache_file(environ: Mapping[str, str]) -> Path:
    """Where the command line keeps it: the user's cache folder."""
    return cache_folder(environ) / FILE


class ResponseCache:
    """One SQLite file, addressed by what is asked. Refusals and cut-off answers are not kept."""

    def __init__(
        self, path: Path, *, expires: float = EXPIRES, clock: Callable[[], float] = time.time
    ) -> None:
        """`expires`: seconds. Raises UserError when it is not a cache of ours."""
        self.path = path
        self._expires = expires
        self._clock = clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(SCHEMA)
        except OSError as error:
            raise cannot_be("made", path, error) from None
        except sqlite3.Error as error:
            raise UserError(f"{path} is not a cache of agentbatch: {clip(str(error), 200)}.") from None
        self.clear(older_than=expires)

    def get(self, key: str) -> str | None:
        """The output line of who asked this before. A damaged one is forgotten."""
        # As bytes: text that is no UTF-8 would be an error of the whole file.
        row = self._run(
            "SELECT CAST(line AS BLOB) FROM answers WHERE key = ? AND made > ?",
            key, self._clock() - self._expires,
        ).fetchone()  # fmt: skip
        if row is None:
            return None
        line = _sound(row[0])
        if line is None:
            self._run("DELETE FROM answers WHERE key = ?", key)
        return line

    def put(self, key: str, result: BatchResult, line: str) -> None:
        """Keep an answer, if it is one worth keeping."""
        if not _worth_keeping(result):
            return
        model = str((result.body or {}).get("model", ""))[:200]
        self._run(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            key, self._clock(), model, result.usage.total, result.cost, line,
        )  # fmt: skip

    def kept(self) -> list[Kept]:
        """A row a model, the one with the most answers first."""
        rows = self._run(
            "SELECT model, count(*), sum(tokens), CASE WHEN count(cost) = count(*) THEN sum(cost) END, min(made), "
            "max(made) FROM answers GROUP BY model ORDER BY 2 DESC, 1"
        )
        return [Kept(*row) for row in rows.fetchall()]

    def clear(self, *, older_than: float = 0.0) -> int:
        """Forget what is older than so many seconds; how many answers that were."""
        return self._run("DELETE FROM answers WHERE made <= ?", self._clock() - older_than).rowcount

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Raises OSError when the file cannot be used."""
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise OSError(f"The cache {self.path} cannot be used: {error}.") from None

    def close(self) -> None:
        self._connection.close()


def _sound(kept: bytes) -> str | None:
    """The line, if it has an answer."""
    document = json_object(kept) or {}
    response = document.get("response") if not document.get("error") else None
    if not isinstance(response, dict) or response.get("status_code") != 200:
        return None
    return kept.decode() if isinstance(response.get("body"), dict) else None


def _worth_keeping(result: BatchResult) -> bool:
    if result.error is not None or result.body is None or was_refused(result.body):
        return False
    choices = result.body.get("choices")
    cut = isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") == "length" for choice in choices
    )
    return not cut and result.body.get("status") != "incomplete"
