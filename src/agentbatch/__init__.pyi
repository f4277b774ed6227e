"""The types of what __init__.py loads when it is asked for."""

from agentbatch.api import Batch as Batch
from agentbatch.api import Progress as Progress
from agentbatch.api import Run as Run
from agentbatch.api import RunResult as RunResult
from agentbatch.api import Task as Task
from agentbatch.api import TaskResult as TaskResult
from agentbatch.api import Turn as Turn
from agentbatch.api import open_run as open_run
from agentbatch.api import run as run
from agentbatch.errors import UserError as UserError
from agentbatch.runs import events as events

__version__: str
__all__: list[str]
