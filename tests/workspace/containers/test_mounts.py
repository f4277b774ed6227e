"""What a container sees of the disk, as tables."""

from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.containers.mounts import Folders, check_place, plan_binds


@pytest.mark.parametrize(
    "place", ["/testbed", "/home/me/p", "/usr/src/app", "/var/www", "/tmp/x/task", "/root", "/etc/x"]
)
def test_places_for_a_directory(place: str) -> None:
    assert check_place(place) == ""


@pytest.mark.parametrize(
    "place",
    ["/", "//", "/etc", "/usr", "/tmp", "/run", "/var", "/var/tmp", "/proc", "/proc/1", "/sys/fs", "/dev/shm", "/bin",
     "..", "testbed", "", ".", "/a/../etc", "/a/..", "/etc/", "//etc", "/a\n", "--privileged", "/tmp/home",
     "/tmp/home/x", "/.agentbatch", "/.agentbatch/env"],
)  # fmt: skip
def test_places_that_are_refused(place: str) -> None:
    assert check_place(place)


def planned(folder: Path, inside: str = "/testbed", **given: list[Path]) -> dict[str, tuple[str, bool]]:
    """By its place inside, what lies there, relative to `folder`, and whether it is writable."""
    none: dict[str, list[Path]] = {"hidden_dirs": [], "hidden_files": [], "readable": [], "guarded": []}
    binds = plan_binds(
        folder / "task", inside, Folders(folder / "box"), home=folder / "home", **{**none, **given}
    )
    return {bind.target: (str(bind.source.relative_to(folder)), bind.writable) for bind in binds}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("task/conf", "task/.git", "task/.agentbatch/runs", "out", "home", "tree/conf", "tree/part"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("task/.env", "task/conf/.env", "task/.git/config", "tree/conf/.env", "home/.netrc"):
        (tmp_path / place).write_text("x")
    return tmp_path


def test_a_directory_alone(folder: Path) -> None:
    ours = {"/tmp", "/var/tmp", "/run", "/.agentbatch"}
    found = planned(folder)
    assert found["/testbed"] == ("task", True)
    assert {*found} == {"/testbed", *ours}
    assert found["/.agentbatch"] == ("box/env", False)


def test_a_link_in_the_place_of_what_is_laid_over_is_not_followed(folder: Path) -> None:
    (folder / "task/tools").symlink_to(folder / "home")
    (folder / "home/bin").mkdir()
    with pytest.raises(UserError, match="became a link"):
        planned(folder, guarded=[folder / "task/tools/bin"])


def test_what_is_hidden_and_guarded_is_so_by_its_place_inside(folder: Path) -> None:
    task = folder / "task"
    found = planned(
        folder,
        hidden_dirs=[task / ".agentbatch"],
        hidden_files=[task / ".env", task / "conf/.env"],
        guarded=[task / ".git/config"],
        readable=[folder / "out"],
    )
    assert found["/testbed/.env"] == found["/testbed/conf/.env"] == ("box/blank-file", False)
    assert found["/testbed/.agentbatch"] == ("box/blank", False)
    assert found["/testbed/.git/config"] == ("task/.git/config", False)
    assert found["/testbed/conf"] == ("task/conf", True)  # it cannot be renamed
    assert found["/testbed/.git"] == ("task/.git", True)
    assert found[str(folder / "out")] == ("out", False)
    places = list(found)
    assert all(
        places.index(str(Path(one).parent)) < places.index(one)
        for one in places
        if one.startswith("/testbed/")
    )


def test_what_is_hidden_in_what_it_may_read_stays_hidden(folder: Path) -> None:
    found = planned(
        folder, readable=[folder / "tree"], hidden_files=[folder / "tree/conf/.env", folder / "home/.netrc"]
    )
    assert found[str(folder / "tree")] == ("tree", False)
    assert found[str(folder / "tree/conf/.env")] == ("box/blank-file", False)
    assert not any("netrc" in place for place in found)


def test_a_place_that_no_engine_can_read_is_refused(folder: Path) -> None:
    (folder / "task/a\nb").mkdir()
    (folder / "task/a\nb/.env").write_text("x")
    with pytest.raises(UserError, match="holds a character"):
        planned(folder, hidden_files=[folder / "task/a\nb/.env"])
