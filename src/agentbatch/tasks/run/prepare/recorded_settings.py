"""What a run remembers of its settings, and how a resumption's differ from it. Never a key."""

from collections.abc import Mapping
from typing import Any

from agentbatch.config import Settings, is_secret, options
from agentbatch.redaction import shown_url
from agentbatch.runs.events import RunStarted

OF_ONE_SESSION = frozenset(
    {
        *filter(is_secret, Settings.model_fields), "resume", "retry_failed", "force", "daemon", "dry_run", "display",
        "verbose", "trust_changes",
    }
)  # fmt: skip
"""Secrets, and what only one command means."""

SELECTING = frozenset({"paths", "filter", "reason", "slice", "limit", "stale", "missing"})
"""Which tasks a command runs. A resumption that names some runs these alone; the run's own are those it began with."""

ADDRESSES = frozenset({"coder_endpoint", "evaluation_base_url"})
"""May have a key in their query, which is not kept."""


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """All settings as JSON has them."""
    dumped: dict[str, Any] = settings.model_dump(mode="json", exclude=set(OF_ONE_SESSION))
    shown = {name: shown_url(value) if name in ADDRESSES else value for name, value in dumped.items()}
    return {**shown, "notify": settings.notify_digest}


def recorded_flags(flags: Mapping[str, Any], before: RunStarted | None = None) -> dict[str, Any]:
    """The command line's part, as JSON has it. `before`: the session that is resumed."""
    if before is not None:
        chosen = {name: before.flags[name] for name in SELECTING if name in before.flags}
        flags = {**{name: value for name, value in flags.items() if name not in SELECTING}, **chosen}
    return {
        name: value
        if isinstance(value, bool | int | float | list | tuple)
        else shown_url(str(value))
        if name in ADDRESSES
        else str(value)
        for name, value in flags.items()
        if name not in OF_ONE_SESSION and value is not None
    }


def differences(before: RunStarted, settings: Mapping[str, Any], prompts_digest: str) -> list[str]:
    """What is set otherwise than in the run's last session: `parallel 3 -> 5`."""
    names = options()
    found = [
        f"{names[name].name(name) if name in names else name} {_shown(before.settings[name])} -> {_shown(value)}"
        for name, value in settings.items()
        if name in before.settings and before.settings[name] != value and name != "notify"
    ]
    if before.prompts_digest != prompts_digest:
        found.append("prompts/ changed")
    return found


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
