"""What a program has made of its HOME is not followed when files are written there again."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch import files
from agentbatch.errors import UserError
from agentbatch.workspace.programs.credentials import credential_files
from agentbatch.workspace.programs.homes import is_too_large, make_home, toolchain_variables

Trap = Callable[[Path, Path], object]

TRAPS: dict[str, Trap] = {
    "nothing": lambda place, victim: None,
    "a link": lambda place, victim: place.symlink_to(victim),
    "a link to nowhere": lambda place, victim: place.symlink_to(victim.parent / "new"),
    "a hard link": lambda place, victim: place.hardlink_to(victim),
    "a fifo": lambda place, victim: os.mkfifo(place),
    "a folder": lambda place, victim: (place / "x").mkdir(parents=True),
    "a closed file": lambda place, victim: place.touch(0o000),
    "a link above": lambda place, victim: instead(place.parent).symlink_to(victim.parent),
    "a file above": lambda place, victim: instead(place.parent).touch(),
    "a closed folder above": lambda place, victim: place.parent.chmod(0),
    "HOME as a link": lambda place, victim: instead(place.parents[1]).symlink_to(victim.parent),
}


def instead(folder: Path) -> Path:
    shutil.rmtree(folder)
    return folder


@pytest.mark.parametrize("system", ["Linux", "another"])
@pytest.mark.parametrize("trap", TRAPS)
def test_files_are_written_into_it_alone(
    trap: str, system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on systems without O_PATH (macOS), where a folder on the way has to be opened to be read."""
    if system != "Linux":
        monkeypatch.setattr(files, "FOLDER", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    victim = tmp_path / "victim/conf"
    victim.parent.mkdir()
    victim.write_text("mine")
    homes = tmp_path / "run/tasks/t/homes"
    home = homes / "agent"
    (home / "a").mkdir(parents=True)
    TRAPS[trap](home / "a/conf", victim)
    assert make_home(homes, "agent", {"a/conf": b"told", "b": b""}) == home
    assert (home / "a/conf").read_bytes() == b"told"
    assert stat.S_IMODE((home / "a/conf").lstat().st_mode) == 0o600
    assert not home.is_symlink()
    assert (victim.read_text(), os.listdir(victim.parent), victim.stat().st_nlink) == ("mine", ["conf"], 1)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", "a\0", "a" * 65, "ä"])
def test_a_name_is_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no name for a HOME"):
        make_home(tmp_path / "homes", name, {})


@pytest.mark.parametrize("path", ["", "/etc/x", "../x", "a/../../x", "a//b", "a\0"])
def test_a_file_lies_in_it(path: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no path in a HOME"):
        make_home(tmp_path / "homes", "agent", {path: b""})
    assert not (tmp_path / "homes").exists()


def test_how_large_a_home_is(tmp_path: Path) -> None:
    """What is on the disk counts, in folders of folders too; what only leads elsewhere, or is a hole, does not."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "a/b").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(b"x" * 300_000)
    (home / "a/away").symlink_to(elsewhere)
    (home / "up").symlink_to("..")
    with (home / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(home / "a/fifo")
    assert not is_too_large(home, most=200_000)
    assert not is_too_large(tmp_path / "none")
    (tmp_path / "link").symlink_to(elsewhere)
    assert not is_too_large(tmp_path / "link", most=200_000)
    assert not is_too_large(elsewhere / "large", most=200_000)
    assert is_too_large(home, entries=5)
    (home / "a/b/large").write_bytes(b"x" * 300_000)
    assert is_too_large(home, most=200_000)


def test_credentials_are_files(tmp_path: Path) -> None:
    (tmp_path / ".codex").mkdir()
    (tmp_path / "elsewhere").touch()
    (tmp_path / ".codex/auth.json").symlink_to(tmp_path / "elsewhere")
    assert credential_files(tmp_path, [".codex/auth.json"]) == {".codex/auth.json": tmp_path / "elsewhere"}
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "keys").symlink_to(tmp_path / ".codex")
    os.mkfifo(tmp_path / "fifo")
    none = "There are no credentials in"
    for name, says in {
        **dict.fromkeys(("loop", "nowhere", "fifo", "a\0b", "elsewhere/x", "../x/.codex/auth.json"), none),
        **dict.fromkeys(("", ".", "keys", "keys/"), "are a folder. Name the file"),
        ".codex": "are a folder. Name the file",
        ".claude/.credentials.json": "log in with the program itself first",
        ".codex/../elsewhere": "There are no credentials in",
        "/etc/passwd": "There are no credentials in",
    }.items():
        with pytest.raises(UserError, match=says):
            credential_files(tmp_path, [name])


def test_toolchains_of_the_user_s_own_home_are_still_found(tmp_path: Path) -> None:
    for name in (".rustup", ".volta"):
        (tmp_path / name).mkdir()
    assert toolchain_variables(tmp_path, {"VOLTA_HOME": "/v"}) == {"RUSTUP_HOME": f"{tmp_path}/.rustup"}
