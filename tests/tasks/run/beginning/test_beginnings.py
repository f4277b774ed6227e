"""Beginnings of many tasks on disk: what they have in common once, for as long as one needs it."""

import json
from pathlib import Path

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.tasks.run.beginning.baseline import GROUNDS, NAME, Baseline
from agentbatch.tasks.run.beginning.beginnings import FEW, Beginnings
from agentbatch.workspace.workspace import FileEntry, Protected, ProtectedFile, Snapshot

PROTECTED = Protected(("f1",), {"f1": ProtectedFile(b"\xff", 420)})
KEY = "häß-secret-key-123"


def repository(**others: str | None) -> Snapshot:
    """More files than stand for themselves, and `others`; None: without this one."""
    texts: dict[str, str | None] = {f"f{number}": f"{number} {KEY}\n" for number in range(FEW + 100)}
    files = {
        path: FileEntry(f"{path}{text}", len(text), text, False)
        for path, text in {**texts, **others}.items()
        if text is not None
    }
    return Snapshot(dict(sorted(files.items())), left_out={"node_modules/": "1"}, left_out_whole=False)


def grounds(folder: RunFolder) -> list[Path]:
    return sorted((folder.path / GROUNDS).glob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs/r1")


def opened(folder: RunFolder) -> Beginnings:
    return Beginnings(folder, Redactor([KEY]))


def told(snapshot: Snapshot) -> tuple[object, ...]:
    texts = {path: (entry.text or "").replace(KEY, "[redacted]") for path, entry in snapshot.files.items()}
    return (
        list(texts.items()),
        snapshot.digest,
        snapshot.left_out,
        snapshot.left_out_whole,
        snapshot.truncated,
    )


async def test_what_tasks_have_in_common_is_there_once_and_each_comes_back_as_it_was(
    folder: RunFolder,
) -> None:
    given = {
        "a": Baseline(repository()),
        "b": Baseline(repository(a_new_one="x", f7=None, f8="changed\n"), PROTECTED),
        "c": Baseline(repository(f9="another\n")),
    }
    first = opened(folder)
    for task_id, baseline in given.items():
        await first.save(task_id, baseline)
    assert len(grounds(folder)) == 1
    sizes = [(folder.task(task_id) / NAME).stat().st_size for task_id in given]
    assert max(sizes) < 600 < grounds(folder)[0].stat().st_size
    assert KEY not in grounds(folder)[0].read_text()
    second = opened(folder)
    for task_id, baseline in given.items():
        for found in (await second.load(task_id), Baseline.load(folder.task(task_id))):
            assert told(found.snapshot) == told(baseline.snapshot)
            assert found.protected == baseline.protected
    same = [(await second.load(task_id)).snapshot.files["f3"] for task_id in given]
    assert same[0] is same[1] is same[2]


async def test_it_goes_with_the_last_task_that_needs_it_also_of_an_earlier_session(folder: RunFolder) -> None:
    first = opened(folder)
    for task_id in "abc":
        await first.save(task_id, Baseline(repository()))
    await first.drop("a")
    assert [(folder.task(task_id) / NAME).exists() for task_id in "abc"] == [False, True, True]
    second = opened(folder)
    await second.save(
        "a", Baseline(repository(f1="1"))
    )  # which nothing in memory tells that it is like the others
    await second.drop("b", "b", "unknown")
    await second.close()
    assert len(grounds(folder)) == 2
    await second.drop("c")
    await second.close()
    assert len(grounds(folder)) == 1
    await second.save("a", Baseline(Snapshot({})))  # it begins again, in another directory
    await second.close()
    assert grounds(folder) == []
    assert (await second.load("a")).snapshot == Snapshot({})


async def test_one_that_is_another_repository_has_its_own(folder: RunFolder) -> None:
    beginnings = opened(folder)
    await beginnings.save("a", Baseline(repository()))
    await beginnings.save("b", Baseline(repository(**{f"f{number}": "new\n" for number in range(200)})))
    assert len(grounds(folder)) == 2


async def test_a_few_small_files_stand_for_themselves(folder: RunFolder) -> None:
    await opened(folder).save("a", Baseline(Snapshot({"x": FileEntry("1", 1, "x", True)})))
    assert not (folder.path / GROUNDS).exists()
    assert (await opened(folder).load("a")).snapshot.files["x"].text == "x"


async def test_of_an_older_version(folder: RunFolder) -> None:
    folder.task("a").mkdir(parents=True)
    document = {"truncated": True, "files": {"x": ["1", 1, "x", True, "file"]}, "protected": None}
    (folder.task("a") / NAME).write_text(json.dumps(document))
    found = await opened(folder).load("a")
    assert found == Baseline(Snapshot({"x": FileEntry("1", 1, "x", True)}, truncated=True))
    await opened(folder).drop("a")
    assert not (folder.task("a") / NAME).exists()


@pytest.mark.parametrize("damage", ["lost", "cut", "elsewhere"])
async def test_a_damaged_one_is_told(folder: RunFolder, damage: str) -> None:
    await opened(folder).save("a", Baseline(repository()))
    (ground,) = grounds(folder)
    if damage == "lost":
        ground.unlink()
    elif damage == "cut":
        ground.write_text('{"a": [1')
    else:
        beginning = folder.task("a") / NAME
        beginning.write_text(beginning.read_text().replace(ground.stem, "../../secret"))
    with pytest.raises((OSError, ValueError), match="json"):
        await opened(folder).load("a")


async def test_the_latest_waits_for_the_next_task_and_only_that(folder: RunFolder) -> None:
    beginnings = opened(folder)
    await beginnings.save("a", Baseline(repository()))
    await beginnings.drop("a")
    (ground,) = grounds(folder)
    written = ground.stat().st_ino
    await beginnings.save("b", Baseline(repository(f1="1")))
    assert [path.stat().st_ino for path in grounds(folder)] == [written]
    await beginnings.drop("b")
    await beginnings.save("c", Baseline(repository(**{f"f{number}": "new\n" for number in range(200)})))
    await beginnings.drop("c")
    assert [path != ground for path in grounds(folder)] == [True]
    await beginnings.save("d", Baseline(repository()))
    await beginnings.close()
    assert grounds(folder) == [ground]


async def test_what_a_killed_session_left_goes(folder: RunFolder) -> None:
    first = opened(folder)
    await first.save("a", Baseline(repository()))
    await first.save("b", Baseline(repository(**{f"f{number}": "new\n" for number in range(200)})))
    (folder.task("b") / NAME).unlink()
    (folder.path / GROUNDS / ".half.tmp").write_text("{")
    await opened(folder).drop()
    assert len(grounds(folder)) == 1
    assert (await opened(folder).load("a")).snapshot.files
