"""The images of a run: had before its first task starts, and tried with the very flags that its containers get."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from agentbatch.errors import UserError
from agentbatch.text import clip
from agentbatch.workspace.containers.command_lines import REFERENCE, Inside, run_arguments
from agentbatch.workspace.containers.engine import Answer, Engine, resource_limits
from agentbatch.workspace.workspace import Image, Limits

PULL_TIMEOUT = 3600.0
"""Seconds for one image: gigabytes over a slow line."""
PROBE_TIMEOUT = 120.0
PROBE = 'type -P bash && printf %s "$PATH"'
"""Prints where bash is, and where programs are looked for."""


@dataclass(frozen=True)
class Had:
    """An image that is there."""

    reference: str
    """By which the engine has it."""
    bash: str
    """Where it has bash."""
    path: str
    """Its PATH."""


def check_name(image: Image) -> None:
    """Raises UserError."""
    if image.name and not REFERENCE.fullmatch(image.name):
        raise UserError(
            f"{clip(repr(image.name), 200)} is no name of an image; one looks like python:3.12 or "
            "ghcr.io/owner/name@sha256:..."
        )


def have_images(
    engine: Engine,
    images: Iterable[Image],
    limits: Sequence[Limits],
    network: bool,
    tell: Callable[[str], None],
) -> tuple[Engine, dict[Image, Had]]:
    """Each of them, pulled where it is missing, and tried. `limits`: all that the run's tasks have. Returns the engine
    as it works here. Slow: call it in a thread. Raises UserError, OSError."""
    had: dict[Image, Had] = {}
    for image in dict.fromkeys(images):
        reference = _reference(engine, image, tell)
        engine, shown = _tried(engine, reference, limits, network)
        bash, _, path = shown.partition("\n")
        if not bash.startswith("/"):
            raise UserError(
                f"The image {reference} has no bash at a place of its own, by which commands are run."
            )
        had[image] = Had(reference, bash, path)
    return engine, had


def _reference(engine: Engine, image: Image, tell: Callable[[str], None]) -> str:
    if engine.ask("image", "inspect", "--format", "{{.Id}}", "--", image.name).exit_code != 0:
        tell(f"Pulling the image {image.name}.")
        answer = engine.ask("pull", "--quiet", "--", image.name, timeout=PULL_TIMEOUT)
        if answer.exit_code != 0:
            raise UserError(f"The image {image.name} cannot be had: {answer.problem}")
    return image.name


def _tried(engine: Engine, reference: str, limits: Sequence[Limits], network: bool) -> tuple[Engine, str]:
    """Podman's usual runtime does not work on every machine where runc does."""
    answer = _probe(engine, reference, limits, network)
    another = (
        engine.name == "podman" and not engine.options and shutil.which("runc", path=engine.env.get("PATH"))
    )
    if answer.exit_code != 0 and another:
        other = replace(engine, options=("--runtime", "runc"))
        second = _probe(other, reference, limits, network)
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


def _probe(engine: Engine, reference: str, limits: Sequence[Limits], network: bool) -> Answer:
    most = Limits(
        memory=max((one.memory for one in limits), default=0),
        cpus=max((one.cpus for one in limits), default=0.0),
        processes=max((one.processes for one in limits), default=0),
    )
    inside = Inside(reference, "bash", (), network, most, "probe")
    words = run_arguments(engine, "", inside, resource_limits(), script=PROBE)
    return engine.ask(*words[len(engine.command()) :], timeout=PROBE_TIMEOUT)
