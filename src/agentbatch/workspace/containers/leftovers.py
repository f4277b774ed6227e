"""What a killed run may have left of its containers: found by their label, of the engine that the run has noted."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from agentbatch.files import PRIVATE, open_own, write_atomic
from agentbatch.workspace.containers.names import ENGINES, EngineName

ENGINE = ".engine"
"""Name of the note in the folder of the tasks. No task has such an id."""
_MAX_NAME = max(map(len, ENGINES))


def note_engine(tasks: Path, name: EngineName) -> None:
    """Before the first container is started. `tasks`: the folder with a folder for each task. Raises OSError."""
    if _noted(tasks) != name:
        write_atomic(tasks / ENGINE, name, mode=PRIVATE, follow=False)


def remove_containers(tasks: Path, mark: str, environ: Mapping[str, str]) -> str:
    """End and remove those of the run, by its `mark`. `environ`: the variables of the engine's client. Returns what
    keeps one from it, a sentence; empty: nothing. Slow."""
    name = _noted(tasks)
    binary = shutil.which(name, path=environ.get("PATH")) if name is not None else None
    if name is None or binary is None:
        return ""
    from agentbatch.workspace.containers.command_lines import MARK_LABEL
    from agentbatch.workspace.containers.engine import Engine, client_environment

    engine = Engine(name, Path(binary), "0:0", env=client_environment(environ))
    try:
        found = engine.ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={MARK_LABEL}={mark}")
        names = found.output.split()
        if found.exit_code == 0 and not names:
            return ""
        engine.ask("kill", "--", *names)  # what has ended by now is none of our business
        removed = engine.ask("rm", "--force", "--volumes", "--", *names)
    except OSError as error:
        return f"Containers of the run could not be removed: {error}"
    return "" if removed.exit_code == 0 else f"Containers of the run could not be removed: {removed.problem}"


def _noted(tasks: Path) -> EngineName | None:
    """A task without a sandbox can write there, too: nothing but one of the two names counts."""
    try:
        with open(tasks / ENGINE, "rb", opener=open_own) as file:
            said = file.read(_MAX_NAME + 1)
    except OSError:
        return None
    return next((name for name in ENGINES if name.encode() == said), None)
