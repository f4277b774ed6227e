"""A coder that has a key (without a sandbox it can read any file) prints it in other clothes: it gets no further."""

import asyncio
import base64
import binascii
import codecs
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.shell.shell import Shell
from tests.support.red_team import Attempt

KEY = "sk-proj-T3BlbkFJx9Qz7LmW2vRt5YhN8cKd0PaE4sGu6Xj1"

PRINTS = [
    Attempt("cat", "cat key"),
    Attempt("twice", "cat key key"),
    Attempt("base64", "base64 key"),
    Attempt("base64-narrow", "base64 -w 20 key"),
    Attempt("base64-of-a-header", "printf 'Authorization: Bearer %s' $(cat key) | base64 -w 0"),
    Attempt("base64-of-user-and-key", "printf 'u:%s' $(cat key) | base64 -w 0"),
    Attempt("base64-for-urls", "base64 -w 0 key | tr '+/' '-_'"),
    Attempt("backwards", "rev key"),
    Attempt("capitals", "tr a-z A-Z < key"),
    Attempt("capitals-backwards", "rev key | tr a-z A-Z"),
    Attempt("folded", "fold -w 7 key"),
    Attempt("a-letter-a-line", "fold -w 1 key"),
    Attempt("carriage-returns", "fold -w 5 key | tr '\\n' '\\r'"),
    Attempt("NUL-between", "sed 's/./&\\x00/g' key"),
    Attempt("colours-between", "sed 's/./&\\x1b[0m/g' key"),
    Attempt("a-title-inside", "sed 's/^.\\{9\\}/&\\x1b]0;t\\x07/' key"),
    Attempt("nothing-seen-between", "sed 's/./&\\xe2\\x80\\x8b/g' key"),
    Attempt("soft-hyphens", "sed 's/./&\\xc2\\xad/g' key"),
    Attempt("hexadecimal", "od -An -v -tx1 key | tr -d ' \\n'"),
    Attempt("percent", "od -An -v -tx1 key | tr -d '\\n' | tr ' ' %"),
    Attempt("C-escapes", "od -An -v -tx1 key | tr -d '\\n' | sed 's/ /\\\\x/g'"),
    Attempt("JSON-escapes", "od -An -v -tx1 key | tr -d '\\n' | sed 's/ /\\\\u00/g'"),
    Attempt("HTML-escapes", "od -An -v -tu1 key | tr -s ' ' '\\n' | sed -n 's/..*/\\&#&;/p' | tr -d '\\n'"),
    Attempt("in-a-url", "echo \"https://u:$(cat key)@host/?key=$(cat key)\""),
    Attempt("in-an-error", "cat \"/no/$(cat key)\""),
    Attempt("as-a-program", "$(cat key)"),
    Attempt("without-its-end", "head -c 44 key"),
    Attempt("without-its-beginning", "tail -c 42 key"),
    Attempt("late-in-much", "seq 1 40000; cat key; seq 1 40000"),
    Attempt("in-two-writes", "head -c 20 key; sleep 0.05; tail -c +21 key"),
]  # fmt: skip

LEFT = re.compile("[^0-9a-z]")


def readings(text: str) -> Iterator[str]:
    """As somebody would read it who looks for a key, in small letters and digits."""
    seen = LEFT.sub("", re.sub(r"\x1b\[[0-9;]*m", "", text).lower())
    yield from (seen, seen[::-1])
    escaped = re.sub(r"\\(?:x|u00)([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    for plain in (unquote(text), escaped):
        yield LEFT.sub("", plain.lower())
    packed = re.sub(r"\s", "", text).replace("-", "+").replace("_", "/")
    for word in re.findall(r"[A-Za-z0-9+/]{16,}", packed):
        for start in range(4):
            with_end = word[start:][: (len(word) - start) // 4 * 4]
            yield LEFT.sub("", base64.b64decode(with_end).decode("latin-1").lower())
    for word in re.findall(r"(?:[0-9a-f]{2}){8,}", packed):
        yield LEFT.sub("", binascii.unhexlify(word).decode("latin-1").lower())
    numbers = re.findall(r"&#(\d{2,3});", text)
    yield LEFT.sub("", "".join(chr(int(number)) for number in numbers).lower())


def shows_the_key(text: str) -> bool:
    """Twenty letters of it in a row, in any reading."""
    letters = LEFT.sub("", KEY.lower())
    pieces = [letters[at : at + 20] for at in range(len(letters) - 19)]
    return any(piece in reading for reading in readings(text) for piece in pieces)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each, and what of its whole output was kept."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "work").mkdir()
    (folder / "work/key").write_text(KEY)
    env = shell_environment({"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}, {}, ())
    found = {}
    for attempt in PRINTS:
        shell = Shell(folder / "work", Sandbox("none"), env, folder / attempt.name, Redactor([KEY]))
        done = asyncio.run(shell.run(attempt.command, 300.0))
        kept = [path.read_text(errors="replace") for path in folder.glob(f"{attempt.name}/*")]
        found[attempt.name] = "\n".join([done.output, *kept])
    return found


@pytest.mark.parametrize("attempt", PRINTS, ids=lambda a: a.name)
def test_what_a_command_prints_does_not_show_it(attempt: Attempt, printed: dict[str, str]) -> None:
    assert "[redacted]" in printed[attempt.name]
    assert not shows_the_key(printed[attempt.name]), printed[attempt.name][:300]


DRESSES = {
    "as it is": KEY,
    "capitals": KEY.upper(),
    "backwards": KEY[::-1],
    "rotated": codecs.encode(KEY, "rot13"),
    "base64": base64.b64encode(f"a:{KEY}".encode()).decode(),
    "hexadecimal": KEY.encode().hex(),
    "percent": "".join(f"%{ord(c):02X}" for c in KEY),
    "JSON": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "bells": "\a".join(KEY),
    "no width": "\u200d".join(KEY),
    "line ends": "\n".join(KEY),
    "a tab inside": KEY[:20] + "\t" + KEY[20:],
}
NOT_KNOWN = {"rotated"}
"""A cipher is no encoding: who may run programs can always find one more. Only the sandbox keeps the key away."""


@pytest.mark.parametrize("name", DRESSES)
async def test_nothing_that_a_run_keeps_shows_it(tmp_path: Path, name: str) -> None:
    """In the words of a model, of a server, of a tool: database and log."""
    said = f"It is {DRESSES[name]}, he said."
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([KEY]))
    store.emit(e.TaskQueued(task_id="t", index=0, dir="d", first_prompt=said, max_iterations=3))
    store.emit(e.TaskStarted(task_id="t"))
    store.emit(
        e.MessageAdded(task_id="t", generation=0, index=0, message={"role": "tool", "content": said, said: 1})
    )
    store.emit(e.Notice(text=store.redact(said)))  # as whoever emits one does, since a line of the log is cut
    await store.close()
    with sqlite3.connect(store.folder.database) as connection:
        rows = [
            body
            for table in ("events", "tasks", "messages")
            for (body,) in connection.execute(f"SELECT body FROM {table}")
        ]
    kept = [json.dumps(json.loads(row), ensure_ascii=False) for row in rows] + [store.folder.log.read_text()]
    assert any(map(shows_the_key, [said])) or name in NOT_KNOWN
    assert [text for text in kept if shows_the_key(text)] == []
