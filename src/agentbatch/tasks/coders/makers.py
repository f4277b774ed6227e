"""The coders that there are, by name. The one file that knows them all."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.builtin.coder import BuiltinCoders
from agentbatch.tasks.coders.coder import Coders

MakeCoders = Callable[[RunParts], Coders]
"""Makes the coders of one run from what the run has."""

CODERS: Mapping[str, MakeCoders] = MappingProxyType({"builtin": BuiltinCoders})
