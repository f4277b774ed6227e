"""The file that keeps what was found out about endpoints: worth little, so nothing may depend on it."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentbatch.toolcalls.remembered import (
    MAX_AGE,
    MAX_ENTRIES,
    MAX_FILE,
    Remembered,
    ToolModeMemory,
    memory_file,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
URL = "http://127.0.0.1:8080/v1"


def memory(path: Path, now: datetime = NOW) -> ToolModeMemory:
    return ToolModeMemory(path, lambda: now)


def test_what_was_found_is_known_to_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "tool-modes.json"
    memory(path).put(URL, "m", "text", "it was probed")
    memory(path).put(URL, "other", "native", "it was probed too")
    assert memory(path).get(URL, "m") == Remembered("text", "it was probed", NOW)
    memory(path).put(URL, "m", "schema", "again")
    assert memory(path, NOW + MAX_AGE).get(URL, "m") == Remembered("schema", "again", NOW)
    assert memory(path).get(URL, "unknown") is None
    assert memory(path).get("http://127.0.0.1:8081/v1", "m") is None
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "passed", [MAX_AGE + timedelta(seconds=1), timedelta(seconds=-1), timedelta(days=-400)]
)
def test_what_is_too_old_or_of_the_future_is_not_known(tmp_path: Path, passed: timedelta) -> None:
    memory(tmp_path / "x.json").put(URL, "m", "text", "why")
    assert memory(tmp_path / "x.json", NOW + passed).get(URL, "m") is None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "text",
        [],
        {},
        {"mode": "text"},
        {"mode": "text", "at": None},
        {"mode": "text", "at": "yesterday"},
        {"mode": "text", "at": 1777636800},
        {"mode": "text", "at": "2026-05-01T12:00:00"},
        {"mode": "text", "at": "0001-01-01T00:00:00+14:00"},
        {"mode": "text", "at": "9999-12-31T23:59:59-14:00"},
        {"mode": "other", "at": NOW.isoformat()},
        {"mode": ["text"], "at": NOW.isoformat()},
        {"mode": None, "at": NOW.isoformat()},
    ],
)
def test_entries_of_another_kind_are_not_known(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({f"{URL} m": entry}), encoding="utf-8")
    assert memory(path).get(URL, "m") is None
    memory(path).put(URL, "m", "text", "why")
    assert memory(path).get(URL, "m") == Remembered("text", "why", NOW)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 10_000,
        b" " * (MAX_FILE + 10) + b"{}",
    ],
    ids=["empty", "cut", "list", "null", "not UTF-8", "nested", "number", "huge"],
)
def test_a_file_that_is_none_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert memory(path).get(URL, "m") is None
    memory(path).put(URL, "m", "text", "why")
    assert memory(path).get(URL, "m") == Remembered("text", "why", NOW)


def test_words_of_the_file_are_safe_to_show(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    entry = {"mode": "text", "at": NOW.isoformat(), "why": "a\x1b[31mb\nc\u202e" + "x" * 10_000}
    path.write_text(
        json.dumps({f"{URL} m": entry, f"{URL} n": {**entry, "why": {"not": "text"}}}), encoding="utf-8"
    )
    known = memory(path).get(URL, "m")
    assert known is not None
    assert known.why.startswith("a [31mb c")
    assert known.why.isprintable()
    assert len(known.why) <= 300
    assert memory(path).get(URL, "n") == Remembered("text", "", NOW)


def test_a_place_that_cannot_be_written_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path / "file" / "x.json", Path("/proc/agentbatch/x.json")):
        memory(path).put(URL, "m", "text", "why")
        assert memory(path).get(URL, "m") is None
    folder = tmp_path / "folder.json"
    folder.mkdir()
    memory(folder).put(URL, "m", "text", "why")
    assert memory(folder).get(URL, "m") is None
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.json"], (
        "nothing is left behind"
    )


def test_the_oldest_make_room(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    entries = {f"{URL} m{n}": {"mode": "text", "at": NOW.isoformat()} for n in range(MAX_ENTRIES)}
    path.write_text(json.dumps(entries), encoding="utf-8")
    memory(path).put(URL, "m0", "schema", "renewed")
    memory(path).put(URL, "new", "native", "why")
    assert len(json.loads(path.read_text(encoding="utf-8"))) == MAX_ENTRIES
    assert memory(path).get(URL, "m1") is None
    assert [known.mode for name in ("m0", "m2", "new") if (known := memory(path).get(URL, name))] == [
        "schema",
        "text",
        "native",
    ]


def test_secrets_of_an_address_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    memory(path).put("https://me:hunter2@box.lan:8080/v1?key=sk-abc#x", "m", "text", "why")
    text = path.read_text(encoding="utf-8")
    assert "hunter2" not in text
    assert "sk-abc" not in text
    assert memory(path).get("https://box.lan:8080/v1", "m") is not None
    memory(path).put("local:a@b?.gguf:123", "m", "native", "why")
    assert memory(path).get("local:a@b?.gguf:123", "m") is not None
    assert memory(path).get("local:b?.gguf:123", "m") is None
    assert path.stat().st_mode & 0o077 == 0


WRITE_MANY = """
import sys
from pathlib import Path
from agentbatch.toolcalls.remembered import ToolModeMemory
for n in range(25):
    ToolModeMemory(Path(sys.argv[1])).put(sys.argv[2], f"{sys.argv[3]}{n}", "text", "why " * 20)
"""


def test_two_writers_leave_a_whole_file(tmp_path: Path) -> None:
    """One may lose what the other found out, but nobody reads half a file."""
    path = tmp_path / "x.json"
    command = [sys.executable, "-c", WRITE_MANY, str(path), URL]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    read = 0
    while [writer for writer in writers if writer.poll() is None]:
        if path.exists():
            read += bool(json.loads(path.read_text(encoding="utf-8")))
        time.sleep(0.002)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert read
    assert any(ToolModeMemory(path).get(URL, f"{name}24") is not None for name in ("a", "b"))
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache"),
        ({"HOME": "/h"}, "/h/.cache"),
    ],
)
def test_where_it_is_kept(environ: dict[str, str], folder: str) -> None:
    assert memory_file(environ) == Path(folder, "agentbatch", "tool-modes.json")
