"""One line of `agentbatch doctor`."""

from typing import Literal, NamedTuple


class Check(NamedTuple):
    result: Literal["ok", "warn", "fail"]
    name: str
    detail: str
