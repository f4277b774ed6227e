"""What was chosen on the launch screen, and remembering it: `.agentbatch/tui.json` of a folder."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from agentbatch.config import Settings
from agentbatch.files import STATE_FOLDER, as_json, json_object, open_own, write_atomic
from agentbatch.redaction import Redactor

FILE = "tui.json"
MAX_BYTES = 64 * 1024
"""Bytes. A larger file was not written by us."""

CHOSEN = (
    "mode",
    "parallel",
    "max_iterations",
    "coder_name",
    "coder_model",
    "coder_endpoint",
    "evaluation_model",
    "evaluation_base_url",
)
"""The settings that the launch screen asks for."""

REHEARSED = ("coder_model", "coder_endpoint", "evaluation_model", "evaluation_base_url")
"""Those whose defaults are not what runs without a key."""

ENDPOINTS = ("coder_endpoint", "evaluation_base_url")

Choices = dict[str, str]
"""Values as a person types them, by setting."""


def read_choices(folder: Path) -> Choices:
    """What was remembered in `folder` and is still a value. Empty when there is nothing, or nothing to be read."""
    path = folder / STATE_FOLDER / FILE
    try:
        with open(path, "rb", opener=open_own) as file:
            text = file.read(MAX_BYTES + 1)
    except OSError:
        return {}
    document = (json_object(text) if len(text) <= MAX_BYTES else None) or {}
    found = {field: document[field] for field in CHOSEN if isinstance(document.get(field), str)}
    return {field: value for field, value in found.items() if _valid(field, value)}


def write_choices(folder: Path, choices: Mapping[str, str], redact: Redactor) -> None:
    """Remember them, but none that holds a key. Raises OSError. A link in the file's place, which a task may have put
    there, is replaced."""
    kept = {
        field: value
        for field, value in choices.items()
        if redact(value) == value and not (field in ENDPOINTS and _tells_more_than_a_place(value))
    }
    write_atomic((folder / STATE_FOLDER).resolve() / FILE, as_json(kept) + "\n", follow=False)


def opening_choices(settings: Settings, remembered: Mapping[str, str]) -> Choices:
    """What the screen opens with: what flags and variables say, else what is remembered, else the defaults."""
    return {
        field: remembered[field]
        if field in remembered and field not in settings.model_fields_set
        else ""
        if field in REHEARSED and settings.rehearsal and field not in settings.model_fields_set
        else _said(settings, field)
        for field in CHOSEN
    }


def chosen_flags(settings: Settings, shown: Mapping[str, str]) -> Choices:
    """What the screen shows otherwise than the settings say; an empty value leaves it to them. Always with a mode."""
    found = {
        field: value.strip()
        for field, value in shown.items()
        if field == "mode" or value.strip() not in ("", _said(settings, field))
    }
    if found["mode"] == "parallel":
        found.setdefault("parallel", _said(settings, "parallel"))
    else:
        found.pop("parallel", None)
    return found


def to_remember(settings: Settings, shown: Mapping[str, str], remembered: Mapping[str, str]) -> Choices:
    """What the next time should open with. What a flag or variable said this time leaves the memory as it was."""
    found = {}
    for field in CHOSEN:
        value, said = shown.get(field, "").strip(), _said(settings, field)
        if value and (value != said or (field == "mode" and field not in settings.model_fields_set)):
            found[field] = value
        elif field in settings.model_fields_set and field in remembered:
            found[field] = remembered[field]
    return found


def _said(settings: Settings, field: str) -> str:
    value = getattr(settings, field)
    return "parallel" if field == "mode" and value is None else str(value)


def _valid(field: str, value: str) -> bool:
    try:
        Settings.model_validate({field: value})
    except ValidationError:
        return False
    return True


def _tells_more_than_a_place(url: str) -> bool:
    """Behind the `?` of an address there may be a key."""
    parts = urlsplit(url)
    return bool(parts.query or parts.fragment or parts.username or parts.password)
