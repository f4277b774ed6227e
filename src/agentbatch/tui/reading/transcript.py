"""Reading a task's transcript out of a run's database: what has come up since the last time, and single messages."""

import json
from collections.abc import Iterable
from pathlib import Path

from agentbatch.model.reply import Message
from agentbatch.runs.store.database import reading
from agentbatch.runs.store.stored_json import read_event
from agentbatch.tui.lines.transcript.blocks import Key
from agentbatch.tui.lines.transcript.transcript import MessageRow, Transcript

_NEWS = """
SELECT e.seq, e.type, e.body, m.generation, m.position, json_extract(m.body, '$.role'),
  json_extract(m.body, '$.tool_call_id'), trim(json_extract(m.body, '$.content'), char(9, 10, 13, 32)) <> '',
  trim(coalesce(json_extract(m.body, '$.reasoning_content'), json_extract(m.body, '$.reasoning')),
    char(9, 10, 13, 32)) <> ''
FROM events e LEFT JOIN messages m ON e.type = 'message' AND m.task_id = e.task_id
  AND m.generation = json_extract(e.body, '$.generation') AND m.position = json_extract(e.body, '$.index')
WHERE e.task_id = ? AND e.seq > ? AND e.type NOT IN ('model_call_started', 'model_call_sent', 'rate_limited')
ORDER BY e.seq
"""

_HOLDING = "SELECT generation, position FROM messages WHERE task_id = ? AND instr(lower(body), ?)"

_BODY = "SELECT body FROM messages WHERE task_id = ? AND generation = ? AND position = ?"


class TranscriptReading:
    """One task's transcript. Every call opens the database for itself, so any thread may make it."""

    def __init__(self, database: Path, task_id: str) -> None:
        self.database = database
        self.task_id = task_id
        self._last = 0

    def read_on(self, transcript: Transcript) -> bool:
        """Fold what has come up since the last time into `transcript`; whether there was anything. 10,000 messages
        take some 0.4 s. Raises UserError."""
        news = False
        with reading(self.database) as connection:
            for seq, kind, body, *message in connection.execute(_NEWS, (self.task_id, self._last)):
                self._last, news = seq, True
                if kind != "message":
                    transcript.take(read_event(kind, body))
                    continue
                generation, position, role, call_id, speaks, thinks = message
                if role is not None:
                    key = Key(generation, position)
                    transcript.take(MessageRow(key, role, call_id or "", bool(speaks), bool(thinks)))
        return news

    def messages(self, keys: Iterable[Key]) -> dict[Key, Message]:
        """What these messages say, as far as they are there. Raises UserError."""
        wanted, found = list(keys), {}
        if not wanted:
            return {}
        with reading(self.database) as connection:
            for key in wanted:
                row = connection.execute(_BODY, (self.task_id, *key)).fetchone()
                if row is not None:
                    found[key] = json.loads(row[0])
        return found

    def holding(self, word: str) -> set[Key]:
        """The messages with this word, ASCII and in small letters, anywhere. Raises UserError."""
        with reading(self.database) as connection:
            return {Key(*row) for row in connection.execute(_HOLDING, (self.task_id, word))}
