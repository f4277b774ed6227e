"""What earlier runs of this folder said of themselves."""

from contextlib import closing
from pathlib import Path

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.store.database import load_info, open_database
from agentbatch.store.events import RunStarted
from agentbatch.store.run_folder import RunFolder
from agentbatch.store.runs import list_runs


def latest_run(settings: Settings) -> RunFolder | None:
    """The newest run of the settings' task file, for `--resume`."""
    task_file = str((Path.cwd() / settings.tasks).resolve())
    for folder in list_runs(Path.cwd()):
        try:
            if recorded(folder).task_file == task_file:
                return folder
        except UserError:
            continue  # none of ours, or of another version
    return None


def recorded(folder: RunFolder) -> RunStarted:
    """What the run said of itself when it began last. Raises UserError."""
    with closing(open_database(folder.database)) as connection:
        info = load_info(connection)
    if info is None:
        raise UserError(
            f"The run {folder.run_id} was interrupted before it began: there is nothing to go on with. "
            "Start a new one with agentbatch."
        )
    return info
