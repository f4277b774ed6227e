"""A fresh isolated directory: what is known of it without reading is what is there; what is changed later is seen."""

import os
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.signatures import Signature, again
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.begun import untouched
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir, find_isolated_dir
from agentbatch.workspace.isolation.isolation import Isolation
from agentbatch.workspace.workspace import SIGNATURE, FileEntry, Snapshot
from tests.workspace.repositories import branches, environment, git, make_repository, needs_git

pytestmark = needs_git

FILES = {
    "a.txt": "a\n",
    "sub/b.txt": "b\n",
    "sub/c.crlf": "1\n2\n",
    "sub/id.txt": "$Id$\n",
    "odd ünï\nname": "x\n",
    ".gitattributes": "*.crlf text eol=crlf\nsub/id.txt ident\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = make_repository(tmp_path / "repository", FILES)
    (place / "run.sh").write_text("true\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("a.txt")
    git(place, "add", "-A")
    git(place, "commit", "--quiet", "-m", "second")
    return place


@pytest.fixture
def contents() -> Contents:
    return Contents()


@pytest.fixture
def places(tmp_path: Path, contents: Contents) -> Isolation:
    return Isolation("r1", environment(tmp_path / "home"), contents=contents)


async def made(places: Isolation, kind: str, source: Path, name: str) -> tuple[IsolatedDir, Snapshot]:
    folder = source.parent / "runs" / name / "work"
    place = await places.make("copy" if kind == "copy" else "worktree", source, folder, task_id=name)
    assert place.begun is not None
    return place, place.begun


@pytest.mark.parametrize("kind", ["worktree", "copy"])
@pytest.mark.parametrize("inside", [".", "sub"])
async def test_it_is_what_reading_all_of_it_shows(
    places: Isolation, repository: Path, kind: str, inside: str
) -> None:
    kept = [await made(places, kind, repository / inside, f"t{number}") for number in range(3)]
    for place, begun in kept:
        whole = take_snapshot(place.root)
        assert begun.files == whole.files
        assert [entry.script for entry in begun.files.values()] == [e.script for e in whole.files.values()]
    first, second = kept[0][1].files, kept[2][1].files
    shared = "b.txt" if inside == "sub" else "a.txt"
    assert first[shared] is second[shared]


async def test_what_git_converts_is_not_taken_for_what_git_keeps(
    places: Isolation, repository: Path, tmp_path: Path
) -> None:
    """Not even where another file has the same blob, and the size stays."""
    (repository / "sub/said.txt").write_text("a\n")
    (repository / ".gitattributes").write_text(FILES[".gitattributes"] + "sub/said.txt filter=said\n")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "-m", "third")
    said, home = tmp_path / "said", tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "said"]\n\tclean = echo a\n\tsmudge = cat {said}\n')
    for number, word in enumerate(("1\n", "2\n", "3\n")):
        said.write_text(word)
        _, begun = await made(places, "worktree", repository, f"t{number}")
        assert begun.files["sub/said.txt"].text == word
        assert begun.files["sub/c.crlf"].text == "1\r\n2\r\n"
        assert begun.files["a.txt"].text == "a\n"


async def test_a_worktree_is_known_by_its_commit(places: Isolation, repository: Path) -> None:
    """The user commits in between, and goes back: what is known of one commit is not taken for another's."""
    texts = []
    for number, text in enumerate(("a\n", "b\n", "a\n")):
        (repository / "a.txt").write_text(text)
        git(repository, "commit", "--quiet", "--allow-empty", "-a", "-m", "next")
        place, begun = await made(places, "worktree", repository, f"t{number}")
        assert begun.files == take_snapshot(place.root).files
        texts.append(begun.files["a.txt"].text)
    assert texts == ["a\n", "b\n", "a\n"]


@pytest.mark.parametrize("kind", ["worktree", "copy"])
async def test_no_time_that_can_be_set_hides_a_change(places: Isolation, repository: Path, kind: str) -> None:
    """The size stays as well."""
    _, before = await made(places, kind, repository, "t1")
    place, begun = await made(places, kind, repository, "t2")
    for name in ("a.txt", "sub/b.txt"):
        was = (place.root / name).stat()
        (place.root / name).write_text("x\n")
        os.utime(place.root / name, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert begun.files["a.txt"] is before.files["a.txt"]
    found = changes(begun, take_snapshot(place.root, begun))
    assert found.modified == ("a.txt", "sub/b.txt")


def test_only_what_nobody_touched_while_it_was_copied_is_known() -> None:
    """Another signature with the same content: it was something else in between, and may have been copied then."""
    entry = FileEntry("1", 1, "x", False)
    signatures = {
        "same": (1, 2, 3, 4),
        "back": (1, 2, 3, 4),
        "racy": again((1, 2, 3, 4)),
        "gone": (1, 2, 3, 4),
    }

    def seen(given: dict[str, Signature]) -> Snapshot:
        packed = b"".join(SIGNATURE.pack(*signature) for signature in given.values())
        return Snapshot(dict.fromkeys(given, entry), signatures=packed)

    later = {**signatures, "back": (1, 2, 3, 5), "new": (1, 2, 3, 4)}
    del later["gone"]
    assert untouched(seen(signatures), seen(later)) == {"same": entry}
    assert untouched(Snapshot({"same": entry}), seen(later)) == {}


async def test_a_copy_of_what_has_changed_meanwhile_has_the_change(
    places: Isolation, repository: Path
) -> None:
    held, _ = await made(places, "copy", repository, "t1")
    was = (repository / "a.txt").stat()
    (repository / "a.txt").write_text("x\n")
    os.utime(repository / "a.txt", ns=(was.st_atime_ns, was.st_mtime_ns))
    _, begun = await made(places, "copy", repository, "t2")
    assert (begun.files["a.txt"].text, held.begun and held.begun.files["a.txt"].text) == ("x\n", "a\n")


async def test_a_worktree_that_cannot_be_made_leaves_nothing_behind(
    places: Isolation, repository: Path
) -> None:
    """An object of the repository is lost: git checks the others out, and gives up."""
    blob = git(repository, "rev-parse", "HEAD:sub/b.txt")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    folder = repository.parent / "runs/t/work"
    for _ in range(2):
        with pytest.raises(UserError, match="git reset failed"):
            await places.make("worktree", repository, folder, task_id="t")
        assert find_isolated_dir(folder) is None
        assert [path.name for path in folder.rglob("*") if path.is_file()] == ["place.json"]
        assert not (repository / ".git/worktrees").exists()
        assert branches(repository) == []
