"""What the workspaces of a run on this machine have in common."""

import hashlib
import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agentbatch.config.own_environment import own_environment
from agentbatch.redaction import Redactor
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.isolation.isolation import Isolation
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.setup_cache import SetupCaches
from agentbatch.workspace.shell.environment import container_environment, shell_environment
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.marks import MARK
from agentbatch.workspace.workspace import Order

if TYPE_CHECKING:
    from agentbatch.workspace.containers.engine import Engine
    from agentbatch.workspace.containers.walls import Containers


def mark_of(tasks: Path) -> str:
    """What all that a run has started carries, by the folder of its tasks: the same in every session of the run. A
    session adds a mark of its own: the guard of one that was killed may still be ending what it left when the next one
    has begun."""
    return hashlib.sha256(os.fsencode(tasks)).hexdigest()[:32]


class LocalRun:
    """What the workspaces of a run share."""

    def __init__(
        self,
        run_id: str,
        tasks: Path,
        environ: Mapping[str, str],
        rules: SandboxRules,
        *,
        secret_names: Collection[str],
        redact: Redactor,
        repositories: Mapping[Path, Path] | None = None,
        mark: str = "",
        setups: Path | None = None,
    ) -> None:
        """`tasks`: the folder with a folder for each task of the run. `environ`: the process's variables;
        `secret_names`: those that no command gets. `redact` masks keys in what commands print. `repositories`: the git
        repository that each directory lies in, where that was settled before the run. `mark`: of its own, for what is
        no part of the run. `setups`: where what setups have made is kept; None: nowhere."""
        self.tasks = tasks
        self._environ = environ
        self.rules = rules
        self._secret_names = secret_names
        self.redact = redact
        self.disk = DiskWork()
        self.contents = Contents()
        own = own_environment(environ, rules.hidden_dirs)
        self.mark = mark or mark_of(tasks)
        self.session = f"{self.mark}-{secrets.token_hex(8)}"
        self.guard = Guard(self.session, environ)
        self.containers = None if rules.engine is None else self._containers(rules, rules.engine)
        self.own = own
        self.setups = SetupCaches(setups)
        self.isolation = Isolation(run_id, own, self.disk, self.contents, repositories or {}, self.mark)

    def _containers(self, rules: SandboxRules, engine: "Engine") -> "Containers":
        from agentbatch.workspace.containers.walls import Containers

        home = rules.home.resolve()
        return Containers(engine, rules.images, rules.network, self.mark, home, rules.hidden_dirs)

    def environment(self, order: Order) -> dict[str, str]:
        """The variables of the task's commands."""
        marks = [*filter(None, [self._environ.get(MARK)]), self.session]
        return shell_environment(self._environ, order.env, self._secret_names) | {MARK: ":".join(marks)}

    def environment_inside(self, order: Order) -> dict[str, str]:
        """The same where they run in a container."""
        return container_environment(self._environ, order.env, self._secret_names)
