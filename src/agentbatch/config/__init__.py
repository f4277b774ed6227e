"""Settings of a run: flags > environment > .env > defaults, in one pydantic model."""

from agentbatch.config.loading import Loaded, load, load_settings, read_env_file
from agentbatch.config.settings import (
    DEFAULT_COMPARISON,
    MOST,
    REHEARSAL_CODER,
    REHEARSAL_EVALUATOR,
    SERIAL_REST_MS,
    TEST_MODE_TASKS,
    DisplayName,
    Isolation,
    Mode,
    Option,
    RoleSettings,
    SandboxName,
    Settings,
    ToolModeChoice,
    options,
    secret_variables,
)

__all__ = [
    "DEFAULT_COMPARISON",
    "MOST",
    "REHEARSAL_CODER",
    "REHEARSAL_EVALUATOR",
    "SERIAL_REST_MS",
    "TEST_MODE_TASKS",
    "DisplayName",
    "Isolation",
    "Loaded",
    "Mode",
    "Option",
    "RoleSettings",
    "SandboxName",
    "Settings",
    "ToolModeChoice",
    "load",
    "load_settings",
    "options",
    "read_env_file",
    "secret_variables",
]
