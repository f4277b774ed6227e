"""Settings as Python gives them: by their own names, with a few that mean both roles."""

from collections.abc import Mapping
from typing import Any

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.problems import hint

BOTH_ROLES: Mapping[str, tuple[str, str]] = {
    "model": ("coder_model", "evaluation_model"),
    "base_url": ("coder_endpoint", "evaluation_base_url"),
    "api_key": ("coder_api_key", "evaluation_api_key"),
}
"""Settings of the coder and the evaluator at once, as the variables OPENAI_* are."""

OF_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("resume", "retry_failed", "reason", "force"), "open_run(...).resume() goes on with a run"
    ),
    "dry_run": "Batch.prepare().dry_run() shows the plan",
    "daemon": "the engine works in this process; `agentbatch --daemon` starts one in the background",
    **dict.fromkeys(("display", "verbose", "ascii"), "nothing is printed; see Run.events() and Run.states()"),
    **dict.fromkeys(("report", "fail_under"), "`agentbatch report RUN` writes reports"),
    "models": "`agentbatch compare` compares",
    "coders": "`agentbatch compare` compares; coders of your own are an argument of Batch",
    "tasks": "the first argument is the task file",
}
"""Settings that mean something to commands alone, and what is meant in Python."""


def given_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """By field, as flags are given; None: it is not given. Raises UserError for what is no setting."""
    known = [*BOTH_ROLES, *(name for name in Settings.model_fields if name not in OF_COMMANDS)]
    found: dict[str, Any] = {}
    for name, value in sorted(
        settings.items(), key=lambda item: item[0] not in BOTH_ROLES
    ):  # a role's own wins
        if name in OF_COMMANDS:
            raise UserError(f"{name} is a setting of commands: {OF_COMMANDS[name]}.")
        if name not in known:
            raise UserError(f"There is no setting {name!r}; {hint(name, known, 'there are')}")
        if value is not None:
            found |= dict.fromkeys(BOTH_ROLES.get(name, (name,)), value)
    return found
