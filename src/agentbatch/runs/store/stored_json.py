"""Reading back what the writer wrote as JSON."""

import json
import sqlite3
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agentbatch.runs.events import EVENT_TYPES, Event

DAMAGE = (sqlite3.Error, ValueError, TypeError, KeyError, RecursionError, ArithmeticError)
"""What reading a run that is damaged raises: no database, no JSON (ValidationError is a ValueError), values that do not
fit together."""

Model = TypeVar("Model", bound=BaseModel)


def read_event(kind: str, text: str) -> Event:
    """`kind`: its `type`; one that only a newer version knows is an `Event` and no more. Raises ValidationError."""
    return read_model(EVENT_TYPES.get(kind, Event), text)


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
    except (ValueError, TypeError, RecursionError):  # TypeError: no text at all
        raise error from None
