"""Links are followed as the system follows them, part by part."""

import os
from pathlib import Path

import pytest

from agentbatch.workspace.isolation.copy.links import destination, is_outside

LINKS = {
    "plain": "a/file",
    "up": "../file",
    "a/up": "../file",
    "a/b/s": "../..",
    "a/b/root": "../../",
    "through": "a/b/s/../x",
    "twice": "a/b/s/..",
    "chain": "twice",
    "absolute": "/etc/passwd",
    "to-absolute": "absolute/../../etc",
    "circle": "round",
    "round": "circle",
    "dots": "./a/.//b/../file",
    "missing": "nowhere/../a",
    "a/out": "up/../..",
}

CASES = {
    "plain": "a/file",
    "up": "../file",
    "a/up": "file",
    "a/b/s": "",
    "through": "../x",
    "twice": "..",
    "chain": "..",
    "chain/y/z": "../y/z",
    "absolute": "/etc/passwd",
    "to-absolute": "/etc/passwd/../../etc",
    "circle": None,
    "dots": "a/file",
    "missing": "a",
    "a/out": "..",
    "no/link/at/all": "no/link/at/all",
}


@pytest.mark.parametrize("path", CASES)
def test_where_a_path_ends(path: str) -> None:
    ends = destination(path, LINKS.get)
    assert ends == CASES[path]
    assert is_outside(ends) == (ends is not None and ends.startswith(("/", "..")))


def test_the_system_agrees(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "nowhere").mkdir()
    (root / "a/file").touch()
    (root / "file").touch()
    (root / "x").mkdir()
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    for path in LINKS:
        ends = destination(path, LINKS.get)
        if ends is not None and not ends.startswith("/"):
            assert os.path.realpath(root / path) == os.path.realpath(root / ends), path
