"""Ways to the folders of a directory."""

import os
import random
from pathlib import Path

import pytest

from agentbatch.workspace.files.ways import KEPT, Ways


def test_any_folder_is_reached_from_any_other(tmp_path: Path) -> None:
    deep = "/".join("abcdefgh"[number % 8] for number in range(KEPT + 20))
    paths = ["", "x", "x/y", *(deep[: 2 * depth - 1] for depth in range(1, KEPT + 21)), "a/c"]
    for path in paths:
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    before, chance = len(os.listdir("/dev/fd")), random.Random(1)
    with Ways(tmp_path) as ways:
        for path in [*paths, *reversed(paths), *chance.choices(paths, k=200)]:
            there, named = os.fstat(ways.to(path)), (tmp_path / path).stat()
            assert (there.st_dev, there.st_ino) == (named.st_dev, named.st_ino), path
            assert len(os.listdir("/dev/fd")) <= before + KEPT + 1
        with pytest.raises(FileNotFoundError):
            ways.to("x/missing/y")
        assert os.fstat(ways.to("x/y")).st_ino == (tmp_path / "x/y").stat().st_ino
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("path", ["..", "x/..", "x/../..", "link", "link/x", "x/link", "file"])
def test_no_way_leads_out(tmp_path: Path, path: str) -> None:
    (tmp_path / "root/x").mkdir(parents=True)
    (tmp_path / "root/file").touch()
    for place in ("root/link", "root/x/link"):
        (tmp_path / place).symlink_to(tmp_path)
    with Ways(tmp_path / "root") as ways, pytest.raises(OSError, match="out of|Not a directory|symbolic"):
        ways.to(path)
