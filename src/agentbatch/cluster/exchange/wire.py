"""What passes between the engine and a node, as bytes: plain data and the frozen dataclasses of the door. What comes
back from where coders work is read by this file alone, and can make nothing else."""

import errno
import io
import pickle
from collections.abc import Mapping
from typing import Any

from agentbatch.cluster.exchange import snapshots, terms
from agentbatch.cluster.exchange.opcodes import is_plain
from agentbatch.cluster.travel import manifest
from agentbatch.errors import UserError
from agentbatch.workspace import workspace

_MODULES: Mapping[str, Any] = {module.__name__: module for module in (workspace, terms, snapshots, manifest)}
"""Whose dataclasses may pass."""

MAX_ERROR = 4_000
"""Characters of an error's text."""


class Unreadable(Exception):
    """What has come is not what a node of ours sends."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = getattr(_MODULES.get(module), name, None)
        # Not what those files themselves import, and none of their functions.
        if isinstance(found, type) and found.__module__ == module and hasattr(found, "__dataclass_fields__"):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} does not pass")


def pack(value: Any) -> bytes:
    return pickle.dumps(value, protocol=5)


def unpack(data: bytes) -> Any:
    """Raises Unreadable."""
    if not is_plain(data):
        raise Unreadable("it is no plain data")
    try:
        return _Reader(io.BytesIO(data)).load()
    except Exception as error:  # noqa: BLE001 - bytes that somebody has made up raise anything
        raise Unreadable(f"{type(error).__name__}: {error}"[:MAX_ERROR]) from None


def pack_error(error: OSError | UserError) -> tuple[str, int, str]:
    """As plain data."""
    if isinstance(error, OSError):
        return "os", error.errno or 0, (error.strerror or str(error) or type(error).__name__)[:MAX_ERROR]
    return "user", 0, str(error)[:MAX_ERROR]


def read_error(given: object) -> OSError | UserError:
    """What `pack_error` has made."""
    match given:
        case ("user", 0, str(text)):
            return UserError(text[:MAX_ERROR])
        case ("os", int(number), str(text)) if number in errno.errorcode:
            return OSError(number, text[:MAX_ERROR])  # of the class that goes with the number
        case ("os", _, str(text)):
            return OSError(text[:MAX_ERROR])
    raise Unreadable("an error without words")
