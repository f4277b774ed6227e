"""The journal of a batch."""

import asyncio
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.journal import Done, Journal

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
    assert journal.counts() == {"pending": 0, "sent": 1, "ok": 1, "failed": 0}
    assert list(journal.answers()) == [OK.answer]
    assert journal.attempts() == 2
    journal.close()


async def test_an_attempt_is_on_its_way_to_the_disk_before_it_is_sent(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    numbers = [journal.add(f"r{i}", f"k{i}", i).n for i in range(50)]
    await asyncio.gather(*(journal.sent(n) for n in numbers))
    other = Journal(tmp_path / "j.db")  # sees what is committed
    assert other.attempts() == 50
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
    assert list(journal.answers()) == ["c", "a"]
    journal.close()
    journal = Journal(tmp_path / "j.db")
    assert list(journal.answers_of_last_session()) == ["c", "a"]
    journal.close()


async def test_failed_ones_are_listed_and_reopened(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    n = journal.add("a", "k", 0).n
    await journal.finish(n, Done(False, "{}", "HTTP 400"))
    assert journal.failed(10) == [("a", "HTTP 400")]
    assert journal.reopen("failed") == 1
    assert journal.state(n) == "pending"
    journal.close()


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    path.write_text("hello " * 100)
    with pytest.raises(UserError, match=r"j\.db is no journal"):
        Journal(path)
