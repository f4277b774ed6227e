"""agentbatch: batches of coding tasks, each worked on by a Coder and judged on evidence by an Evaluator.

For Python users: Batch, Task, run, open_run and what they give (docs/python.md); `agentbatch.requests` for plain
requests. They are loaded when they are asked for; `__init__.pyi` has their types.
"""

import importlib

__version__ = "1.0.0rc1"

_LATE = {
    **dict.fromkeys(
        ("Batch", "Progress", "Run", "RunResult", "Task", "TaskResult", "Turn", "open_run", "run"),
        "agentbatch.api",
    ),
    "UserError": "agentbatch.errors",
    "events": "agentbatch.runs",
}
"""By name, the module that has it."""

__all__ = ["__version__", *_LATE]


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module 'agentbatch' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LATE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
