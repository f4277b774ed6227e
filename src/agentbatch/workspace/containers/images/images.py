"""The images of a run: had before its first task starts, and tried with the very flags that its containers get."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.text import clip, list_names
from agentbatch.workspace.containers.command_lines import Inside, is_reference, run_arguments
from agentbatch.workspace.containers.engine import Answer, Engine, resource_limits
from agentbatch.workspace.containers.images.building import build
from agentbatch.workspace.containers.seccomp_profile import write_profile
from agentbatch.workspace.workspace import Image, Limits

PULL_TIMEOUT = 3600.0
"""Seconds for one image: gigabytes over a slow line."""
PROBE_TIMEOUT = 120.0
AT_ONCE = 4
"""Images that are tried at the same time: each keeps two processors busy for half a second."""
PROBE = """\
type -P bash || exit
printf '%s\\n' "$PATH"
for one; do type -P -- "$one" >/dev/null || printf '%s\\n' "$one"; done
"""
"""Prints where bash is, where programs are looked for, and those that are not found."""


@dataclass(frozen=True)
class AvailableImage:
    """An image that is there."""

    reference: str
    """By which the engine has it."""
    bash: str
    """Where it has bash."""
    path: str
    """Its PATH."""
    keeps: bool = False
    """As `Inside.keeps`."""


def check_name(image: Image) -> None:
    """Raises UserError."""
    if image.name and not is_reference(image.name):
        raise UserError(
            f"{clip(repr(image.name), 200)} is no name of an image; one looks like python:3.12 or "
            "ghcr.io/owner/name@sha256:..."
        )


@dataclass(frozen=True)
class ImageRequest:
    """What a run wants of its containers."""

    images: tuple[Image, ...]
    limits: tuple[Limits, ...] = ()
    """All that its tasks have."""
    network: bool = True
    programs: Mapping[Image, frozenset[str]] = field(default_factory=dict)
    """Those that are opened in it."""
    hidden: tuple[Path, ...] = ()
    """What no task may see, and so no image that is built."""
    apart: tuple[Path, ...] = ()
    """What changes with each run, and only comes into an image whose Dockerfile names it."""


def have_images(
    engine: Engine, wanted: ImageRequest, tell: Callable[[str], None]
) -> tuple[Engine, dict[Image, AvailableImage]]:
    """Each of them, pulled or built where it is missing, and tried. Returns the engine as it works here. Slow: call it
    in a thread. Raises UserError, OSError."""
    _check_limits(engine, wanted.limits)
    references: dict[Image, str] = {}
    for image in dict.fromkeys(replace(one, workdir="") for one in wanted.images):
        engine, references[image] = _reference(engine, image, wanted, tell)
    had: dict[Image, AvailableImage] = {}
    first, *others = references
    engine, had[first] = _had(engine, first, references[first], wanted)  # and how the engine works here
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(partial(_had, engine, wanted=wanted), others, map(references.__getitem__, others))
        for image, (other, one) in zip(others, found, strict=True):
            engine, had[image] = other if other.options else engine, one
    return engine, {image: had[replace(image, workdir="")] for image in wanted.images}


def _had(engine: Engine, image: Image, reference: str, wanted: ImageRequest) -> tuple[Engine, AvailableImage]:
    """Raises UserError, OSError."""
    programs = {
        name for one, names in wanted.programs.items() if replace(one, workdir="") == image for name in names
    }
    engine, shown = _tried(engine, reference, wanted, sorted(programs))
    bash, path, *missing = [*shown.split("\n"), "", ""]
    if not bash.startswith("/"):
        raise UserError(
            f"The image {reference} has no bash at a place of its own, by which commands are run."
        )
    if missing := [name for name in missing if name]:
        raise UserError(
            f"The image {reference} lacks {list_names(missing)}, which a task's coder needs: build one that has it "
            "(`dockerfile`)."
        )
    return engine, AvailableImage(reference, bash, path, _keeps(engine, reference))


def _check_limits(engine: Engine, limits: Sequence[Limits]) -> None:
    asked = {name for one in limits for name in ("memory", "cpus", "processes") if getattr(one, name)}
    if lacking := sorted(asked.intersection(engine.lacks)):
        raise UserError(
            f"{engine.name} cannot limit {list_names(lacking)} here: it has no control groups for that (without root, "
            "those of version 2 are needed, handed over to you). Leave it out, or run as root."
        )


def _keeps(engine: Engine, reference: str) -> bool:
    """Whether it has volumes, which podman is told to leave out."""
    if engine.name == "podman":
        return False
    shown = engine.ask("image", "inspect", "--format", "{{json .Config.Volumes}}", "--", reference)
    return shown.output.strip() not in ("null", "{}")


def _reference(
    engine: Engine, image: Image, wanted: ImageRequest, tell: Callable[[str], None]
) -> tuple[Engine, str]:
    if image.dockerfile:
        return _built(engine, Path(image.dockerfile), wanted, tell)
    if engine.ask("image", "inspect", "--format", "{{.Id}}", "--", image.name).exit_code != 0:
        tell(f"Pulling the image {image.name}.")
        answer = engine.ask("pull", "--quiet", "--", image.name, timeout=PULL_TIMEOUT)
        if answer.exit_code != 0:
            raise UserError(f"The image {image.name} cannot be had: {answer.problem}")
    return engine, image.name


def _built(
    engine: Engine, dockerfile: Path, wanted: ImageRequest, tell: Callable[[str], None]
) -> tuple[Engine, str]:
    other = _with_runc(engine)
    try:
        return engine, build(engine, dockerfile, wanted.hidden, tell, wanted.apart)
    except UserError:
        if other is None:
            raise
        return other, build(
            other, dockerfile, wanted.hidden, lambda _: None, wanted.apart
        )  # it was told already


def _with_runc(engine: Engine) -> Engine | None:
    """Podman's usual runtime does not work on every machine where runc does. None: there is no other way."""
    if engine.name != "podman" or engine.options or not shutil.which("runc", path=engine.env.get("PATH")):
        return None
    return replace(engine, options=("--runtime", "runc"))


