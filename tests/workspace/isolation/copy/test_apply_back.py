"""Changes of a copy brought back: all of them where nothing stands in the way, else none."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.copy.apply_back import STAGE, ApplyResult, apply_back, obstacles
from agentbatch.workspace.isolation.copy.copies import copy_tree
from agentbatch.workspace.workspace import Snapshot


@dataclass
class Work:
    source: Path
    copy: Path
    before: Snapshot

    def apply(self) -> ApplyResult:
        return apply_back(self.copy, self.source, self.before, take_snapshot(self.copy))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    source, copy = tmp_path / "source", tmp_path / "run/copy"
    (source / "pkg/inner").mkdir(parents=True)
    for name in ("a.txt", "pkg/b.txt", "pkg/inner/c.txt", "gone.txt"):
        (source / name).write_text(f"{name}\n")
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o750)
    (source / "binary").write_bytes(b"\0" * 100_000)
    (source / "link").symlink_to("a.txt")
    (source / "elsewhere").symlink_to("../run")
    (source / "pkg/turn").mkdir()
    (source / "pkg/turn/file").touch()
    (source / "inside").symlink_to("pkg/turn/../../a.txt")
    (source / "node_modules").mkdir()
    (source / "node_modules/up").symlink_to("..")
    (source / ".git").mkdir()
    (source / ".git/config").write_text("theirs")
    copy_tree(source, copy, (), Event())
    return Work(source, copy, take_snapshot(copy))


def put_links(folder: Path, **targets: str) -> None:
    """Names have `__` for slashes. What stands there goes."""
    for name, target in targets.items():
        place = folder / name.replace("__", "/")
        if place.is_dir():
            shutil.rmtree(place)
        place.symlink_to(target)


def everything(folder: Path) -> dict[str, tuple[str, object]]:
    found: dict[str, tuple[str, object]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", None)
        else:
            found[name] = (oct(path.stat().st_mode), path.read_bytes())
    return found


def change_a_lot(copy: Path) -> None:
    (copy / "a.txt").write_text("new\n")
    (copy / "binary").write_bytes(b"\1" * 200_000)
    (copy / "gone.txt").unlink()
    shutil.rmtree(copy / "pkg/inner")
    (copy / "made/deep").mkdir(parents=True)
    (copy / "made/deep/-dash \n ü").write_text("x")
    (copy / os.fsdecode(b"\xff")).write_text("x")
    (copy / "script").write_text("#!/bin/sh\necho\n")
    (copy / "pkg/b.txt").chmod(0o755)
    (copy / "link").unlink()
    (copy / "link").symlink_to("pkg/b.txt")


def test_everything_that_changed_comes_back(work: Work) -> None:
    change_a_lot(work.copy)
    (work.source / "unrelated").write_text("mine")
    (work.copy / ".git/config").write_text("[core]\n\tfsmonitor = evil\n")
    assert work.apply() == ApplyResult(True, 9)
    mine = everything(work.source)
    assert mine.pop("unrelated")[1] == b"mine"
    assert mine.pop(".git/config")[1] == b"theirs"
    theirs = everything(work.copy)
    theirs.pop(".git/config")
    assert mine == theirs
    # Once more, as after a crash: it is there already.
    assert work.apply().done


def test_what_was_half_done_by_a_killed_process_is_finished(work: Work) -> None:
    change_a_lot(work.copy)
    (work.source / "gone.txt").unlink()
    (work.source / "a.txt").write_text("new\n")
    left = work.source / f"{STAGE}{hashlib.sha256(os.fsencode(work.copy)).hexdigest()[:12]}"
    left.mkdir()
    (left / "0").write_text("half")
    assert work.apply().done
    assert (work.source / "binary").read_bytes() == b"\1" * 200_000
    assert not left.exists()
    assert not list(work.source.glob(f"{STAGE}*"))


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


STANDING: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda s: (s / "a.txt").write_text("theirs"), "a.txt: was changed in the directory meanwhile"),
    "deleted": (lambda s: (s / "a.txt").unlink(), "a.txt: was deleted in the directory meanwhile"),
    "mode": (lambda s: (s / "a.txt").chmod(0o755), "a.txt: was changed in the directory meanwhile"),
    "added": (lambda s: (s / "new.txt").write_text("theirs"), "new.txt: was added to the directory meanwhile"),
    "link": (lambda s: link(s / "a.txt", "gone.txt"),
             "a.txt: was changed in the directory meanwhile"),
    "file for a folder": (lambda s: (s / "made").write_text("x"), "made/x.txt: made is no folder in the directory"),
    "link for a folder": (lambda s: (s / "made").symlink_to(s.parent / "outside"),
                          "made/x.txt: made is no folder in the directory"),
    "folder for a file": (lambda s: (s / "new.txt/__pycache__").mkdir(parents=True),
                          "new.txt: is a folder in the directory"),
    "folder with a file": (lambda s: put(s / "new.txt/x"),
                           "new.txt: is a folder in the directory"),
    "fifo": (lambda s: os.mkfifo(s / "new.txt"), "new.txt: cannot be read, or is no file"),
}  # fmt: skip


@pytest.mark.parametrize("name", STANDING)
def test_one_file_in_the_way_keeps_all_out(work: Work, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (work.copy / "a.txt").write_text("ours")
    (work.copy / "new.txt").write_text("ours")
    (work.copy / "made").mkdir()
    (work.copy / "made/x.txt").write_text("ours")
    (work.copy / "pkg/b.txt").unlink()
    meddle, sentence = STANDING[name]
    meddle(work.source)
    untouched = None if name == "fifo" else everything(work.source)
    applied = work.apply()
    assert not applied.done
    assert sentence in applied.in_the_way
    assert (work.source / "pkg/b.txt").exists()
    assert untouched is None or everything(work.source) == untouched
    assert not list((tmp_path / "outside").iterdir())


OUTWARD: dict[str, tuple[Callable[[Path], object], str]] = {
    "absolute": (lambda c: (c / "out").symlink_to("/etc/passwd"), "out: a symlink that leads out of the directory"),
    "upward": (lambda c: (c / "pkg/out").symlink_to("../../x"), "pkg/out: a symlink that leads out of the directory"),
    "by a chain": (lambda c: put_links(c, pkg__inner__s="../..", out="pkg/inner/s/../.."),
                   "out: a symlink that leads out of the directory"),
    "through one that is left out": (lambda c: put_links(c, out="node_modules/up/.."),
                                     "out: a symlink that leads out of the directory"),
    "through one of before": (lambda c: put_links(c, pkg__x="../elsewhere"),
                              "pkg/x: a symlink that leads out of the directory"),
    "one of before, turned": (lambda c: put_links(c, pkg__turn=".."),
                              "inside: a symlink that leads out of the directory"),
    "git": (lambda c: (c / "pkg/.git").write_text("gitdir: /tmp/evil"),
            "pkg/.git: a part of git's own files, which are never brought back"),
    "git in capitals": (lambda c: put(c / ".GIT/hooks/x"),
                        ".GIT/hooks/x: a part of git's own files, which are never brought back"),
    "git, hidden": (lambda c: (c / ".g\u200cit").write_text("x"),
                    ".g\u200cit: a part of git's own files, which are never brought back"),
    "fifo": (lambda c: os.mkfifo(c / "pipe"), "pipe: cannot be read, or is no file"),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTWARD)
def test_what_a_hostile_copy_holds_stays_in_it(work: Work, name: str) -> None:
    (work.copy / "a.txt").write_text("ours")
    make, sentence = OUTWARD[name]
    make(work.copy)
    untouched = everything(work.source)
    assert work.apply() == ApplyResult(False, in_the_way=(sentence,))
    assert everything(work.source) == untouched


def test_a_link_that_stays_inside_comes_back(work: Work) -> None:
    (work.copy / "pkg/in").symlink_to("../a.txt")
    assert work.apply().done
    assert os.readlink(work.source / "pkg/in") == "../a.txt"


def test_what_changed_after_it_was_judged_does_not_come_back(work: Work) -> None:
    (work.copy / "a.txt").write_text("judged")
    (work.copy / "gone.txt").unlink()
    after = take_snapshot(work.copy)
    for change in ("write", "link"):
        (work.copy / "a.txt").unlink()
        if change == "write":
            (work.copy / "a.txt").write_text("other!")
        else:
            (work.copy / "a.txt").symlink_to("/etc/passwd")
        untouched = everything(work.source)
        applied = apply_back(work.copy, work.source, work.before, after)
        assert applied.in_the_way == ("a.txt: changed in the copy after it was judged",)
        assert everything(work.source) == untouched


def test_a_link_that_changed_after_it_was_judged_does_not_come_back(work: Work) -> None:
    link(work.copy / "link", "pkg/b.txt")
    after = take_snapshot(work.copy)
    link(work.copy / "link", "/etc/passwd")
    applied = apply_back(work.copy, work.source, work.before, after)
    assert applied.in_the_way == ("link: changed in the copy after it was judged",)
    assert os.readlink(work.source / "link") == "a.txt"


def test_a_file_becomes_a_folder_and_a_folder_a_file(work: Work) -> None:
    (work.copy / "a.txt").unlink()
    (work.copy / "a.txt").mkdir()
    (work.copy / "a.txt/x").write_text("x")
    shutil.rmtree(work.copy / "pkg")
    (work.copy / "pkg").write_text("x")
    assert work.apply().done
    assert (work.source / "a.txt/x").read_text() == "x"
    assert (work.source / "pkg").read_text() == "x"


def test_the_users_own_mode_stays_where_the_task_did_not_change_it(work: Work) -> None:
    (work.source / "a.txt").chmod(0o600)
    (work.copy / "a.txt").write_text("new")
    (work.copy / "a.txt").chmod(0o666)
    (work.copy / "gone.txt").chmod(0o777)
    (work.copy / "new").write_text("x")
    (work.copy / "new").chmod(0o4755)
    assert work.apply().done
    assert (work.source / "a.txt").stat().st_mode & 0o7777 == 0o600
    assert (work.source / "gone.txt").stat().st_mode & 0o7777 == 0o777
    assert (work.source / "new").stat().st_mode & 0o7777 == 0o755


def test_a_hard_link_to_elsewhere_keeps_its_content(work: Work, tmp_path: Path) -> None:
    os.link(work.source / "a.txt", tmp_path / "other name")
    (work.copy / "a.txt").write_text("new")
    assert work.apply().done
    assert (tmp_path / "other name").read_text() == "a.txt\n"


def test_a_directory_that_was_not_there_is_made(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_tree(tmp_path / "not/yet", copy, (), Event())
    before = take_snapshot(copy)
    (copy / "new").write_text("x")
    assert apply_back(copy, tmp_path / "not/yet", before, take_snapshot(copy)).done
    assert (tmp_path / "not/yet/new").read_text() == "x"


def test_too_many_files_to_compare_are_not_brought_back() -> None:
    empty = Snapshot({})
    assert obstacles(empty, empty, empty) == []
    assert obstacles(empty, Snapshot({}, truncated=True), empty) == [
        "the directory has too many files to compare them all"
    ]


@pytest.mark.parametrize(
    ("path", "own", "refused"),
    [
        ("prompts/coder.md", "prompts", True),
        ("prompts", "prompts", True),
        (".env", ".env", True),
        ("conf/task.json", "conf/task.json", True),
        ("conf", "conf/task.json", True),
        ("pkg/prompts/coder.md", "prompts", False),
        (".env.example", ".env", False),
        ("prompts.md", "prompts", False),
    ],
)
def test_what_the_next_run_reads_its_settings_from_comes_back_only_when_it_is_trusted(
    work: Work, path: str, own: str, refused: bool
) -> None:
    put(work.copy / path)
    before = everything(work.source)
    after = take_snapshot(work.copy)
    applied = apply_back(work.copy, work.source, work.before, after, [work.source / own])
    assert applied.done is not refused
    if refused:
        assert f"{path}: the next run reads its settings from it" in applied.in_the_way[0]
        assert everything(work.source) == before
        assert apply_back(work.copy, work.source, work.before, after).done
