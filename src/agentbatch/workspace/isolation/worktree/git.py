"""Running git on a repository that is the user's, beside files that are the coder's: no hooks, no prompts, no program
that the repository's own settings name, nothing fetched."""

import os
import shutil
import subprocess
import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.text import clip
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.shell.marks import MARK, ask_to_end

BRANCHES = "agentbatch"
"""The branch of an isolated task is agentbatch/<run>/<task>, as git allows it."""

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
    "status.submoduleSummary=false",
    "core.askPass=true",
    "core.trustctime=true",
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
)
"""Programs that git would start by itself are off: hooks, a file watcher, a signer, a garbage collection. What it takes
for unchanged is so by its ctime, which nobody can set."""

_RUNS = regex(
    r"(?is)(?:filter\..*\.(?:clean|smudge|process)|diff\..*\.(?:command|textconv)|merge\..*\.driver|hook\..*\.command"
    r"|gpg\..*program|diff\.external|core\.(?:sshcommand|gitproxy|alternaterefscommand|editor|pager)|credential\..*helper"
    r"|submodule\..*\.update)"
)
"""Settings that name a program, and count only from the user's own files, never from a repository's."""
_REQUIRED = regex(r"(?is)(filter\..*)\.(?:clean|smudge|process|required)")

_PASSING = (".lock': File exists", "could not create directory of")
"""What git says when another one is just writing the same, or has just removed an empty folder of worktrees."""

_ALSO_PASSED = ("XDG_CONFIG_HOME", "SSH_AUTH_SOCK")
"""What finds the user's settings of git, and a key agent where a partial clone has to fetch."""
_UNATTENDED = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
}
"""The last two: an object that is not there stays missing. Fetching it would run what the repository says."""


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
    def __init__(self, environ: Mapping[str, str], mark: str = "") -> None:
        """`environ`: the process's; no GIT_* variable and no key of it reaches git. `mark`: by which `end_gits` finds
        what a kill of this process leaves at work."""
        passed = {name: environ[name] for name in _ALSO_PASSED if name in environ}
        passed |= {MARK: _marked(mark)} if mark else {}
        self._env = {**shell_environment(environ, {**passed, **_UNATTENDED}, ())}
        self._program = shutil.which("git", path=self._env.get("PATH", os.defpath)) or "git"
        self._known: dict[Hashable, dict[str, str]] = {}
        """What `_neutral` has found, by the settings that it found it in."""

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
        where = next((word for word in arguments if word.startswith("--git-dir=")), "")
        command = [self._program, "--no-pager", *(word for setting in SETTINGS for word in ("-c", setting))]
        if pinned is not None:
            where = f"--git-dir={pinned.git_dir}"
            command += [where, f"--work-tree={pinned.work_tree}"]
        try:
            environment = {**self._env, **self._neutral(where, cwd), **env}
            if pinned is not None and pinned.index is not None:
                environment["GIT_INDEX_FILE"] = str(pinned.index)
            command += arguments
            return _finished(command, cwd, environment, os.fsencode(text))
        except FileNotFoundError as error:
            if error.filename == self._program:
                raise GitError(
                    "git is not installed, and isolation worktree needs it: apt install git."
                ) from None
            raise

    def _neutral(self, where: str, cwd: Path) -> dict[str, str]:
        """Variables by which no program counts that a repository's settings name, or the files that they include.
        `where`: the option that says which; empty: the one around `cwd`."""
        signature = _settings_of(Path(where.removeprefix("--git-dir="))) if where else None
        if signature is not None and signature in self._known:
            return self._known[signature]
        listed = [
            self._program,
            *([where] if where else []),
            "config",
            "-z",
            "--list",
            "--name-only",
            "--show-scope",
        ]
        done = _finished(listed, cwd, self._env, b"")
        fields = os.fsdecode(done.stdout).split("\0")
        found = overrides(list(zip(fields[::2], fields[1::2], strict=False)))
        if signature is not None:
            self._known[signature] = found
        return found


def end_gits(mark: str) -> None:
    """What a killed session has left at work would make, and lock, what another has removed since. Each is asked to
    end, on which it removes its lock files and what it had half made. Slow: call it in a thread."""
    ask_to_end(_marked(mark), PATIENCE)


def _marked(mark: str) -> str:
    return f"git:{mark}"


def overrides(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Variables that make a repository's own programs count for nothing. `settings`: scope and name of each."""
    own = [name for scope, name in settings if scope in ("local", "worktree")]
    empty = {name: "" for name in own if _RUNS.fullmatch(name)}
    optional = {f"{found[1]}.required": "false" for name in own if (found := _REQUIRED.fullmatch(name))}
    chosen = [*empty.items(), *optional.items()]
    variables = {"GIT_CONFIG_COUNT": str(len(chosen))}
    for number, (name, value) in enumerate(chosen):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables if chosen else {}


def _settings_of(git_dir: Path) -> Hashable:
    """By which it is known that they are those that were read; all worktrees without any of their own have the
    repository's. None: that cannot be known."""
    own, found = git_dir / "config.worktree", []
    try:
        with suppress(FileNotFoundError):
            common = (git_dir / "commondir").read_bytes()[:4096]
            git_dir = (git_dir / os.fsdecode(common).strip()).resolve()
        for place in (git_dir / "config", *([own] if os.path.lexists(own) else [])):
            if b"include" in place.read_bytes().lower():
                return None
            status = place.stat()
            found.append((place, status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino))
    except OSError:
        return None
    return tuple(found)


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
