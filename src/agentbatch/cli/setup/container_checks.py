"""What `agentbatch doctor --sandbox podman|docker` and `--image` try: the engine, and a container of the image."""

from collections.abc import Callable, Mapping
from pathlib import Path

from agentbatch.config import Settings, secret_variables
from agentbatch.workspace.images import ImageRequest, have_images
from agentbatch.workspace.preparation import choose_place
from agentbatch.workspace.workspace import Image

ANY = Image("any")


def in_containers(
    settings: Settings, folder: Path, environ: Mapping[str, str], tell: Callable[[str], None]
) -> str:
    """What works, in words. `tell` is given what takes long. Slow. Raises UserError, OSError."""
    image = ANY if settings.image is None else Image(settings.image)
    keyless = {name: value for name, value in environ.items() if name not in secret_variables()}
    away = settings.cluster is not None
    _, engine = choose_place(settings.sandbox, [("--image", folder, image)], folder, keyless, elsewhere=away)
    if engine is None:
        tried = "" if settings.image else "; --image NAME also tries an image"
        return f"containers, on the machines of the cluster{tried}"
    if settings.image is None:
        return f"{engine.name} answers ({engine.binary}); --image NAME also tries an image"
    engine, had = have_images(engine, ImageRequest((image,), network=not settings.no_network), tell)
    return f"{engine.name} ({' '.join(engine.command())}), {image.name}, bash in {had[image].bash}"
