"""The sign and the colour of every status, the same in the table and in the summary."""

from agentbatch.runs.events import Status
from agentbatch.runs.listing import ShownStatus

SIGNS: dict[Status, str] = {
    "queued": "·",
    "coding": "●",
    "evaluating": "◆",
    "paused": "‖",
    "completed": "✓",
    "error": "✗",
    "timeout": "✗",
    "cancelled": "○",
    "skipped": "○",
}
"""One cell each. Never alone: the status' word stands beside it."""

SHOWN_SIGNS: dict[ShownStatus, str] = {
    "completed": SIGNS["completed"],
    "error": SIGNS["error"],
    "timeout": SIGNS["timeout"],
    "cancelled": SIGNS["cancelled"],
    "skipped": SIGNS["skipped"],
    "interrupted": "‖",
    "coding": SIGNS["coding"],
    "evaluating": SIGNS["evaluating"],
    "queued": SIGNS["queued"],
}
"""In the order of the counts."""

STYLES: dict[Status, str] = {
    "queued": "dim",
    "coding": "cyan",
    "evaluating": "magenta",
    "paused": "yellow",
    "completed": "green",
    "error": "bold red",
    "timeout": "red",
    "cancelled": "yellow",
    "skipped": "yellow",
}
"""Rich styles, from the terminal's own palette so that they fit light and dark."""
