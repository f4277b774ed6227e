"""The command lines that a container engine is given. Pure."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentbatch.patterns import regex
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.mounts import Bind
from agentbatch.workspace.workspace import Limits

MARK_LABEL = "agentbatch.mark"
"""By which the containers of a run are found."""
HOLDER = "65534:65534"
"""Who waits in a container for the engine to end: nobody, whom no command may signal, trace, or read from."""

WAIT = "echo; while read -r _; do :; done"
"""The first process of a container, whose end is that of all in it: it says that it is there, and waits for the end of
its input, which comes also when we are killed."""

AROUND = """\
. "$1"; shift
exec 3>&2 2>/dev/null
"$@" 2>&3 3>&-
code=$?
kill -9 -1
exit $code"""
"""Takes a file of variables and a command line. What that has left is ended at once, so that nobody waits for more
output; from outside it is looked for again."""
IN_ORDER = AROUND.replace("2>&3", "2>&1")
"""The same with both outputs in one pipe: the engine has two, and no order between them."""

_OF_BASH = frozenset(("BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"))
"""Variables that no bash takes."""

PROXIES = tuple(f"{name}_proxy" for name in ("http", "https", "ftp", "all", "no"))
"""Engines pass them on, with a password where there is one, unless they are given."""

OF_PODMAN = (
    "--read-only-tmpfs=false",
    "--http-proxy=false",
    "--env-host=false",
    "--image-volume=ignore",
)
"""What it does unless it is told not to, or is set up to do: places to write to, variables of ours, folders that an
image keeps beside itself and in which a command would leave things to the next."""

REFERENCE = regex(
    r"[a-z0-9][\w.-]*(:\d{1,5}(?=/))?(/[a-z0-9_][\w.-]*)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    re.ASCII | re.IGNORECASE,
)
"""An image's name, as engines have it from a registry: no option, no path."""
TRANSPORTS = frozenset(
    (
        "containers-storage",
        "dir",
        "docker",
        "docker-archive",
        "docker-daemon",
        "oci",
        "oci-archive",
        "ostree",
        "sif",
    )
)
"""Before a colon podman takes these for other places than a registry: archives and folders of this machine."""


def is_reference(name: str) -> bool:
    return REFERENCE.fullmatch(name) is not None and name.partition(":")[0] not in TRANSPORTS


@dataclass(frozen=True)
class Inside:
    """What a container is made of."""

    image: str
    bash: str
    """Its place in the image."""
    network: bool
    limits: Limits
    mark: str
    """Of the run."""
    keeps: bool = False
    """It has folders in which what a command writes outlives it, for as long as the container lasts."""


def run_arguments(
    engine: Engine,
    name: str,
    inside: Inside,
    binds: Sequence[Bind],
    limits: Sequence[str],
    script: str = WAIT,
    profile: Path | None = None,
) -> list[str]:
    """Starts a container that waits; it is gone when it has ended. `name`: empty for any; `limits`:
    `engine.resource_limits()`; `profile`: of system calls, None: the engine's own."""
    calls = str(profile) if profile is not None else engine.builtin
    rights = (word for right in engine.kept for word in ("--cap-add", right))
    return engine.command(
        *("run", "--rm", "--interactive", "--pull", "never", "--log-driver", "none", "--no-healthcheck"),
        *(("--name", name) if name else ()),
        *("--label", f"{MARK_LABEL}={inside.mark}"),
        *("--user", HOLDER, "--read-only", "--cap-drop", "all", *rights),
        *("--security-opt", "no-new-privileges", "--security-opt", "label=disable"),
        *(("--security-opt", f"seccomp={calls}") if calls else ()),
        *(("--userns", "host") if engine.name == "podman" or engine.mapped else ()),
        *(OF_PODMAN if engine.name == "podman" else ()),
        *(word for proxy in PROXIES for both in (proxy, proxy.upper()) for word in ("--env", f"{both}=")),
        *(() if inside.network else ("--network", "none")),
        *limits,
        *_limits(inside.limits),
        *(word for bind in binds for word in bind.arguments()),
        *("--workdir", "/", "--entrypoint", inside.bash, "--", inside.image, "-c", script, name),
    )


def _limits(limits: Limits) -> list[str]:
    """What it may swap out counts, too."""
    words = []
    if limits.memory:
        words += ["--memory", f"{limits.memory}b", "--memory-swap", f"{limits.memory}b"]
    if limits.cpus:
        words += ["--cpus", f"{limits.cpus:g}"]
    if limits.processes:
        words += ["--pids-limit", str(limits.processes)]
    return words


def exec_arguments(
    engine: Engine,
    name: str,
    inside: Inside,
    variables: str,
    directory: str,
    argv: Sequence[str],
    *,
    talked: bool,
    terminal: bool = False,
) -> list[str]:
    """Runs `argv` in it, in `directory`, under the variables in that file. `talked`: it has an input, which is a
    `terminal`, or not."""
    given = (*(("--interactive",) if talked else ()), *(("--tty",) if terminal else ()))
    return engine.command(
        *("exec", *given, "--user", engine.user, "--workdir", directory),
        *("--", name, inside.bash, "-c", AROUND if talked else IN_ORDER, "bash", variables, *argv),
    )


def variables_file(env: Mapping[str, str]) -> str:
    """Sets them in bash, and a language where the image has none. Values may hold anything; no command line shows them
    to the machine's other users."""
    lines = [
        f"export {name}={shlex.quote(value)}\n" for name, value in sorted(env.items()) if name not in _OF_BASH
    ]
    return "".join(['export LANG="${LANG:-C.UTF-8}"\n', *lines])
