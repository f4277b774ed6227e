"""Of a completed task's worktree, the branch gets what was judged and nothing else."""

from pathlib import Path

import pytest

from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.isolation import Isolation
from agentbatch.workspace.isolation.worktree.judged import Judged, WorkAltered
from agentbatch.workspace.workspace import Snapshot
from tests.workspace.repositories import branches, environment, git, make_repository, needs_git

pytestmark = needs_git

BASE = {"a.txt": "a\n", "gone.txt": "x\n", "other.txt": "o\n", "lib/a/b.txt": "b\n", ".tox/kept.txt": "k\n"}


@pytest.fixture
def places(tmp_path: Path) -> Isolation:
    return Isolation("r", environment(tmp_path / "home"))


@pytest.fixture
async def place(tmp_path: Path, places: Isolation) -> IsolatedDir:
    repository = make_repository(tmp_path / "repo", BASE)
    return await places.make("worktree", repository, tmp_path / "work", task_id="t")


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def work(place: IsolatedDir, files: dict[str, str]) -> Judged:
    before = take_snapshot(place.root)
    write(place.root, files)
    (place.root / "gone.txt").unlink()
    return Judged(place.root, before, take_snapshot(place.root))


def committed(place: IsolatedDir) -> dict[str, str]:
    names = git(place.source, "ls-tree", "-r", "-z", "--name-only", place.branch).split("\0")
    return {name: f"{git(place.source, 'show', f'{place.branch}:{name}')}\n" for name in names if name}


async def test_nothing_else_is_committed(place: IsolatedDir, places: Isolation) -> None:
    made = {"a.txt": "changed\n", "new ünï\t.py": "1\n"}
    judged = work(place, made)
    late = {
        "late.txt": "late\n",
        "other.txt": "late\n",
        "lib/a/b.txt": "late\n",
        ".tox/kept.txt": "unseen\n",
        "node_modules/x/index.js": "",
        "__pycache__/a.pyc": "",
        "b.pyc": "",
    }
    write(place.root, late)
    kept = await places.keep(place, "m", judged)
    expected = {name: text for name, text in BASE.items() if name != "gone.txt"} | made
    assert committed(place) == expected
    assert not kept.whole
    (note,) = kept.notes
    assert (
        "Not committed, because it is no part of what was judged: .tox/kept.txt, late.txt, lib/a/b.txt"
        in note
    )
    assert ".pyc" not in note
    assert "node_modules" not in note
    assert (await places.keep(place, "again", judged)).commit == kept.commit


async def test_caches_alone_do_not_hold_the_place(place: IsolatedDir, places: Isolation) -> None:
    judged = work(place, {"new.py": "1\n", "__pycache__/new.pyc": "", ".venv/bin/python": ""})
    kept = await places.keep(place, "m", judged)
    assert (kept.whole, kept.notes) == (True, ())
    assert "new.py" in committed(place)
    assert not [name for name in committed(place) if "pyc" in name or "venv" in name]


async def test_a_file_in_a_folders_place_and_a_folder_in_a_files(
    place: IsolatedDir, places: Isolation
) -> None:
    before = take_snapshot(place.root)
    (place.root / "lib/a/b.txt").unlink()
    (place.root / "lib/a").rmdir()
    (place.root / "a.txt").unlink()
    write(place.root, {"lib/a": "a file\n", "a.txt/inner": "i\n"})
    judged = Judged(place.root, before, take_snapshot(place.root))
    (place.root / "other.txt").unlink()
    write(place.root, {"other.txt/late": "late\n"})
    await places.keep(place, "m", judged)
    found = committed(place)
    assert (found["lib/a"], found["a.txt/inner"], found["other.txt"]) == ("a file\n", "i\n", "o\n")
    assert "other.txt/late" not in found


@pytest.mark.parametrize("spoil", ["changed", "deleted", "back again"])
async def test_work_that_has_changed_since_is_not_committed(
    place: IsolatedDir, places: Isolation, spoil: str
) -> None:
    judged = work(place, {"new.py": "1\n"})
    match spoil:
        case "changed":
            write(place.root, {"new.py": "2\n"})
        case "deleted":
            (place.root / "new.py").unlink()
        case "back again":
            write(place.root, {"gone.txt": "x\n"})
    name = "gone.txt" if spoil == "back again" else "new.py"
    with pytest.raises(WorkAltered, match=f"Changed after it was judged.*: {name}"):
        await places.keep(place, "m", judged)
    assert git(place.source, "rev-parse", place.branch) == git(place.source, "rev-parse", "main")
    assert (await places.keep(place, "m")).whole, "what was not judged is kept as a failed task's work"


async def test_of_too_many_files_to_compare_all_are_kept(place: IsolatedDir, places: Isolation) -> None:
    work(place, {"new.py": "1\n"})
    some = Judged(place.root, Snapshot({}, truncated=True), Snapshot({}, truncated=True))
    assert (await places.keep(place, "m", some)).whole
    assert "new.py" in committed(place)


