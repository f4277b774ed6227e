"""The container engines that are known, by name. Nothing else: a run without images asks for no more."""

from typing import Literal

EngineName = Literal["podman", "docker"]
ENGINES: tuple[EngineName, ...] = ("podman", "docker")
