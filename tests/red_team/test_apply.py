"""What a hostile copy holds, and `--apply`: all of it is refused, and the user's directory is as it was."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event

import pytest

from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.copy.apply_back import apply_back
from agentbatch.workspace.isolation.copy.copies import copy_tree
from agentbatch.workspace.workspace import Snapshot
from tests.support.red_team import KEY

Attack = Callable[[Path], object]


def link(copy: Path, **targets: str) -> None:
    """Names have `__` for slashes; what stands there goes."""
    for name, target in targets.items():
        place = copy / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(target)


def instead(place: Path, make: Callable[[Path], None]) -> None:
    place.unlink()
    make(place)


def write(copy: Path, name: str, text: str = "evil\n") -> None:
    place = copy / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


ATTACKS: dict[str, Attack] = {
    "an absolute link": lambda c: link(c, out="/etc/passwd"),
    "an absolute link to inside, that may be turned": lambda c: link(c, out=str(c / "a.txt")),
    "a link up": lambda c: link(c, out="../secret"),
    "a link up from below": lambda c: link(c, pkg__out="../../secret"),
    "a link by another link": lambda c: link(c, pkg__in="..", out="pkg/in/../secret"),
    "a link by two": lambda c: link(c, one="pkg", two="one/..", out="two/../secret"),
    "a link by one of the user's": lambda c: link(c, out="shared/secret"),
    "a link through packages": lambda c: link(c, out="node_modules/up/../secret"),
    "a folder on the way turned": lambda c: link(c, pkg__deep="../.."),
    "a long way round": lambda c: link(c, out="pkg/./../pkg//../../secret"),
    "a link in place of a folder": lambda c: link(c, pkg=".."),
    "a link behind a name in other letters": lambda c: link(c, **{"A\u200b": "..//secret"}),
    "a repository in capitals": lambda c: write(c, "sub/.GIT/hooks/post-checkout"),
    "a repository behind a sign without width": lambda c: write(c, ".g\u200bit/config"),
    "a pointer to a repository": lambda c: write(c, "sub/.git", "gitdir: /var/evil\n"),
    "a fifo": lambda c: os.mkfifo(c / "pipe"),
    "the settings' folder": lambda c: write(c, "prompts/evaluator.md"),
    "an agent": lambda c: write(c, "agents/coder.toml"),
    "an env file": lambda c: write(c, ".env", "CODER_ENDPOINT=http://evil/v1\n"),
    "the task file": lambda c: write(c, "task.json", "{}"),
    "prices": lambda c: write(c, "prices.toml"),
    "a link for the settings' folder": lambda c: link(c, prompts="pkg"),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(KEY)
    source = tmp_path / "project"
    for name in ("a.txt", "pkg/b.txt", "pkg/deep/c.txt", "node_modules/x/index.js"):
        write(source, name, f"{name}\n")
    link(source, shared="..", node_modules__up="..", inner="pkg/deep/../../a.txt")
    return source


def everything(folder: Path) -> dict[str, bytes | str]:
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def worked_in(source: Path, folder: Path, work: Mapping[str, str]) -> tuple[Path, Snapshot]:
    """A copy in which a task has worked, and how it was before that."""
    copy = folder / "run/copy"
    copy_tree(source, copy, (), Event())
    before = take_snapshot(copy)
    for name, text in work.items():
        write(copy, name, text)
    return copy, before


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_of_it_comes_back(source: Path, tmp_path: Path, name: str) -> None:
    copy, before = worked_in(source, tmp_path, {"a.txt": "the task's own work\n"})
    ATTACKS[name](copy)
    untouched = everything(tmp_path / "project")
    own = [source / place for place in ("agents", "prompts", ".env", "task.json", "prices.toml")]
    applied = apply_back(copy, source, before, take_snapshot(copy), own)
    assert not applied.done
    assert applied.in_the_way
    assert everything(tmp_path / "project") == untouched
    assert (tmp_path / "secret").read_text() == KEY


LEFT_OUT: dict[str, Attack] = {
    "a repository": lambda c: write(c, "sub/.git/config"),
    "a package": lambda c: write(c, "node_modules/evil/index.js"),
    "a link among packages": lambda c: link(c, node_modules__out="/etc"),
    "a run's folder": lambda c: write(c, ".agentbatch/runs/x/run.db"),
    "a virtual environment": lambda c: write(c, ".venv/bin/git"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_no_part_of_the_work_stays_away(source: Path, tmp_path: Path, name: str) -> None:
    copy, before = worked_in(source, tmp_path, {"a.txt": "the task's own work\n"})
    LEFT_OUT[name](copy)
    expected = {**everything(source), "a.txt": b"the task's own work\n"}
    assert apply_back(copy, source, before, take_snapshot(copy)).done
    assert everything(source) == expected


AFTERWARDS: dict[str, Attack] = {
    "the file": lambda c: write(c, "a.txt", "after the verdict\n"),
    "a link for the file": lambda c: link(c, **{"a.txt": "../../secret"}),
    "a fifo for the file": lambda c: instead(c / "a.txt", os.mkfifo),
    "a folder for the file": lambda c: instead(c / "a.txt", Path.mkdir),
    "a link for its folder": lambda c: link(c, pkg="../../project"),
    "nothing": lambda c: (c / "a.txt").unlink(),
}


@pytest.mark.parametrize("name", AFTERWARDS)
def test_what_was_changed_after_the_verdict_does_not_come_back(
    source: Path, tmp_path: Path, name: str
) -> None:
    copy, before = worked_in(source, tmp_path, {"a.txt": "judged\n", "pkg/b.txt": "judged\n"})
    after = take_snapshot(copy)
    AFTERWARDS[name](copy)
    untouched = everything(source)
    assert not apply_back(copy, source, before, after).done
    assert everything(source) == untouched


MEANWHILE: dict[str, Attack] = {
    "a link for the file": lambda s: link(s, **{"a.txt": "../secret"}),
    "a link for its folder": lambda s: link(s, pkg=".."),
    "a folder for the file": lambda s: instead(s / "a.txt", Path.mkdir),
    "another text": lambda s: write(s, "a.txt", "the user's\n"),
}


@pytest.mark.parametrize("name", MEANWHILE)
def test_a_directory_that_was_turned_meanwhile_is_not_written_through(
    source: Path, tmp_path: Path, name: str
) -> None:
    """By another task, say, that works in the directory itself."""
    copy, before = worked_in(source, tmp_path, {"a.txt": "judged\n", "pkg/b.txt": "judged\n"})
    MEANWHILE[name](source)
    assert not apply_back(copy, source, before, take_snapshot(copy)).done
    assert (tmp_path / "secret").read_text() == KEY
