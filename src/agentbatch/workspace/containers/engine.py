"""A container engine of this machine: found by asking, and how it is spoken to."""

import json
import resource
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.text import clip

EngineName = Literal["podman", "docker"]
ENGINES: tuple[EngineName, ...] = ("podman", "docker")

ASK_TIMEOUT = 60.0
"""Seconds for a question to the engine; it needs tenths of one, a machine under load or a first start more."""
INFO_TIMEOUT = 20.0
"""Seconds for the first question, whether it answers at all."""

REMEDY = (
    "Install podman (`apt install podman`), or docker, and see that `podman info` or `docker info` answers."
)

_LIMITS = (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
_MOST = 16384
"""Of either, as every command has it (`shell.LIMITS`)."""


@dataclass(frozen=True)
class Engine:
    """What the machine has, found out once a run."""

    name: EngineName
    binary: Path
    user: str
    """As whom commands run inside, `UID:GID`, so that what they write in the task's directory belongs to the user."""
    options: tuple[str, ...] = ()
    """Of each of its commands, before its name."""
    kept: tuple[str, ...] = ()
    """Capabilities that commands keep."""
    mapped: bool = False
    """Docker gives containers other users' numbers unless it is told not to."""
    env: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The variables of its client."""

    def command(self, *words: str) -> list[str]:
        return [str(self.binary), *self.options, *words]

    def ask(self, *words: str, timeout: float = ASK_TIMEOUT) -> "Answer":
        """Run one of its commands to its end. Slow: call it in a thread. Raises OSError when it does not answer."""
        try:
            done = subprocess.run(
                self.command(*words),
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                cwd="/",
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"{self.name} {words[0]} has not answered for {timeout:g} seconds.") from None
        return Answer(done.returncode, done.stdout.decode(errors="replace"), last_words(done.stderr))


@dataclass(frozen=True)
class Answer:
    exit_code: int
    output: str
    problem: str
    """What it complained of last, in one line."""


def last_words(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return clip(lines[-1].removeprefix("Error: "), 400) if lines else "it says nothing of it"


def find_engine(asked: EngineName | None, environ: Mapping[str, str], user: tuple[int, int]) -> Engine:
    """The engine of that name, or the first that answers. `environ`: the variables of its client, whose PATH leads to
    no task's directory; `user`: whom files are to belong to. Raises UserError."""
    problems = []
    for name in (asked,) if asked else ENGINES:
        found = shutil.which(name, path=environ.get("PATH"))
        if found is None:
            problems.append(f"{name} is not installed")
            continue
        try:
            return _asked(name, Path(found), environ, user)
        except json.JSONDecodeError:
            problems.append(f"what {found} answers is not what {name} does")
        except (OSError, ValueError) as error:
            problems.append(f"{name} does not answer ({clip(str(error).rstrip('.'), 300)})")
    what = f"--sandbox {asked}" if asked else "Tasks have images"
    raise UserError(f"{what}: {' and '.join(problems)}. {REMEDY}")


def _asked(name: EngineName, binary: Path, environ: Mapping[str, str], user: tuple[int, int]) -> Engine:
    """Raises OSError, ValueError."""
    engine = Engine(name, binary, "0:0", env=environ)
    form = "json" if name == "podman" else "{{json .}}"
    answer = engine.ask("info", "--format", form, timeout=INFO_TIMEOUT)
    if answer.exit_code != 0:
        raise OSError(answer.problem)
    return read_info(engine, json.loads(answer.output), user)


def read_info(engine: Engine, info: Mapping[str, object], user: tuple[int, int]) -> Engine:
    """The engine by what it says of itself. Pure. Raises ValueError."""
    if engine.name == "podman":
        host = info.get("host")
        security = host.get("security") if isinstance(host, dict) else None
        if not isinstance(host, dict) or not isinstance(security, dict):
            raise ValueError("its answer is not understood")
        rootless, mapped = bool(security.get("rootless")), False
    else:
        if problems := info.get("ServerErrors"):
            raise ValueError("; ".join(map(str, problems)) if isinstance(problems, list) else str(problems))
        options = info.get("SecurityOptions") or []
        names = [str(option) for option in options] if isinstance(options, list) else []
        rootless = any("name=rootless" in one for one in names)
        mapped = any("name=userns" in one for one in names)
    # Without root, root inside is the user, and may do what the user may. Podman with root is root's own.
    inside = "0:0" if rootless or engine.name == "podman" else f"{user[0]}:{user[1]}"
    kept = ("CHOWN", "DAC_OVERRIDE", "FOWNER") if not rootless and inside.startswith("0:") else ()
    return Engine(
        engine.name, engine.binary, inside, options=engine.options, kept=kept, mapped=mapped, env=engine.env
    )


def resource_limits() -> list[str]:
    """What the engine is to set for open files and processes: never above what it may, which is an error in it."""
    words = []
    for name, which in _LIMITS:
        hard = resource.getrlimit(which)[1]
        most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
        words += ["--ulimit", f"{name}={most}:{most}"]
    return words
