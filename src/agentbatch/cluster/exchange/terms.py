"""What the engine and a node tell each other before a task's work begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agentbatch.workspace.workspace import Limits, Order

SILENCE = 30.0
"""Seconds without a word from the engine after which its hands end themselves and what they have running."""

BUNDLE, SIDE, MAIN = -1, 0, 1
"""Numbers of what a worktree is made of, of the directory as it travels, and of the task's workspace; forks and
programs have higher ones."""


@dataclass(frozen=True)
class Lease:
    """What a task asks a cluster for, for as long as it lasts."""

    cpus: float = 1.0
    memory: int = 0
    """Bytes; 0: nothing is said of it."""
    resources: tuple[tuple[str, float], ...] = ()
    """The cluster's own, by name: `("gpu", 1)`."""


def lease_of(limits: Limits, cpus: float, resources: Mapping[str, float]) -> Lease:
    """`cpus`: of a task that says nothing."""
    return Lease(limits.cpus or cpus, limits.memory, tuple(resources.items()))


@dataclass(frozen=True)
class Walls:
    """What keeps a task's commands inside, on a node as at home."""

    sandbox: Literal["bubblewrap", "none", "auto"]
    """`bubblewrap`: there is to be one; `none`: none was asked for; `auto`: one that works, if there is one."""
    network: bool
    engine: Literal["podman", "docker"] | None = None
    """Of containers, for tasks that have an image; None: the first that answers there."""
    hidden_dirs: tuple[str, ...] = ()
    hidden_files: tuple[str, ...] = ()
    """Absolute paths. Both only where the nodes have the engine's directories."""


@dataclass(frozen=True)
class Checkout:
    """A git worktree that a node is to make."""

    commit: str
    name: str
    """Of the folder with its files."""
    inside: str
    """The task's directory in it, relative; `.`: the whole."""


@dataclass(frozen=True)
class Posting:
    """A task's work, as a node is told of it."""

    mark: str
    """Of the run: the same in every session of it."""
    fence: int
    """Of the session; a later one's is higher."""
    order: Order
    """`directory` is the engine's own. `env` holds no secret."""
    walls: Walls
    shared: bool
    """The node has that very directory."""
    checkout: Checkout | None = None
    """None: the task works in no worktree, or in that very one."""


@dataclass(frozen=True)
class Arrival:
    """A node that is ready for a task."""

    address: str
    host: str
    directory: str
    """Where the task's directory is there."""


@dataclass(frozen=True)
class NodeReport:
    """A node as `doctor --cluster` sees it."""

    address: str
    host: str
    system: str
    python: str
    version: str
    """Ours, there."""
    sandbox: str
    trouble: str
    """Why there is no sandbox; empty: there is one."""
    programs: Mapping[str, str]
    """What commands of tasks will look for, by name: where it is; empty: nowhere."""
    clock: float
    """Seconds since the epoch."""
    free: int
    """Bytes on the disk that tasks work on."""
    folder: str
    keys: tuple[str, ...] = ()
    """Names of variables with keys that whoever has started the node left it."""
    open_to_all: bool = False
    """Who reaches the cluster needs no token: a task's commands could."""
