"""A snapshot that is told by an earlier one is that snapshot."""

import pytest

from agentbatch.cluster.exchange.snapshots import (
    NOTHING,
    Difference,
    as_kept,
    difference,
    with_difference,
    without,
)
from agentbatch.cluster.exchange.wire import pack, unpack
from agentbatch.workspace.workspace import SIGNATURE, FileEntry, Snapshot


def entry(text: str, excerpt: str = "") -> FileEntry:
    return FileEntry(f"sha of {text}", len(text), text, False, excerpt=excerpt)


A, B = entry("a"), entry("b")
ONE = Snapshot({"a": A, "b": B}, left_out={"node_modules/x/": "1"}, signatures=b"ab")


@pytest.mark.parametrize(
    ("now", "before", "sent"),
    [
        (ONE, NOTHING, {"a", "b"}),
        (ONE, ONE, set()),
        (Snapshot({"a": B, "b": B}, signatures=b"bb"), ONE, {"a"}),
        (Snapshot({"b": B}, truncated=True), ONE, set()),
        (Snapshot({"a": A, "aa": B, "b": B}, left_out_whole=False), ONE, {"aa"}),
        (Snapshot({"a": entry("a", "an excerpt"), "b": B}), ONE, {"a"}),
        (NOTHING, ONE, set()),
    ],
)
def test_only_what_differs_is_sent(now: Snapshot, before: Snapshot, sent: set[str]) -> None:
    told = unpack(pack(difference(1, "number", now, before)))
    assert isinstance(told, Difference)
    assert set(told.changed) == sent
    read = with_difference(told, before)
    assert list(read.files.items()) == list(now.files.items())
    assert [one.excerpt for one in read.files.values()] == [one.excerpt for one in now.files.values()]
    assert read.digest == now.digest
    assert (read.truncated, dict(read.left_out), read.left_out_whole, read.signatures) == (
        now.truncated,
        dict(now.left_out),
        now.left_out_whole,
        now.signatures,
    )


def test_what_is_judged_is_what_is_at_home_whatever_the_node_says() -> None:
    stamp = SIGNATURE.pack
    there = Snapshot(
        {"a": A, "b": B, "forged": A},
        signatures=stamp(1, 1, 1, 1_000_000_000) + stamp(2, 2, 2, 2_000_000_000) * 2,
    )
    kept = {".env": entry("key"), "az": entry("z")}
    home = Snapshot({".env": kept[".env"], "a": A, "az": kept["az"], "b": entry("other")}, signatures=b"x")
    here = as_kept(home, there)
    assert here.files == home.files
    assert here.changed(here.files) == {".env": 0.0, "a": 1.0, "az": 0.0, "b": 0.0}
    assert {one[:3] for one in SIGNATURE.iter_unpack(here.signatures)} == {(0, 0, 0)}, (
        "no sign of what is unchanged"
    )
    assert without(here, kept).files == {"a": A, "b": entry("other")}
