"""Workspaces of this machine, without a sandbox."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from agentbatch.redaction import Redactor
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.local_workspace import LocalWorkspace, SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.tools.toolbox import HANDS, choose_hands

UNSANDBOXED = SandboxChoice("none", None, "")


def rules(
    home: Path,
    hidden_dirs: Sequence[Path] = (),
    hidden_files: Sequence[Path] = (),
    choice: SandboxChoice = UNSANDBOXED,
    network: bool = True,
) -> SandboxRules:
    return SandboxRules(choice, network, home, tuple(hidden_dirs), tuple(hidden_files))


def local_workspaces(
    tasks: Path,
    environ: Mapping[str, str],
    hidden_files: Sequence[Path] = (),
    choice: SandboxChoice = UNSANDBOXED,
) -> LocalWorkspaces:
    """Those of a run with its tasks' folders in `tasks`."""
    given = rules(tasks, hidden_files=hidden_files, choice=choice)
    return LocalWorkspaces("r1", tasks, environ, given, secret_names=(), redact=Redactor([]))


def local_workspace(
    root: Path,
    outputs: Path,
    *,
    env: Mapping[str, str] | None = None,
    redact: Redactor | None = None,
    command_timeout: float = 60.0,
    choice: SandboxChoice = UNSANDBOXED,
    network: bool = True,
    guard: Guard | None = None,
) -> LocalWorkspace:
    """One with all tools, in a directory that exists."""
    given = rules(root.parent, choice=choice, network=network)
    return LocalWorkspace(
        root,
        rules=given,
        sandbox=given.sandbox(root, {}, [outputs]),
        env=env or {},
        outputs=outputs,
        scratch=outputs.parent / "scratch",
        hands=choose_hands(list(HANDS), command_timeout),
        homes=outputs.parent / "homes",
        redact=redact or Redactor([]),
        disk=DiskWork(),
        contents=Contents(),
        guard=guard,
    )
