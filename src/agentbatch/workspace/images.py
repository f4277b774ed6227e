"""What is asked of a container engine before a run whose tasks have images; others do without."""

from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images.images import AvailableImage, Wanted, have_images

__all__ = ["AvailableImage", "Engine", "Wanted", "have_images"]
