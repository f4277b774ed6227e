"""The server for `--local`, checked before a run: which file, how large a server."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.local.gguf import ModelHeader, read_header
from agentbatch.local.machine import Machine, this_machine
from agentbatch.local.sizing import ServerSize, gigabytes, size_server

INSTALL = "pip install 'agentbatch[local]'"


@dataclass(frozen=True)
class ServerPlan:
    name: str
    """The model's name in results: the catalogue's, or the file's without its suffix."""
    path: Path
    header: ModelHeader
    machine: Machine
    size: ServerSize

    @property
    def identity(self) -> str:
        return f"local:{self.path.name}:{self.header.file_bytes}"

    @property
    def warning(self) -> str:
        """A sentence about a problem with the model; empty: none."""
        if not self.header.chat_template:
            return f"{self.path.name} has no chat template: it is probably not an instruct model, and will ramble."
        return ""

    def describe(self) -> str:
        """The server, in one line."""
        size, plural = self.size, "s" if self.size.slots != 1 else ""
        threads = f"{size.threads} thread{'s' if size.threads != 1 else ''}"
        memory = f"about {gigabytes(size.memory)} of {gigabytes(self.machine.memory_available)} GB memory"
        slots = f"{size.slots} slot{plural} of {size.context:,} tokens"
        return f"{self.path.name}: {weights(self.header.parameters)}, {slots}, {threads}, {memory}"


def llama_version() -> str:
    """The installed llama.cpp's (xllamacpp's) version. Raises UserError when there is none."""
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"--local needs llama.cpp, which is not installed: {INSTALL}") from None


def plan_server(
    path: Path, name: str, slots: int, *, context: int | None = None, threads: int | None = None
) -> ServerPlan:
    """Raises UserError when llama.cpp is not installed, the file is not a usable model, or memory is too small."""
    llama_version()
    header = read_header(path)
    machine = this_machine()
    return ServerPlan(name, path, header, machine, size_server(header, machine, slots, context, threads))


def weights(count: int) -> str:
    """`135M`, `1.5B`, `30B`."""
    if count < 999_500_000:
        return f"{count / 1e6:.0f}M"
    billions = count / 1e9
    return f"{billions:.1f}B" if billions < 9.95 else f"{billions:.0f}B"
