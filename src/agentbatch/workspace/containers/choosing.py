"""Where the commands of a run's tasks run: in bubblewrap, in containers, or without walls. Settled before the run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentbatch.config import SandboxName
from agentbatch.errors import UserError
from agentbatch.text import list_names
from agentbatch.workspace.containers.names import ENGINES
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox
from agentbatch.workspace.workspace import Image

if TYPE_CHECKING:
    from agentbatch.workspace.containers.engine import Engine


def choose_here(asked: SandboxName, path_variable: str | None = None) -> SandboxChoice:
    """As `choose_sandbox`; what runs without an image runs in the usual one. Raises UserError."""
    return choose_sandbox("auto" if asked == "podman" or asked == "docker" else asked, path_variable)


def choose_place(
    asked: SandboxName,
    images: Sequence[tuple[str, Path, Image | None]],
    base: Path,
    environ: Mapping[str, str],
    *,
    elsewhere: bool = False,
) -> tuple[SandboxChoice, "Engine | None"]:
    """The sandbox of the run's tasks, and the engine of those that have an image; `auto` finds one where some have.
    `images`: task, directory and image of each; `base`: the folder of the task file, resolved; `environ`: variables
    whose PATH leads to no task's directory; `elsewhere`: other machines have the containers, and none is looked for
    here. Raises UserError."""
    with_image = [task_id for task_id, _, image in images if image is not None]
    without = [task_id for task_id, _, image in images if image is None]
    wanted = next((name for name in ENGINES if name == asked), None)
    if wanted is not None and without:
        raise UserError(
            f"--sandbox {asked}: no image is named for {list_names(without)}. Give each an `image`, or all of them one "
            "with --image."
        )
    if not with_image:
        return choose_here(asked, environ.get("PATH")), None
    if asked in ("bubblewrap", "none"):
        raise UserError(
            f"--sandbox {asked} has no use for an image, and there is one in {list_names(with_image)}. Leave the flag "
            "out, or say --sandbox podman."
        )
    from agentbatch.workspace.containers.engine import find_engine

    _check_images(images, base)
    if elsewhere:
        return choose_sandbox("auto", environ.get("PATH")), None
    engine = find_engine(wanted, environ, (os.getuid(), os.getgid()))
    if without:
        return choose_sandbox("auto", environ.get("PATH")), engine
    return SandboxChoice(engine.name, engine.binary, ""), engine


def _check_images(images: Sequence[tuple[str, Path, Image | None]], base: Path) -> None:
    from agentbatch.workspace.containers.images.building import check_dockerfile
    from agentbatch.workspace.containers.images.images import check_name
    from agentbatch.workspace.containers.mounts import check_place

    for task_id, root, image in images:
        if image is not None:
            check_name(image)
            if image.dockerfile and (problem := check_dockerfile(Path(image.dockerfile), base)):
                raise UserError(f"Task {task_id}: its dockerfile {image.dockerfile} {problem}.")
            if problem := check_place(image.workdir or str(root)):
                what = "its workdir" if image.workdir else "its directory"
                raise UserError(
                    f"Task {task_id}: in a container {what} cannot be {image.workdir or root}, which {problem}. Give "
                    "another `workdir`, such as /work."
                )
