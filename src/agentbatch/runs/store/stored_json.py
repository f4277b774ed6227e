"""Reading back what the writer wrote as JSON."""

import json
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from agentbatch.runs.events import Event

Model = TypeVar("Model", bound=BaseModel)

_events: TypeAdapter[Event] = TypeAdapter(Event)


def read_event(text: str) -> Event:
    """Raises ValidationError."""
    try:
        return _events.validate_json(text)
    except ValidationError as error:
        return _events.validate_python(_loaded(text, error))


def read_model(kind: type[Model], text: str) -> Model:
    """Raises ValidationError."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        return kind.model_validate(_loaded(text, error))


def _loaded(text: str, error: ValidationError) -> object:
    """Lone surrogates (odd model output, file names that are no UTF-8) stand as escapes that pydantic refuses and the
    standard library takes."""
    try:
        return json.loads(text)
    except ValueError:
        raise error from None
