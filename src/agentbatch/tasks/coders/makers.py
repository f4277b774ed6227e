"""The kinds of coders that there are, as a run is prepared with them. The one file that knows them all."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from agentbatch.mcp.server import McpServer
from agentbatch.tasks.coders.builtin.definition import load_coder
from agentbatch.tasks.coders.builtin.kind import BuiltinKind
from agentbatch.tasks.coders.catalog.catalog import load_coders, python_entry
from agentbatch.tasks.coders.catalog.entry import CoderEntry, Protocol
from agentbatch.tasks.coders.kind import CoderKind
from agentbatch.tasks.coders.python import MakeCoder as MakeCoder
from agentbatch.tasks.coders.python import PythonKind
from agentbatch.tasks.spec.escalation import Escalation


def _external(folder: Path, entry: CoderEntry) -> CoderKind:
    from agentbatch.tasks.coders.acp.session import AcpSession
    from agentbatch.tasks.coders.command.session import CommandSession
    from agentbatch.tasks.coders.external.kind import ExternalKind

    return ExternalKind(entry, AcpSession if entry.protocol == "acp" else CommandSession)


KINDS: Mapping[Protocol, Callable[[Path, CoderEntry], CoderKind]] = MappingProxyType(
    {
        "builtin": lambda folder, entry: BuiltinKind(folder),
        "acp": _external,
        "command": _external,
    }
)
"""Each is made with the folder that the command runs in, where its own files are looked for; raises UserError."""


class CoderKinds:
    """Those of agents/coders.toml, each made when it is asked for."""

    def __init__(
        self, folder: Path, logins: Collection[str] = (), own: Mapping[str, MakeCoder] = MappingProxyType({})
    ) -> None:
        """`logins`: names of those that use a login of their own; `own`: those of the program that uses us, by name.
        Raises UserError for a name that is none, or is taken."""
        self.folder = folder
        self._logins = logins
        self._made: dict[str, CoderKind] = {name: PythonKind(name, make) for name, make in own.items()}
        self._own = {name: python_entry(name, load_coders(folder)) for name in own}

    @cached_property
    def entries(self) -> Mapping[str, CoderEntry]:
        return {
            name: entry.logged_in() if name in self._logins else entry.without_login()
            for name, entry in load_coders(self.folder).items()
        } | self._own

    def usual_steps(self, name: str) -> tuple[Escalation, ...]:
        """How a coder escalates where nobody says anything; those of others have no steps of their own."""
        entry = self.entries.get(name)
        return self.get(name).escalate if entry is not None and entry.protocol == "builtin" else ()

    @cached_property
    def servers(self) -> Mapping[str, McpServer]:
        """Of tools, that agents/coder.toml gives to all tasks."""
        return load_coder(self.folder).mcp.servers

    def get(self, name: str) -> CoderKind:
        """Of a coder that there is."""
        if name not in self._made:
            entry = self.entries[name]
            self._made[name] = KINDS[entry.protocol](self.folder, entry)
        return self._made[name]
