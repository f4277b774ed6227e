"""Where the settings come from, for `agentbatch doctor`. Pure."""

from collections.abc import Iterator, Mapping

from agentbatch.cli.setup.check import Check
from agentbatch.config import LoadedSettings, Settings, options
from agentbatch.redaction import shown_url

ROLES = {
    "coder": {"model": "coder_model", "endpoint": "coder_endpoint", "key": "coder_api_key"},
    "evaluator": {
        "model": "evaluation_model",
        "endpoint": "evaluation_base_url",
        "key": "evaluation_api_key",
    },
}
"""Settings of each role, and what they are called."""


def origins(loaded: LoadedSettings) -> Iterator[Check]:
    """A line for each role, one for the other settings that are set, and one for each doubt. No key is shown."""
    settings, sources = loaded.settings, loaded.sources
    for name, fields in ROLES.items():
        parts = [
            _said(what, field, settings, sources)
            for what, field in fields.items()
            if what == "key" or field in sources
        ]
        yield Check("ok", f"{name} from", "; ".join(parts))
    of_roles = {field for fields in ROLES.values() for field in fields.values()}
    names = options()
    others = [
        f"{names[field].name(field)} from {where}"
        for field, where in sources.items()
        if field not in of_roles
    ]
    if others:
        yield Check("ok", "other settings", "; ".join(others))
    for note in loaded.notes:
        yield Check("warn", "settings", note)


def _said(what: str, field: str, settings: Settings, sources: Mapping[str, str]) -> str:
    if field not in sources:
        return f"{what}: not set"
    value = "" if what == "key" else f" {shown_url(getattr(settings, field))}"
    return f"{what}{value} from {sources[field]}"
