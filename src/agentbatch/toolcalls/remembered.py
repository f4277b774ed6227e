"""Tool modes found by probing, cached from run to run in a small file of the user's."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

from agentbatch.files import cache_folder, json_object, write_atomic
from agentbatch.model.capabilities import TOOL_MODES, ToolMode

MAX_AGE = timedelta(days=30)
"""After this the server may have changed; it is probed again."""

MAX_ENTRIES = 500

MAX_FILE = 1024 * 1024
"""Characters; a larger file was not written by us."""

MAX_WHY = 300
"""Characters."""


class Remembered(NamedTuple):
    mode: ToolMode
    why: str
    at: datetime


def memory_file(environ: Mapping[str, str]) -> Path:
    """Its path in the user's cache folder: it can always be rebuilt."""
    return cache_folder(environ) / "tool-modes.json"


class ToolModeMemory:
    """Tool modes by endpoint and model. An unreadable or unwritable file is ignored: it only saves a few calls."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._clock = clock

    def get(self, endpoint: str, model: str) -> Remembered | None:
        """The entry for `model` there, unless it is too old."""
        entry = self._read().get(_key(endpoint, model))
        if not isinstance(entry, dict) or entry.get("mode") not in TOOL_MODES:
            return None
        try:
            at = datetime.fromisoformat(str(entry.get("at")))
        except ValueError:
            return None
        if at.tzinfo is None or not timedelta(0) <= self._clock() - at <= MAX_AGE:
            return None
        return Remembered(cast(ToolMode, entry["mode"]), _words(entry.get("why")), at)

    def put(self, endpoint: str, model: str, mode: ToolMode, why: str) -> None:
        entries = self._read()
        entries.pop(_key(endpoint, model), None)
        entries[_key(endpoint, model)] = {
            "mode": mode,
            "why": why,
            "at": self._clock().isoformat(timespec="seconds"),
        }
        kept = dict(list(entries.items())[-MAX_ENTRIES:])
        with contextlib.suppress(OSError):
            write_atomic(self._path, json.dumps(kept, ensure_ascii=True, indent=1), mode=0o600)

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open(encoding="utf-8") as file:
                return json_object(file.read(MAX_FILE)) or {}
        except (OSError, ValueError):  # ValueError: not UTF-8
            return {}


def _key(endpoint: str, model: str) -> str:
    """Cache key without possible secrets in the URL: user, password, query."""
    if "://" in endpoint:
        scheme, _, rest = endpoint.partition("://")
        host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
        endpoint = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return f"{endpoint} {model}"


def _words(value: Any) -> str:
    """A printable sentence, whatever the file contains."""
    text = value if isinstance(value, str) else ""
    return "".join(character if character.isprintable() else " " for character in text[:MAX_WHY]).strip()
