"""For Python users: a batch, its run, what came of it. `import agentbatch` has these names too (docs/python.md).

Built of what the command line is built of: `prepare` checks, `run_batch` runs, the run's folder holds everything.
"""

from agentbatch.api.batch import Batch, run
from agentbatch.api.result import Progress, RunResult, TaskResult
from agentbatch.api.run import Run, Starting, open_run
from agentbatch.api.task import Task
from agentbatch.tasks.coders.python import OwnCoder, Turn
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import DryRun, PreparedRun
from agentbatch.tasks.run.run_batch import RunOutcome, run_batch

__all__ = [
    "Batch",
    "DryRun",
    "OwnCoder",
    "PreparedRun",
    "Progress",
    "Run",
    "RunOutcome",
    "RunResult",
    "Starting",
    "Task",
    "TaskResult",
    "Turn",
    "open_run",
    "prepare",
    "run",
    "run_batch",
]
