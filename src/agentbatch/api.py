"""Putting a run together: what the command line, the terminal app and Python users call.

import asyncio, os
from agentbatch.api import prepare, run_batch
from agentbatch.config import load_settings

settings = load_settings({"mode": "parallel", "parallel": 3}, os.environ)
outcome = asyncio.run(run_batch(prepare(settings)))
print(outcome.state.count("completed"), outcome.results_file)
"""

from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import DryRun, PreparedRun
from agentbatch.tasks.run.run_batch import RunOutcome, run_batch

__all__ = ["DryRun", "PreparedRun", "RunOutcome", "prepare", "run_batch"]
