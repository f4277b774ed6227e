"""Git repositories as a user has them, and what must not change of them."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git: apt install git")


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment, with a user's HOME that has no settings of git."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), **more}


def git(at: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What the user types."""
    who = ["-c", "user.name=User", "-c", "user.email=user@example.org"]
    done = subprocess.run(
        ["git", *who, *arguments],
        cwd=at,
        env=env or environment(at),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return os.fsdecode(done.stdout).strip()


def make_repository(at: Path, files: Mapping[str, str]) -> Path:
    at.mkdir(parents=True)
    git(at, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text)
    git(at, "add", "-A")
    git(at, "commit", "--quiet", "-m", "first")
    return at


def state(repository: Path) -> dict[str, object]:
    """The user's checkout: files, index, HEAD, branch, stashes, config; and lock files in the repository."""
    files, locks = {}, []
    for folder, folders, names in os.walk(repository):
        inside_git = ".git" in Path(folder).parts
        folders[:] = [name for name in folders if name != ".agentbatch"]
        for name in names:
            path = Path(folder, name)
            if not inside_git:
                files[str(path.relative_to(repository))] = path.read_bytes()
            elif name.endswith(".lock"):
                locks.append(str(path))
    kept = ("index", "HEAD", "config", "refs/stash", "refs/heads/main")
    named = {name: _bytes(repository / ".git" / name) for name in kept}
    return {"files": files, **named, "locks": sorted(locks)}


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def branches(repository: Path) -> list[str]:
    listed = git(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads/agentbatch")
    return listed.splitlines()