def _tried(
    engine: Engine, reference: str, wanted: ImageRequest, programs: Sequence[str]
) -> tuple[Engine, str]:
    """The engine as it works here, and what the probe has printed. Raises UserError, OSError."""
    answer, other = _probe(engine, reference, wanted, programs), _with_runc(engine)
    if answer.exit_code != 0 and other is not None:
        second = _probe(other, reference, wanted, programs)
        if second.exit_code == 0 or _lacks_bash(second):
            engine, answer = other, second
    if _lacks_bash(answer):
        raise UserError(
            f"The image {reference} has no bash, by which commands are run. Take one that has it."
        )
    if answer.exit_code != 0:
        raise UserError(f"No container of {reference} can be started: {answer.problem}")
    return engine, answer.output


def _lacks_bash(answer: Answer) -> bool:
    return answer.exit_code == 127 or (
        answer.exit_code != 0 and '"bash": executable file not found' in answer.problem
    )


def _probe(engine: Engine, reference: str, wanted: ImageRequest, programs: Sequence[str]) -> Answer:
    most = Limits(
        memory=max((one.memory for one in wanted.limits), default=0),
        cpus=max((one.cpus for one in wanted.limits), default=0.0),
        processes=max((one.processes for one in wanted.limits), default=0),
    )
    inside, name = (
        Inside(reference, "bash", wanted.network, most, "probe"),
        f"agentbatch-{secrets.token_hex(12)}",
    )
    # The image's own bash need not end; podman sees to that also where we are killed.
    ends = ("--timeout", f"{PROBE_TIMEOUT:g}") if engine.name == "podman" else ()
    with tempfile.TemporaryDirectory(prefix="agentbatch-probe-") as folder:
        profile = None
        if engine.profile is not None:
            profile = write_profile(engine.profile, Path(folder, "seccomp.json"), network=wanted.network)
        words = run_arguments(engine, name, inside, (), resource_limits(), PROBE, profile)
        first, *others = words[len(engine.command()) :]
        try:
            return engine.ask(first, *ends, *others, *programs, timeout=PROBE_TIMEOUT)
        except OSError:
            engine.ask("rm", "--force", "--volumes", "--", name)
            raise
