"""What a task may have put into a run's folder: nothing of it is followed, nor waited for."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import OWN_FILES, RunFolder, create_run_folder, holder, refuse_overlap
from agentbatch.runs.store.store import Store
from agentbatch.runs.store.viewers import is_watched, mark_watched

PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "link": lambda place, victim: place.symlink_to(victim),
    "dangling": lambda place, victim: place.symlink_to(victim.with_name("nowhere")),
    "fifo": lambda place, _: os.mkfifo(place),
    "folder": lambda place, _: place.mkdir(),
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("name", OWN_FILES)
def test_a_run_in_which_something_else_stands_for_its_file_is_not_resumed(
    tmp_path: Path, name: str, kind: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = create_run_folder(tmp_path, datetime.now())
    (folder.path / name).unlink(missing_ok=True)
    PLANTED[kind](folder.path / name, victim)
    with pytest.raises(UserError, match=f"{name} is a link, or no file"):
        Store(RunFolder(folder.path), Redactor([]), resume=True)
    assert holder(folder) == ""
    refuse_overlap(tmp_path, [tmp_path])
    assert victim.read_text() == "precious"
    assert not victim.with_name("nowhere").exists()


def test_a_mark_of_a_viewer_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "watched").symlink_to(tmp_path / "elsewhere")
    mark_watched(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "watched").unlink()
    mark_watched(tmp_path)
    assert is_watched(tmp_path)


def test_what_is_written_later_goes_where_the_folder_was_when_it_was_locked(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folder = create_run_folder(tmp_path / "link", datetime.now())
    folder.lock()
    assert folder.task("t").is_relative_to(tmp_path / "real")
    folder.unlock()
    assert folder.path.stat().st_mode & 0o777 == 0o700
