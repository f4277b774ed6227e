"""Where the settings come from, for `agentbatch doctor`. Pure."""

from collections.abc import Iterator, Mapping

from agentbatch.cli.setup.check import Check
from agentbatch.config import Loaded, Settings

ROLES = (
    ("coder", "coder_model", "coder_endpoint", "coder_api_key"),
    ("evaluator", "evaluation_model", "evaluation_base_url", "evaluation_api_key"),
)


def origins(loaded: Loaded) -> Iterator[Check]:
    """A line for each role, one for the other settings that are set, and one for each doubt. No key is shown."""
    settings, sources = loaded.settings, loaded.sources
    for name, *fields in ROLES:
        parts = [
            _said(field, settings, sources)
            for field in fields
            if field.endswith("_api_key") or field in sources
        ]
        yield Check("ok", f"{name} from", "; ".join(parts))
    roles = {field for _, *fields in ROLES for field in fields}
    others = [f"{field} from {where}" for field, where in sources.items() if field not in roles]
    if others:
        yield Check("ok", "other settings", "; ".join(others))
    for note in loaded.notes:
        yield Check("warn", "settings", note)


def _said(field: str, settings: Settings, sources: Mapping[str, str]) -> str:
    what = "key" if field.endswith("_api_key") else "model" if field.endswith("_model") else "endpoint"
    if field not in sources:
        return f"{what}: not set"
    value = "" if what == "key" else f" {getattr(settings, field)}"
    return f"{what}{value} from {sources[field]}"
