"""What lies in folders that snapshots leave out: seen from the outside, cheaply, and no change of it is hidden."""

import os
import pickle
from pathlib import Path

import pytest

from agentbatch.workspace.files.diff.left_out_diff import changed_bytecode, changed_left_out, has_bytecode
from agentbatch.workspace.files.snapshot import left_out as module
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.workspace import Snapshot


def write(root: Path, *names: str, text: str = "x") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def look(root: Path) -> Snapshot:
    return take_snapshot(root, left_out=True)


SITE = ".venv/lib/python3/site-packages"
PLACES = (
    "node_modules/x/index.js", "node_modules/x/lib/a.js", "node_modules/.bin/x", "web/node_modules/y/i.js",
    f"{SITE}/p/core.py", f"{SITE}/p/__pycache__/core.cpython-311.pyc", f"{SITE}/fine.pth", ".venv/bin/python",
    "__pycache__/a.cpython-311.pyc", ".cache/data.json", ".pytest_cache/README.md", ".git/hooks/pre-commit",
    ".git/hooks/pre-push.sample", ".git/config", "target/debug/x", "Cargo.toml", ".next/x/a.js",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, *PLACES)
    return tmp_path


def test_what_is_looked_at(root: Path) -> None:
    found = look(root)
    assert list(found.files) == ["Cargo.toml"]
    assert sorted(found.left_out) == sorted(
        [
            "node_modules/x/", "node_modules/x/lib/", "node_modules/.bin/x", "web/node_modules/y/", f"{SITE}/p/",
            f"{SITE}/p/__pycache__/", f"{SITE}/fine.pth", ".venv/bin/python", "__pycache__/", ".git/hooks/pre-commit",
        ]
    )  # fmt: skip
    assert found.left_out_whole
    assert pickle.loads(pickle.dumps(found)).left_out == found.left_out
    assert look(root).left_out == found.left_out
    assert changed_left_out(found, look(root)) == []
    assert take_snapshot(root).left_out == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("node_modules/x/lib/a.js", "node_modules/x/lib/"),
        ("node_modules/x/new.js", "node_modules/x/"),
        ("node_modules/.bin/jest", "node_modules/.bin/jest"),
        ("node_modules/z/index.js", "node_modules/z/"),
        (f"{SITE}/p/core.py", f"{SITE}/p/"),
        (f"{SITE}/sitecustomize.py", f"{SITE}/sitecustomize.py"),
        (f"{SITE}/evil.pth", f"{SITE}/evil.pth"),
        (".venv/bin/pytest", ".venv/bin/pytest"),
        (".git/hooks/pre-commit", ".git/hooks/pre-commit"),
        (".cache/hidden.py", ".cache/hidden.py"),
        (".pytest_cache/v/hidden.pth", ".pytest_cache/v/hidden.pth"),
        ("other/venv/a.py", "other/venv/"),
        (".git/hidden.py", ".git/hidden.py"),
        (".agentbatch/hidden.js", ".agentbatch/hidden.js"),
        ("target/hidden.sh", "target/hidden.sh"),
        # Made anew by every honest run, or cleared before a check.
        (".cache/more.json", ""),
        ("__pycache__/b.cpython-311.pyc", ""),
        (f"{SITE}/p/__pycache__/core.cpython-311.pyc", ""),
        (".git/index", ""),
        (".next/static/b.js", ""),
        (".agentbatch/runs/r/a.py", ""),
        ("target/debug/build/out.py", ""),
    ],
)
def test_a_change_is_told(root: Path, name: str, told: str) -> None:
    before = look(root)
    write(root, name, text="other")
    assert changed_left_out(before, look(root)) == ([told] if told else [])


def test_a_change_of_the_same_size_with_the_old_time_is_told(root: Path) -> None:
    before, place = look(root), root / "node_modules/x/index.js"
    then = place.stat().st_mtime_ns
    place.write_text("y")
    os.utime(place, ns=(then, then))
    assert changed_left_out(before, look(root)) == ["node_modules/x/"]
    (root / ".venv/bin/python").unlink()
    assert changed_left_out(before, look(root)) == [".venv/bin/python", "node_modules/x/"]


def test_another_link_to_a_file_is_no_change(root: Path) -> None:
    """An installer has the files of all projects in one store."""
    os.link(root / "node_modules/x/index.js", root / "stored")
    before = look(root)
    os.link(root / "node_modules/x/index.js", root / "stored again")
    assert changed_left_out(before, look(root)) == []


def test_an_installation_is_one_line_and_many_changes_are_few(tmp_path: Path) -> None:
    before = look(tmp_path)
    write(tmp_path, *(f"node_modules/p{number}/i.js" for number in range(50)), ".venv/bin/python")
    after = look(tmp_path)
    assert changed_left_out(before, after) == [".venv/", "node_modules/"]
    write(tmp_path, *(f"node_modules/p{number}/i.js" for number in range(50)), text="other")
    told = changed_left_out(after, look(tmp_path))
    assert len(told) == 13
    assert told[-1] == "38 more in folders of packages"


def test_what_there_is_too_much_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOOKED_AT", 4)
    before = look(root)
    assert not before.left_out_whole
    assert len(before.left_out) <= 4
    assert has_bytecode(before), "there may be"


def test_what_only_one_of_two_has_seen_says_nothing_where_one_saw_only_a_part() -> None:
    old, new = {"venv/a/": "1", "venv/b/": "1"}, {"venv/b/": "2", "venv/c/": "1"}
    for whole in (True, False):
        before, after = Snapshot({}, left_out=old, left_out_whole=whole), Snapshot({}, left_out=new)
        told = ["venv/a/", "venv/b/", "venv/c/"] if whole else ["venv/b/"]
        assert changed_left_out(before, after) == changed_left_out(after, before) == told


def test_compiled_python(root: Path) -> None:
    before = look(root)
    assert has_bytecode(before)
    assert changed_bytecode(before, before) == []
    write(root, f"{SITE}/p/__pycache__/core.cpython-311.pyc", "venv/q/__pycache__/a.pyc", text="planted")
    assert changed_bytecode(before, look(root)) == [f"{SITE}/p/__pycache__", "venv/q/__pycache__"]
    (root / "__pycache__/a.cpython-311.pyc").unlink()
    assert not has_bytecode(look(root))
    (root / "sub").mkdir()
    (root / "sub/__pycache__").symlink_to("../elsewhere")
    assert has_bytecode(look(root))
