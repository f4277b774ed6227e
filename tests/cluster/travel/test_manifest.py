"""What a manifest may say, whoever wrote it."""

from dataclasses import replace

import pytest

from agentbatch.cluster.travel.manifest import (
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_PATHS,
    UNSENT,
    Entry,
    check_size,
    check_whole,
    checked,
    refusal,
)
from agentbatch.errors import UserError

FILE = Entry("file", 0o644, 1, "0a" * 32)
FOLDER = Entry("folder", 0o755, 0, "")
LINK = Entry("link", 0, 0, "target")

NOWHERE = "it is no path in a directory"
ORPHAN = "it lies in no folder of the directory"
GOOD = {"a": FOLDER, "a/b c": FOLDER, ("a/" * 2047)[:-1]: FOLDER, ("a/" * 2048)[:-1]: FOLDER, "file": FILE}
LONG = "its name is too long"
OURS = "agentbatch itself uses that name"
NOTHING = "it is said to be no file, link or folder"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a", ""),
        ("a/b c/ä\n\x1b[0m", ""),
        ("\udcff\udc80", ""),
        ("...", ""),
        ("~", ""),
        (".git", ""),
        ("", NOWHERE),
        ("/etc/passwd", ORPHAN),
        ("/passwd", ORPHAN),
        ("file/x", ORPHAN),
        ("..", NOWHERE),
        ("a/..", NOWHERE),
        ("a/../../b", ORPHAN),
        ("./a", ORPHAN),
        (".", NOWHERE),
        ("a//b", ORPHAN),
        ("a/", NOWHERE),
        ("a\0b", NOWHERE),
        ("a\0/b", ORPHAN),
        ("\ud800", "its name is none that a file can have"),
        ("ä" * 127, ""),
        ("ä" * 128, LONG),
        ("a/" * 2047 + "b", ""),
        ("a/" * 2048 + "b", LONG),
        (".agentbatch", OURS),
        ("a/.AgentBatch", OURS),
        (".agentbatch/runs", ORPHAN),
        (".agentbatch-0123456789abcdef", OURS),
        (".agentbatch-notes", ""),
    ],
)
def test_a_path_stays_in_the_directory(path: str, why: str) -> None:
    assert refusal(path, FILE, GOOD) == why


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (FILE, ""),
        (replace(FILE, digest=UNSENT), ""),
        (replace(FILE, digest="0A" * 32), NOTHING),
        (replace(FILE, digest=""), NOTHING),
        (replace(FILE, digest="../" * 21 + "x"), NOTHING),
        (replace(FILE, size=-1), NOTHING),
        (FOLDER, ""),
        (replace(FOLDER, digest=UNSENT), ""),
        (replace(FOLDER, digest="x"), NOTHING),
        (LINK, ""),
        (replace(LINK, digest="../\udcff\n"), ""),
        (replace(LINK, digest=""), NOTHING),
        (replace(LINK, digest="a\0b"), NOTHING),
        (replace(LINK, digest="\ud800"), NOTHING),
        (replace(LINK, digest="a" * 4096), NOTHING),
        (replace(LINK, kind="socket"), NOTHING),  # type: ignore[arg-type]
    ],
)
def test_an_entry_is_a_file_a_link_or_a_folder(entry: Entry, why: str) -> None:
    assert refusal("a", entry, {}) == why


@pytest.mark.parametrize(
    ("manifest", "folds", "good"),
    [
        ({"a": FOLDER, "a/b": FOLDER, "a/b/c": FILE}, False, ["a", "a/b", "a/b/c"]),
        ({"a/b": FILE}, False, []),
        ({"a": FILE, "a/b": FILE}, False, ["a"]),
        ({"a": LINK, "a/b": FOLDER, "a/b/c": FILE}, False, ["a"]),
        ({"..": FOLDER, "../b": FILE}, False, []),
        ({"README": FILE, "readme": FILE}, False, ["README", "readme"]),
        ({"README": FILE, "readme": FILE}, True, ["README"]),
        ({"A": FOLDER, "A/x": FILE, "a": FOLDER, "a/y": FILE}, True, ["A", "A/x"]),
        ({"e\u0301": FILE, "\u00e9": FILE, "straße": FILE, "STRASSE": FILE}, True, ["STRASSE", "e\u0301"]),
    ],
)
def test_what_cannot_be_is_named_and_the_rest_comes(
    manifest: dict[str, Entry], folds: bool, good: list[str]
) -> None:
    found, problems = checked(manifest, folds=folds)
    assert list(found) == good
    assert len(problems) == len(manifest) - len(good)
    assert all(problem.endswith(".") and "\n" not in problem for problem in problems)


@pytest.mark.parametrize(
    ("entries", "paths", "size"), [(MAX_ENTRIES + 1, 0, 0), (0, MAX_PATHS + 1, 0), (0, 0, MAX_BYTES + 1)]
)
def test_too_much_is_refused(entries: int, paths: int, size: int) -> None:
    check_size(MAX_ENTRIES, MAX_PATHS, MAX_BYTES)
    with pytest.raises(UserError, match="are the most that travel"):
        check_size(entries, paths, size)


def test_sizes_are_added_up_before_anything_is_done_for_them() -> None:
    half = replace(FILE, size=MAX_BYTES // 2)
    check_whole({"a": half, "b": half, "c": replace(half, digest=UNSENT)})
    with pytest.raises(UserError, match=r"bytes, and 17,179,869,184 are the most"):
        check_whole({"a": half, "b": half, "c": FILE})
