"""Which files are env files, and where they are looked for."""

from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.files.env_files import MAX_HIDDEN, env_files_in, is_env_file

NAMES = {
    ".env": True, ".env.local": True, ".env.production": True, ".env.production.local": True, ".ENV": True,
    ".Env.Local": True, ".envrc": True, ".env.bak": True, ".env.": True, ".env.example": False, ".env.sample": False,
    ".env.local.example": False, ".env.template": False, "env": False, ".environment": False, "x.env": False,
    ".env-notes": False,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_by_its_name(name: str) -> None:
    assert is_env_file(name) is NAMES[name]


def test_wherever_they_lie(tmp_path: Path) -> None:
    for name in (
        ".env",
        "services/api/.env",
        "a/b/.env.local",
        "a/.env.example",
        "node_modules/x/.env",
        ".git/.env",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/.env").symlink_to("../a/b/.env.local")
    found = [path.relative_to(tmp_path).as_posix() for path in env_files_in(tmp_path)]
    assert found == [".env", "a/b/.env.local", "c/.env", "services/api/.env"]


def test_too_many_to_hide_are_refused(tmp_path: Path) -> None:
    for number in range(MAX_HIDDEN + 1):
        (tmp_path / f".env.{number}").touch()
    with pytest.raises(UserError, match="too many to hide"):
        env_files_in(tmp_path)
