"""Manifests as changes, and changes as bytes."""

import random
import struct

import pytest

from agentbatch.cluster.travel.manifest import UNSENT, Entry
from agentbatch.cluster.travel.records import Change, applied, between, decoded, encoded
from agentbatch.errors import UserError

FILE = Entry("file", 0o644, 3, "ab" * 32, 5)
ALL = {
    "a": FILE,
    "b": Entry("folder", 0o755, 0, ""),
    "b/c\n": Entry("link", 0, 0, "../\udce9"),
    "b/\udcff": Entry("file", 0, 0, UNSENT),
    "d": Entry("folder", 0, 0, UNSENT),
    "e": Entry("file", 0o777, 2**40, "00" * 32, -1),
}


def of_chance(chance: random.Random) -> dict[str, Entry]:
    entries = list(ALL.values())
    return {path: chance.choice(entries) for path in sorted(ALL) if chance.random() < 0.6}


def test_a_change_makes_of_the_old_the_new_however_they_differ() -> None:
    chance = random.Random(1)
    for _ in range(200):
        old, new = of_chance(chance), of_chance(chance)
        there = applied(decoded(encoded(between(old, new))), old)
        assert there == new
        assert list(there) == list(new)


def test_what_is_the_same_takes_next_to_nothing() -> None:
    assert len(encoded(between(ALL, dict(ALL)))) == 8
    assert applied(Change(), ALL) is ALL
    assert decoded(encoded(between({}, ALL))).come["e"].mtime == -1


def test_too_many_are_refused_before_they_are_read() -> None:
    with pytest.raises(UserError, match="1,000,000 are the most"):
        decoded(struct.pack("<Q", 1_000_001))


WHOLE = encoded(between({}, {"a": FILE}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WHOLE[:-1],
        WHOLE + b"x",
        WHOLE[:8] + b"?" + WHOLE[9:],
        struct.pack("<Q", 2**63) + WHOLE[8:],
        struct.pack("<Q", 2) + WHOLE[8:],
    ],
)
def test_what_cannot_be_read_is_a_sentence(data: bytes) -> None:
    with pytest.raises(UserError, match="[Aa] node"):
        decoded(data)
