"""A snapshot that is told by an earlier one is that snapshot."""

import pytest

from agentbatch.cluster.seen import NOTHING, Difference, difference, with_difference, with_kept, without
from agentbatch.cluster.wire import pack, unpack
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


def test_what_is_at_home_alone_stays_in_what_is_seen() -> None:
    stamp = SIGNATURE.pack
    there = Snapshot(
        {"a": A, "b": B}, signatures=stamp(1, 1, 1, 1_000_000_000) + stamp(2, 2, 2, 2_000_000_000)
    )
    kept = {".env": entry("key"), "az": entry("z")}
    here = with_kept(there, kept)
    assert list(here.files) == [".env", "a", "az", "b"]
    assert here.changed(here.files) == {".env": 0.0, "a": 1.0, "az": 0.0, "b": 2.0}
    assert without(here, kept).digest == there.digest
