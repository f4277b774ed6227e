import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.control.commands import NO_ENGINE, OVER, SAID, Answer, CommandQueue, await_answer, post
from agentbatch.runs.folder import RunFolder, create_run_folder, holder
from agentbatch.runs.store.database import create_database


@pytest.fixture
def database(tmp_path: Path) -> Path:
    create_database(tmp_path / "run.db")
    return tmp_path / "run.db"


def insert(database: Path, name: object, arguments: object) -> None:
    """As a process would that is none of ours."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO commands (ts, name, arguments) VALUES (0, ?, ?)", (name, arguments))
        connection.commit()


def test_a_command_is_seen_once_in_order_and_answered(database: Path) -> None:
    with closing(CommandQueue(database)) as queue:
        first = post(database, "cancel", {"task": "做 \ud800"})
        second = post(database, "stop", {})
        seen = queue.new()
        assert [(c.id, c.name) for c in seen] == [(first, "cancel"), (second, "stop")]
        assert json.loads(seen[0].arguments) == {"task": "做 \ud800"}
        assert queue.new() == []
        queue.answer(first, Answer(True, "Done: 做"))
        assert await_answer(database, first, lambda: True, 5) == Answer(True, "Done: 做")
        assert await_answer(database, second, lambda: True, 0) is None


def test_more_commands_than_one_look_takes_are_not_lost(database: Path) -> None:
    with closing(CommandQueue(database)) as queue:
        for _ in range(120):
            insert(database, "stop", "{}")
        assert [c.id for c in [*queue.new(), *queue.new()]] == list(range(1, 121))


def test_what_was_asked_of_an_engine_that_is_gone_is_refused_not_done(database: Path) -> None:
    answered, left = post(database, "pause", {}), post(database, "stop", {})
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "UPDATE commands SET answer = ? WHERE id = ?", ('{"ok": true, "text": "t"}', answered)
        )
        connection.commit()
    with closing(CommandQueue(database)) as queue:
        assert queue.new() == []
        assert await_answer(database, left, lambda: True, 5) == Answer(False, NO_ENGINE)
        assert await_answer(database, answered, lambda: True, 5) == Answer(True, "t")
        late = post(database, "stop", {})
    assert await_answer(database, late, lambda: False, 5) == Answer(False, OVER)


@pytest.mark.parametrize(
    ("arguments", "stored", "answered"),
    [
        ({"token": "t1"}, ["t1"], Answer(True, SAID)),
        ({"token": "t1"}, [], Answer(False, NO_ENGINE)),
        ({"token": "t1"}, ["t2"], Answer(False, NO_ENGINE)),
        ({"token": ""}, [""], Answer(False, NO_ENGINE)),
        ({}, [""], Answer(False, NO_ENGINE)),
    ],
    ids=["stored", "not stored", "another", "no token", "nothing"],
)
def test_what_a_kill_left_said_and_unanswered_is_no_refusal(
    database: Path, arguments: dict[str, str], stored: list[str], answered: Answer
) -> None:
    """The event is stored before the answer: whoever was told that it failed would say it again."""
    command = post(database, "say", arguments)
    insert(database, "say", b"\xff[")
    with closing(sqlite3.connect(database)) as connection:
        for token in stored:
            body = json.dumps({"token": token})
            connection.execute("INSERT INTO events (ts, type, body) VALUES (0, 'user_said', ?)", (body,))
        connection.commit()
    CommandQueue(database).close()
    assert await_answer(database, command, lambda: False, 0) == answered


def test_keys_do_not_stay_in_what_was_asked_for(database: Path) -> None:
    key = "sk-0123456789abcdef"
    before = post(database, "say", {"text": f"use {key}"})
    with closing(CommandQueue(database, Redactor([key]))) as queue:
        after = post(database, "say", {"text": f"use {key}, 做"})
        assert [key in command.arguments for command in queue.new()] == [True]
        queue.answer(after, Answer(True, "done"))
    with closing(sqlite3.connect(database)) as connection:
        rows = dict(connection.execute("SELECT id, arguments FROM commands"))
    assert [json.loads(rows[one])["text"] for one in (before, after)] == [
        "use [redacted]",
        "use [redacted], 做",
    ]


def test_waiting_ends_with_the_engine(database: Path) -> None:
    command = post(database, "stop", {})
    lives = iter([True, True, False])
    assert await_answer(database, command, lambda: next(lives), 600) is None


def test_waiting_ends_when_an_engine_process_dies(tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, datetime(2026, 1, 2))
    create_database(folder.database)
    engine = subprocess.Popen([sys.executable, "-c", HOLD_AND_DIE, str(folder.path)], stdout=subprocess.PIPE)
    assert engine.stdout is not None
    assert engine.stdout.readline() == b"locked\n"
    command = post(folder.database, "stop", {})
    answer = await_answer(folder.database, command, lambda: bool(holder(folder)), 600)
    engine.communicate()
    assert answer is None


HOLD_AND_DIE = """
import os, signal, sys, time
from pathlib import Path
from agentbatch.runs.folder import RunFolder
RunFolder(Path(sys.argv[1])).lock()
print("locked", flush=True)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_of_strangers_come_out_as_text(database: Path) -> None:
    with closing(CommandQueue(database)) as queue:
        insert(database, b"\xff\x00stop", b"\xfe{")
        insert(database, 7, 3.5)
        insert(database, "n" * 5_000, "a" * 1_000_000)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(
                "INSERT INTO commands (ts, name, arguments) VALUES (0, CAST(x'ff61' AS TEXT), '')"
            )
            connection.commit()
        seen = queue.new()
    assert [(c.name[:5], c.arguments[:5]) for c in seen] == [
        ("\ufffd\0sto", "\ufffd{"),
        ("7", "3.5"),
        ("nnnnn", "aaaaa"),
        ("\ufffda", ""),
    ]
    assert len(seen[2].name) == 100
    assert len(seen[2].arguments) == 100_000


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"ok": 1}', "[" * 100_000],
    ids=["empty", "list", "null", "cut", "half", "deep"],
)
def test_an_answer_that_makes_no_sense_is_a_refusal(database: Path, text: str) -> None:
    command = post(database, "stop", {})
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE commands SET answer = ?", (text,))
        connection.commit()
    answer = await_answer(database, command, lambda: True, 5)
    assert answer is not None
    assert not answer.ok


def test_while_another_process_writes_the_engine_does_not_wait_long_and_answers_later(database: Path) -> None:
    with closing(CommandQueue(database)) as queue:
        command = post(database, "stop", {})
        queue.new()
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            queue.answer(command, Answer(True, "done"))
            assert await_answer(database, command, lambda: True, 0) is None
            other.execute("ROLLBACK")
        queue.new()
        assert await_answer(database, command, lambda: True, 0) == Answer(True, "done")


def test_a_look_costs_microseconds(database: Path) -> None:
    """Four looks a second take nothing from a loop at work; also with many commands behind, and events ahead."""
    with closing(CommandQueue(database)) as queue:
        for _ in range(200):
            insert(database, "stop", "{}")
        while queue.new():
            pass
        looks = []
        for _ in range(200):
            began = time.perf_counter()
            queue.new()
            looks.append(time.perf_counter() - began)
        assert median(looks) < 0.005  # some 10 µs; a scan of a big table or a wait is more


def test_a_file_that_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.db").write_text("hello")
    for path in (tmp_path / "run.db", tmp_path / "none.db"):
        with pytest.raises(UserError, match=path.name):
            post(path, "stop", {})
    assert not (tmp_path / "none.db").exists()
    assert RunFolder(tmp_path).database.read_text() == "hello"
