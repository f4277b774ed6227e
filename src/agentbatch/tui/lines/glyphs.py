"""The signs of the screen, and their stand-ins for terminals without them (`--ascii`). A word stands beside each."""

from dataclasses import dataclass

from agentbatch.display.signs import SIGNS
from agentbatch.runs.listing import ShownStatus

_UNICODE: dict[str, str] = {
    **{str(status): sign for status, sign in SIGNS.items()},
    "interrupted": "‖",
    "paused": "‖",
    "open": "▾",
    "closed": "▸",
    "bar": "█",
    "rest": "░",
    "marked": "◉",
    "follow": "↓",
    "ellipsis": "…",
    "part": "└",
}

_ASCII: dict[str, str] = {
    "completed": "+",
    "error": "x",
    "timeout": "o",
    "cancelled": "/",
    "skipped": "-",
    "queued": ".",
    "coding": "*",
    "evaluating": "?",
    "interrupted": "#",
    "paused": "#",
    "open": "v",
    "closed": ">",
    "bar": "#",
    "rest": ".",
    "marked": "*",
    "follow": "v",
    "ellipsis": "~",
    "part": "`",
}

COLOURS: dict[ShownStatus, str] = {
    "completed": "$text-success",
    "error": "$text-error",
    "timeout": "$text-warning",
    "cancelled": "$text-warning",
    "skipped": "$foreground-muted",
    "interrupted": "$text-warning",
    "queued": "$foreground-muted",
    "coding": "$text-primary",
    "evaluating": "$text-accent",
    "paused": "$text-warning",
}
"""Theme variables by status. Never the only difference: sign and word show it too."""


@dataclass(frozen=True)
class Glyphs:
    """`ascii`: only characters of ASCII."""

    ascii: bool = False

    def __getitem__(self, name: str) -> str:
        return (_ASCII if self.ascii else _UNICODE)[name]
