"""How an agent's program is started: an entry of agents/coders.toml with its places filled in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from agentbatch.patterns import regex
from agentbatch.tasks.coders.catalog.entry import PLACES, CoderEntry
from agentbatch.workspace.workspace import Program, WorkspaceInfo

_PLACE = regex(r"\{(" + "|".join(PLACES) + r")\}")


@dataclass(frozen=True)
class ModelAddress:
    """Where an agent's model is, as its program is told."""

    model: str
    url: str = ""
    """The gateway's, without `/v1`; empty: it goes to its own by a login of its own."""
    token: str = ""
    """The task's, instead of a key."""
    port: int = 0


def program(
    entry: CoderEntry,
    info: WorkspaceInfo,
    address: ModelAddress,
    command: tuple[str, ...] = (),
    values: Mapping[str, str] | None = None,
) -> Program:
    """`command`: another one than the entry's first; `values`: of more places (`mcp_servers`, `session`, `prompt`)."""

    def whole(text: str) -> str:
        return filled(text, entry, info, address, values)

    return Program(
        argv=tuple(map(whole, command or entry.command)),
        home=entry.name,
        env={name: whole(value) for name, value in entry.env.items()},
        files={path: whole(text).encode() for path, text in entry.files.items()},
        credentials=entry.credentials,
        port=address.port,
    )


def filled(
    text: str,
    entry: CoderEntry,
    info: WorkspaceInfo,
    address: ModelAddress,
    values: Mapping[str, str] | None = None,
) -> str:
    """One text of the entry with its places filled in."""
    known = {
        "url": f"{address.url}/v1" if address.url else "",
        "root_url": address.url,
        "token": address.token,
        "model": address.model,
        "home": f"{info.homes}/{entry.name}",
        "directory": info.directory,
        "mcp_servers": "{}",
        **(values or {}),
    }
    return _PLACE.sub(lambda found: known.get(found[1], ""), text)
