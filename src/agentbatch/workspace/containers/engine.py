"""A container engine of this machine: found by asking, and how it is spoken to."""

import json
import re
import resource
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentbatch.config import secret_variables
from agentbatch.errors import UserError
from agentbatch.files import parse_json
from agentbatch.redaction import MIN_SECRET
from agentbatch.text import clip
from agentbatch.workspace.containers.names import ENGINES, EngineName
from agentbatch.workspace.containers.seccomp_profile import hardened
from agentbatch.workspace.shell.marks import sweep

ASK_TIMEOUT = 60.0
"""Seconds for a question to the engine; it needs tenths of one, a machine under load or a first start more."""
INFO_TIMEOUT = 20.0
"""Seconds for the first question, whether it answers at all."""

REMEDY = (
    "Install podman (`apt install podman`), or docker, and see that `podman info` or `docker info` answers."
)

_LIMITS = (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
_MAX_ULIMIT = 16384
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
    lacks: tuple[str, ...] = ()
    """What it cannot limit here: `memory`, `cpus`, `processes`; some engines are silent about it."""
    mapped: bool = False
    """Docker gives containers other users' numbers unless it is told not to."""
    version: tuple[int, ...] = ()
    """Of podman; empty: not known."""
    profile: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """Of system calls, as it has it in a file; None: it has none that can be read."""
    builtin: str = ""
    """The name of the profile that it keeps in itself, where it is set up to use another one, or none."""
    env: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The variables of its client."""

    def command(self, *words: str) -> list[str]:
        return [str(self.binary), *self.options, *words]

    def ask(self, *words: str, timeout: float = ASK_TIMEOUT) -> "Answer":
        """Run one of its commands to its end. Slow: call it in a thread. Raises OSError when it does not answer."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self.command(*words),
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            cwd="/",
        ) as client:
            try:
                output, problem = client.communicate(timeout=timeout)
            except BaseException as error:
                # What a build runs outlives the client, whatever signal that is sent.
                sweep(secrets.token_hex(16), client.pid)
                client.kill()
                if isinstance(error, subprocess.TimeoutExpired):
                    told = f"{self.name} {words[0]} has not answered for {timeout:g} seconds."
                    raise OSError(told) from None
                raise
        return Answer(client.returncode, output.decode(errors="replace"), problem)


@dataclass(frozen=True)
class Answer:
    exit_code: int
    output: str
    complaints: bytes

    @property
    def problem(self) -> str:
        """What it complained of last, in one line."""
        return last_words(self.complaints)


def last_words(stderr: bytes, before: int = 0) -> str:
    """`before`: lines that stood before the last one and may say why, in brackets."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return "it says nothing of it"
    earlier = [clip(line, 400) for line in lines[:-1][-before:]] if before else []
    return clip(lines[-1].removeprefix("Error: "), 400) + (f" ({'; '.join(earlier)})" if earlier else "")


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


def client_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of `environ` what holds no key: a client of an engine passes on what it is set up to, and needs none."""
    names = secret_variables()
    keys = [environ[name] for name in names if len(environ.get(name, "")) >= MIN_SECRET]
    return {
        name: value
        for name, value in environ.items()
        if name not in names and not any(key in value for key in keys)
    }


def _asked(name: EngineName, binary: Path, environ: Mapping[str, str], user: tuple[int, int]) -> Engine:
    """Raises OSError, ValueError."""
    engine = Engine(name, binary, "0:0", env=client_environment(environ))
    form = "json" if name == "podman" else "{{json .}}"
    answer = engine.ask("info", "--format", form, timeout=INFO_TIMEOUT)
    if answer.exit_code != 0:
        raise OSError(answer.problem)
    info = json.loads(answer.output)
    return replace(read_info(engine, info, user), profile=_profile(info))


def _profile(info: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Podman's of system calls; docker keeps it in itself. Raises ValueError where no container could have it."""
    security = info.get("host", {}).get("security", {})
    if not security.get("seccompEnabled") or not security.get("seccompProfilePath"):
        return None
    try:
        profile = parse_json(Path(security["seccompProfilePath"]).read_bytes())
    except OSError:  # it runs containers in a machine of its own
        return None
    hardened(profile, network=True)
    return dict(profile)


def read_info(engine: Engine, info: Mapping[str, Any], user: tuple[int, int]) -> Engine:
    """The engine by what it says of itself. Pure. Raises ValueError."""
    try:
        rootless, mapped, lacks = _of_podman(info) if engine.name == "podman" else _of_docker(info)
    except (KeyError, TypeError, AttributeError):
        raise ValueError("its answer is not understood") from None
    # Without root, root inside is the user, and may do what the user may. Podman with root is root's own.
    inside = "0:0" if rootless or engine.name == "podman" else f"{user[0]}:{user[1]}"
    kept = ("CHOWN", "DAC_OVERRIDE", "FOWNER") if not rootless and inside.startswith("0:") else ()
    told = info.get("version") if engine.name == "podman" else None
    builtin = "" if engine.name == "podman" else _other_than_builtin(info)
    return replace(
        engine, user=inside, kept=kept, lacks=lacks, mapped=mapped, version=_numbers(told), builtin=builtin
    )


def _numbers(told: Any) -> tuple[int, ...]:
    text = str(told.get("Version", "")) if isinstance(told, dict) else ""
    return tuple(map(int, re.findall(r"\d+", text.partition("-")[0])[:3]))


def _of_podman(info: Mapping[str, Any]) -> tuple[bool, bool, tuple[str, ...]]:
    """Without root it ignores limits where control groups are of version 1, whatever controllers there are."""
    host = info["host"]
    rootless = bool(host["security"]["rootless"])
    there = () if rootless and host.get("cgroupVersion") == "v1" else host.get("cgroupControllers") or ()
    names = {"memory": "memory", "cpus": "cpu", "processes": "pids"}
    return rootless, False, tuple(name for name, controller in names.items() if controller not in there)


def _of_docker(info: Mapping[str, Any]) -> tuple[bool, bool, tuple[str, ...]]:
    if problems := info.get("ServerErrors"):
        raise ValueError("; ".join(map(str, problems)))
    options = [str(option) for option in info.get("SecurityOptions") or ()]
    told = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota", "processes": "PidsLimit"}
    lacks = tuple(name for name, field in told.items() if not info.get(field, True))
    return any("name=rootless" in one for one in options), any("name=userns" in one for one in options), lacks


def _other_than_builtin(info: Mapping[str, Any]) -> str:
    options = [str(option) for option in info.get("SecurityOptions") or ()]
    profiles = [one.partition("profile=")[2] for one in options if one.startswith("name=seccomp")]
    return "builtin" if any(one not in ("builtin", "default", "") for one in profiles) else ""


def resource_limits() -> list[str]:
    """What the engine is to set for open files and processes: never above what it may, which is an error in it."""
    words = []
    for name, which in _LIMITS:
        hard = resource.getrlimit(which)[1]
        most = _MAX_ULIMIT if hard == resource.RLIM_INFINITY else min(hard, _MAX_ULIMIT)
        words += ["--ulimit", f"{name}={most}:{most}"]
    return words
