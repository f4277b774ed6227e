"""Workspaces of this machine, by what a run was prepared with; one to look at a program before a run."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from agentbatch.config import secret_variables
from agentbatch.files import STATE_FOLDER
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.preparation import SETUPS, SandboxChoice
from agentbatch.workspace.workspace import Order, Workspace


def local_workspaces(prepared: PreparedRun, store: Store) -> LocalWorkspaces:
    """Those of this machine, with the sandbox that was chosen for the run."""
    return workspaces_here(prepared, store.folder, store.redact)


def workspaces_here(
    prepared: PreparedRun, folder: RunFolder, redact: Redactor, mark: str = ""
) -> LocalWorkspaces:
    """The same; `mark`: as LocalWorkspaces takes it."""
    environ = prepared.environ
    tls = (prepared.settings.client_key, prepared.settings.client_cert)
    keys = (path.absolute() for path in tls if path is not None)
    rules = SandboxRules.of_run(
        prepared.sandbox,
        network=not prepared.settings.no_network,
        environ=environ,
        directories=(task.root for task in prepared.plan.tasks),
        runs=prepared.folder / STATE_FOLDER,
        env_files=(*prepared.env_files, *prepared.hidden_files, *env_files_in(prepared.folder), *keys),
        own_files=() if prepared.settings.trust_changes else prepared.own_files,
        engine=prepared.engine,
        images=prepared.images,
    )
    return LocalWorkspaces(
        folder.run_id,
        folder.path / "tasks",
        environ,
        rules,
        secret_names=secret_variables(),
        redact=redact,
        repositories=prepared.repositories,
        mark=mark,
        setups=prepared.folder / STATE_FOLDER / SETUPS,
    )


@asynccontextmanager
async def throwaway_workspace(
    folder: Path, environ: Mapping[str, str], choice: SandboxChoice
) -> AsyncIterator[Workspace]:
    """One in an empty directory below `folder`, under the rules of a run's: to look at a program before a run."""
    workspaces = throwaway_workspaces(folder, environ, choice)
    place = workspaces.make(Order("probe", str(folder / "work"), "none", {}, (), 60.0))
    try:
        yield await place.start()
    finally:
        await place.close()
        await workspaces.close()


def throwaway_workspaces(folder: Path, environ: Mapping[str, str], choice: SandboxChoice) -> LocalWorkspaces:
    """Those of no run; what they keep lies below `folder`."""
    here = Path.cwd()
    rules = SandboxRules.of_run(
        choice,
        network=True,
        environ=environ,
        directories=(),
        runs=here / STATE_FOLDER,
        env_files=env_files_in(here),
    )
    return LocalWorkspaces(
        "none", folder / "tasks", environ, rules, secret_names=secret_variables(), redact=Redactor([])
    )
