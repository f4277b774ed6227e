"""The kinds of coders that there are, as a run is prepared with them. The one file that knows them all."""

import importlib.util
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from agentbatch.errors import UserError
from agentbatch.tasks.coders.acp.coder import AcpCoder
from agentbatch.tasks.coders.builtin.kind import BuiltinKind
from agentbatch.tasks.coders.catalog.catalog import load_coders
from agentbatch.tasks.coders.catalog.entry import CoderEntry, Protocol
from agentbatch.tasks.coders.external.kind import ExternalKind
from agentbatch.tasks.coders.kind import CoderKind


def _not_yet(folder: Path, entry: CoderEntry) -> CoderKind:
    raise UserError(f"The coder {entry.name} cannot be driven yet ({entry.protocol}).")


def _acp(folder: Path, entry: CoderEntry) -> CoderKind:
    if importlib.util.find_spec("acp") is None:
        raise UserError(f"The coder {entry.name} needs a package: pip install 'agentbatch[agents]'.")
    return ExternalKind(entry, AcpCoder)


KINDS: Mapping[Protocol, Callable[[Path, CoderEntry], CoderKind]] = MappingProxyType(
    {"builtin": lambda folder, entry: BuiltinKind(folder), "acp": _acp, "command": _not_yet}
)
"""Each is made with the folder that the command runs in, where its own files are looked for; raises UserError."""


class CoderKinds:
    """Those of agents/coders.toml, each made when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, CoderKind] = {}

    @cached_property
    def entries(self) -> Mapping[str, CoderEntry]:
        return load_coders(self._folder)

    def get(self, name: str) -> CoderKind:
        """Raises UserError where there is no such coder."""
        if name not in self._made:
            entry = self.entries[name]
            self._made[name] = KINDS[entry.protocol](self._folder, entry)
        return self._made[name]
