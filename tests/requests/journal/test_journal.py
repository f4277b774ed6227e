"""The journal of a batch."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.journal.journal import Done, Journal

OK = Done(True, '{"answer": 1}', "", 10, 5, 0.5)


async def test_what_was_answered_is_known_in_the_next_session(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    a, b = journal.add("a", "k1", 0), journal.add("b", "k2", 1)
    assert (a.news, b.news) == ("new", "new")
    await journal.sent(a.n)
    await journal.sent(b.n)
    await journal.finish(a.n, OK)
    journal.close()
    journal = Journal(path)
    assert journal.add("a", "k1", 0)[1:3] == ("known", "ok")
    assert journal.add("b", "k2", 1)[1:3] == ("known", "sent")  # it may have been paid
    assert journal.counts_since(0) == {"pending": 0, "sent": 1, "ok": 1, "failed": 0}
    assert list(journal.answers_since(journal.session)) == [OK.answer]
    assert journal.spent().attempts == 2
    journal.close()


async def test_an_attempt_is_on_its_way_to_the_disk_before_it_is_sent(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    numbers = [journal.add(f"r{i}", f"k{i}", i).n for i in range(50)]
    await asyncio.gather(*(journal.sent(n) for n in numbers))
    other = Journal(tmp_path / "j.db")  # sees what is committed
    assert other.spent().attempts == 50
    other.close()
    journal.close()


async def test_the_same_id_with_another_body_is_asked_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    n = journal.add("a", "k1", 0).n
    await journal.finish(n, OK)
    journal.close()
    journal = Journal(tmp_path / "j.db")
    assert journal.add("a", "k9", 0)[:3] == (n, "changed", "pending")
    assert journal.answer(n) is None
    journal.close()


async def test_equal_questions_are_asked_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    a, b, c = (journal.add(name, "k", place) for place, name in enumerate("abc"))
    assert (a.leader, b.leader, c.leader) == (None, a.n, a.n)
    assert [f.id for f in await journal.finish(a.n, OK)] == ["b", "c"]
    journal.close()
    each = Journal(tmp_path / "each.db", dedupe=False)
    assert [each.add(name, "k", place).leader for place, name in enumerate("abc")] == [None] * 3
    each.close()


async def test_when_a_leader_changes_another_takes_its_place(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    for place, name in enumerate("abc"):
        journal.add(name, "k", place)
    journal.close()
    journal = Journal(tmp_path / "j.db")
    journal.add("a", "other", 0)
    assert journal.add("b", "k", 1).leader is None
    assert journal.add("c", "k", 2).leader == 1
    journal.close()


def test_an_id_twice_in_one_session(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    journal.add("a", "k", 0)
    assert journal.add("a", "k", 1).news == "duplicate"
    journal.close()


async def test_answers_come_in_the_order_of_the_input_and_only_of_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    for place, name in enumerate("abc"):
        n = journal.add(name, name, place).n
        await journal.finish(n, Done(True, name, ""))
    journal.close()
    journal = Journal(tmp_path / "j.db")
    for place, name in enumerate("ca"):  # b is not asked for any more
        journal.add(name, name, place)
    assert list(journal.answers_since(journal.session)) == ["c", "a"]
    journal.close()
    journal = Journal(tmp_path / "j.db")
    assert list(journal.answers_since(journal.session - 1)) == ["c", "a"]
    journal.close()


async def test_failed_ones_are_listed_and_reopened(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    n = journal.add("a", "k", 0).n
    await journal.finish(n, Done(False, "{}", "HTTP 400"))
    assert journal.state(n) == "failed"
    assert journal.reopen("failed") == 1
    assert journal.state(n) == "pending"
    journal.close()


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    path.write_text("hello " * 100)
    with pytest.raises(UserError, match=r"j\.db is not a journal"):
        Journal(path)


def test_a_file_that_a_kill_left_with_nothing_in_it_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert path.stat().st_size > 0
    journal = Journal(path)
    assert journal.add("a", "k1", 0).news == "new"
    journal.close()


def test_who_does_not_dedupe_asks_for_each_though_it_was_deduped_before(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    for place, name in enumerate("abc"):
        journal.add(name, "k", place)
    journal.close()
    journal = Journal(path, dedupe=False)
    assert [journal.add(name, "k", place).leader for place, name in enumerate("abc")] == [None] * 3
    journal.close()
    journal = Journal(path, dedupe=False)  # and that is kept
    assert [journal.add(name, "k", place).leader for place, name in enumerate("cba")] == [None] * 3
    journal.close()


async def test_who_does_not_dedupe_keeps_the_answers_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    a, b = journal.add("a", "k", 0), journal.add("b", "k", 1)
    assert [follower.id for follower in await journal.finish(a.n, OK)] == ["b"]
    await journal.finish(b.n, OK)
    journal.close()
    journal = Journal(path, dedupe=False)
    assert journal.add("b", "k", 0).state == "ok"
    assert journal.add("a", "k", 1).state == "ok"
    journal.close()


async def test_nobody_follows_where_nothing_is_deduped_any_more(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    journal.add("a", "k", 0)
    journal.add("b", "k", 1)
    journal.close()
    journal = Journal(path, dedupe=False)
    a, _ = journal.add("a", "k", 0), journal.add("b", "k", 1)
    assert await journal.finish(a.n, OK) == []
    journal.close()


LONG = "x" * 200_000

WRITES: list[Callable[[Journal], Any]] = [
    lambda journal: journal.add(LONG, "k", 9),
    lambda journal: journal.add("a", LONG, 0),
    lambda journal: journal.finish(0, OK._replace(answer=LONG)),
    lambda journal: journal.put("note", LONG),
]


@pytest.mark.parametrize("write", WRITES, ids=["add", "change", "finish", "put"])
async def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, write: Callable[[Journal], Any]) -> None:
    with closing(Journal(tmp_path / "j.db")) as journal:
        journal.add("a", "k", 0)
        journal.commit()
        (pages,) = journal.connection.execute("PRAGMA page_count").fetchone()
        journal.connection.execute(f"PRAGMA max_page_count = {pages}")
        journal._session += 1  # as if another session had seen it
        with pytest.raises(OSError, match=r"The journal .*j\.db cannot be written: database or disk is full"):
            if (written := write(journal)) is not None:
                await written


LOCKED: list[Callable[[Journal], Any]] = [
    lambda journal: journal.add("b", "k", 1),
    lambda journal: journal.sent(0),
    lambda journal: journal.finish(0, OK),
    lambda journal: journal.charge(0, 1, 1, 0.5),
    lambda journal: journal.reopen("sent"),
    lambda journal: journal.put("note", "x"),
]


@pytest.mark.parametrize("write", LOCKED, ids=["add", "sent", "finish", "charge", "reopen", "put"])
async def test_a_locked_file_is_told_in_a_sentence(tmp_path: Path, write: Callable[[Journal], Any]) -> None:
    path = tmp_path / "j.db"
    with closing(Journal(path)) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        journal.add("a", "k", 0)
        journal.commit()
        journal.connection.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match=r"The journal .*j\.db cannot be written: database is locked"):
            if (written := write(journal)) is not None:
                await written
        other.execute("ROLLBACK")


async def test_a_known_cost_after_an_unknown_one_leaves_the_sum_unknown(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    n = journal.add("a", "k", 0).n
    await journal.finish(n, Done(False, "{}", "HTTP 500", 10, 5, None))
    journal.reopen("failed")
    await journal.finish(n, Done(True, "{}", "", 10, 5, 0.25))
    assert journal.spent().cost is None
    other = journal.add("b", "l", 1).n
    await journal.finish(other, Done(True, "{}", "", 10, 5, 0.25))
    assert journal.spent().input == 30
    journal.close()
