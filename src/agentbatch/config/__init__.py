"""Settings of a run: flags > environment > .env > defaults, in one pydantic model."""

from agentbatch.config.contestants import BUILTIN, Contestant
from agentbatch.config.loading import LoadedSettings, load, load_settings, read_env_file
from agentbatch.config.option import Option
from agentbatch.config.settings import (
    DEFAULT_COMPARISON,
    REHEARSAL_CODER,
    REHEARSAL_CODERS,
    REHEARSAL_EVALUATOR,
    SERIAL_REST_MS,
    TEST_MODE_TASKS,
    RoleSettings,
    Settings,
    is_secret,
    options,
    secret_variables,
)
from agentbatch.config.values import (
    Amount,
    ApiChoice,
    DisplayName,
    Isolation,
    Mode,
    SandboxName,
    StopAt,
    ToolModeChoice,
)

__all__ = [
    "BUILTIN",
    "DEFAULT_COMPARISON",
    "REHEARSAL_CODER",
    "REHEARSAL_CODERS",
    "REHEARSAL_EVALUATOR",
    "SERIAL_REST_MS",
    "TEST_MODE_TASKS",
    "Amount",
    "ApiChoice",
    "Contestant",
    "DisplayName",
    "Isolation",
    "LoadedSettings",
    "Mode",
    "Option",
    "RoleSettings",
    "SandboxName",
    "Settings",
    "StopAt",
    "ToolModeChoice",
    "is_secret",
    "load",
    "load_settings",
    "options",
    "read_env_file",
    "secret_variables",
]
