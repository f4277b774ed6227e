"""Running git on a repository that is the user's, beside files that are the coder's: no hooks, no prompts."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.text import clip
from agentbatch.workspace.shell.environment import shell_environment

TIMEOUT = 900.0
"""Seconds for one git command; the checkout of a very large repository on a slow disk takes minutes."""
PATIENCE = 10.0
"""Seconds that a git that was asked to end may take to remove its lock files."""
LOCK_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds to wait before another try when another git holds one of the repository's locks."""

SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "worktree.useRelativePaths=false",
    "i18n.commitEncoding=utf-8",
)
"""Programs that git would start by itself are off: hooks, a file watcher, a signer, a garbage collection."""

_PASSING = (".lock': File exists", "could not create directory of")
"""What git says when another one is just writing the same, or has just removed an empty folder of worktrees."""

_ALSO_PASSED = ("XDG_CONFIG_HOME", "SSH_AUTH_SOCK")
"""What finds the user's settings of git, and a key agent where a partial clone has to fetch."""
_UNATTENDED = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}


class GitError(UserError):
    """git refused, in its own words."""


@dataclass(frozen=True)
class Pinned:
    """The repository and the files that a command means, whatever a `.git` on the way says."""

    git_dir: Path
    work_tree: Path
    index: Path | None = None
    """None: the repository's own."""


class Git:
    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ`: the process's; no GIT_* variable and no key of it reaches git."""
        passed = {name: environ[name] for name in _ALSO_PASSED if name in environ}
        self._env = {**shell_environment(environ, {**passed, **_UNATTENDED}, ())}

    def run(
        self,
        *arguments: str,
        cwd: Path,
        pinned: Pinned | None = None,
        text: str = "",
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Its output. Raises GitError; where another git is in the way it tries again for seconds."""
        for wait in (*LOCK_WAITS, None):
            done = self._once(arguments, cwd, pinned, text, env or {})
            if done.returncode == 0:
                return os.fsdecode(done.stdout)
            said = os.fsdecode(done.stderr)
            if wait is None or not any(sign in said for sign in _PASSING):
                break
            time.sleep(wait)
        asked = next(word for word in arguments if not word.startswith("-"))
        raise GitError(f"git {asked} failed in {cwd}: {_reason(said, done.returncode)}")

    def ask(self, *arguments: str, cwd: Path, pinned: Pinned | None = None) -> str | None:
        """Its output without the last line end; None where git says no."""
        done = self._once(arguments, cwd, pinned, "", {})
        return os.fsdecode(done.stdout).removesuffix("\n") if done.returncode == 0 else None

    def try_run(
        self, *arguments: str, cwd: Path, pinned: Pinned | None = None, text: str = ""
    ) -> tuple[str, str]:
        """Its output and, where it did not do everything, why."""
        done = self._once(arguments, cwd, pinned, text, {})
        problem = _reason(os.fsdecode(done.stderr), done.returncode) if done.returncode else ""
        return os.fsdecode(done.stdout), problem

    def _once(
        self, arguments: tuple[str, ...], cwd: Path, pinned: Pinned | None, text: str, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "--no-pager", *(word for setting in SETTINGS for word in ("-c", setting))]
        environment = {**self._env, **env}
        if pinned is not None:
            command += [f"--git-dir={pinned.git_dir}", f"--work-tree={pinned.work_tree}"]
            if pinned.index is not None:
                environment["GIT_INDEX_FILE"] = str(pinned.index)
        command += arguments
        try:
            return _finished(command, cwd, environment, os.fsencode(text))
        except FileNotFoundError as error:
            if error.filename == "git":
                raise GitError(
                    "git is not installed, and isolation worktree needs it: apt install git."
                ) from None
            raise


def _finished(
    command: list[str], cwd: Path, env: Mapping[str, str], text: bytes
) -> subprocess.CompletedProcess[bytes]:
    """Ended by SIGTERM when it takes too long, on which git removes its lock files, and only then by SIGKILL."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, said = process.communicate(text, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise GitError(f"git did not end within {TIMEOUT:g} s in {cwd}.") from None
    return subprocess.CompletedProcess(command, process.returncode, out, said)


def _reason(said: str, code: int) -> str:
    """The most informative line of git's complaint."""
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines[-1:]
    return clip(telling[0] if telling else f"exit code {code}", 400)