async def test_of_a_folder_in_the_repository_only_that_is_committed(
    tmp_path: Path, places: Isolation
) -> None:
    repository = make_repository(tmp_path / "repo", {"one/a.txt": "a\n", "two/b.txt": "b\n"})
    place = await places.make("worktree", repository / "one", tmp_path / "work", task_id="t")
    before = take_snapshot(place.root)
    write(place.root, {"a.txt": "new\n", "../two/b.txt": "unseen\n"})
    kept = await places.keep(place, "m", Judged(place.root, before, take_snapshot(place.root)))
    found = {name: git(repository, "show", f"{place.branch}:{name}") for name in ("one/a.txt", "two/b.txt")}
    assert found == {"one/a.txt": "new", "two/b.txt": "b"}
    assert not kept.whole
    assert branches(repository) == [place.branch]


async def test_a_rule_of_the_work_keeps_no_judged_file_away(tmp_path: Path, places: Isolation) -> None:
    files = {**BASE, ".gitignore": "*.log\nbuild/\n", "lib/.gitignore": "*.tmp\n"}
    place = await places.make(
        "worktree", make_repository(tmp_path / "repo", files), tmp_path / "work", task_id="t"
    )
    made = {"prog.py": "8\n", "a.log": "", "build/x": "", "lib/a.tmp": "", "sub/b c.py": "9\n"}
    judged = work(place, {".gitignore": "*.log\nbuild/\n*.py\n", "sub/.gitignore": "*\n", **made})
    await places.keep(place, "m", judged)
    found = committed(place)
    assert {name for name in found if name not in files} == {"prog.py", "sub/b c.py", "sub/.gitignore"}
    assert found["prog.py"] == "8\n"


async def test_attributes_of_the_work_change_no_judged_byte(place: IsolatedDir, places: Isolation) -> None:
    made = {
        ".gitattributes": "*.txt text eol=crlf\n*.u working-tree-encoding=UTF-16LE\n",
        "new.txt": "1\r\n2\r\n",
        "a.txt": "3\r\n",
        "a.u": "x",
        "b.bin": "4\r\n",
    }
    before = take_snapshot(place.root)
    for name, text in made.items():
        (place.root / name).write_bytes(text.encode("utf-16le" if name == "a.u" else "utf-8"))
    await places.keep(place, "m", Judged(place.root, before, take_snapshot(place.root)))

    def blob(name: str) -> str:
        return git(place.source, "rev-parse", f"{place.branch}:{name}")

    for name in made:
        file = str(place.root / name)
        assert blob(name) == git(place.source, "hash-object", "--no-filters", file), name


async def test_a_repository_in_capitals_is_no_change(place: IsolatedDir, places: Isolation) -> None:
    judged = work(place, {"sub/.GIT/config": "[core]\n", "b.txt": "b\n"})
    await places.keep(place, "m", judged)
    assert committed(place)["b.txt"] == "b\n"


async def set_up(place: IsolatedDir, accepted: bool) -> Judged:
    """Setup has made, changed and deleted something; then work was done."""
    write(place.root, {"built.txt": "1\n", "a.txt": "of setup\n", "dist/x": "1\n", "dist/y": "1\n"})
    write(place.root, {"node_modules/x/index.js": "1\n", "lock": "of setup\n", "ignored/x": "1\n"})
    write(place.root, {".gitignore": "ignored\n"})
    (place.root / "gone.txt").unlink()
    before = take_snapshot(place.root, left_out=True)
    write(place.root, {"new.py": "1\n", "lock": "of the work\n", "dist/y": "2\n", ".next/cache": "1\n"})
    write(place.root, {"node_modules/y.js": "1\n", "other.txt": "2\n"})
    return Judged(place.root, before, take_snapshot(place.root, left_out=True), accepted)


@pytest.mark.parametrize("accepted", [True, False])
async def test_what_the_work_began_with_is_no_part_of_it(
    place: IsolatedDir, places: Isolation, accepted: bool
) -> None:
    kept = await places.keep(place, "m", await set_up(place, accepted))
    work = {"new.py": "1\n", "lock": "of the work\n", "dist/y": "2\n", "other.txt": "2\n"}
    assert committed(place) == BASE | work | ({} if accepted else {".next/cache": "1\n"})
    assert (kept.whole, kept.notes) == (True, ())


async def test_where_the_beginning_is_not_known_all_is_kept(place: IsolatedDir, places: Isolation) -> None:
    judged = await set_up(place, accepted=False)
    await places.keep(place, "m", Judged(judged.root, Snapshot({}), judged.after, accepted=False))
    assert {"built.txt", "node_modules/x/index.js"} <= committed(place).keys()
    assert "gone.txt" not in committed(place)


async def test_what_setup_made_and_has_changed_since_the_judgement_holds_the_place(
    place: IsolatedDir, places: Isolation
) -> None:
    judged = await set_up(place, accepted=True)
    write(place.root, {"built.txt": "late\n", "ignored/x": "late\n"})
    kept = await places.keep(place, "m", judged)
    assert not kept.whole
    assert ["ignored/" in kept.notes[0], "built.txt" in kept.notes[1]] == [True, True]
