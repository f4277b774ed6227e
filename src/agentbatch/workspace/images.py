"""What is asked of a container engine before a run whose tasks have images; others do without."""

from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images.images import AvailableImage, ImageRequest, have_images

__all__ = ["AvailableImage", "Engine", "ImageRequest", "have_images"]
