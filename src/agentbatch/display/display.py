"""What a display of a run is, and how one is chosen."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from agentbatch.config import DisplayName
from agentbatch.display.json import JsonDisplay
from agentbatch.display.plain import PlainDisplay
from agentbatch.display.reports.summary import Summary
from agentbatch.display.writer import Writer
from agentbatch.runs.events import Event
from agentbatch.runs.state.run_state import RunState


class Display(Protocol):
    """Shows a run. It keeps no facts of its own: everything it shows is the state's or the event's."""

    def open(self) -> None:
        """Before the first event."""
        ...

    def on_event(self, event: Event, state: RunState) -> None:
        """Called in the event loop with the state after the event; returns at once."""
        ...

    def close(self, summary: Summary | None) -> None:
        """After the last event. No summary when the run crashed."""
        ...


class NoDisplay:
    """`--display none`: nothing at all."""

    def open(self) -> None:
        pass

    def on_event(self, event: Event, state: RunState) -> None:
        pass

    def close(self, summary: Summary | None) -> None:
        pass


def make_display(
    name: DisplayName,
    *,
    verbose: bool,
    out: TextIO,
    err: TextIO,
    environ: Mapping[str, str] | None = None,
    now: Callable[[], float] = time.time,
) -> Display:
    """The display called `name`; `auto` is rich on a terminal that can move its cursor, plain elsewhere.

    NO_COLOR takes the colours, not the table. `err` gets the steps of `--json --verbose`, since stdout holds
    records only. `now` gives epoch seconds.
    """
    environ = os.environ if environ is None else environ
    writer = Writer(out)
    if name == "auto":
        name = "rich" if _can_draw(writer, environ) else "plain"
    match name:
        case "rich":
            from agentbatch.display.rich import RichDisplay

            return RichDisplay(writer, verbose=verbose, environ=environ, now=now)
        case "json":
            return JsonDisplay(writer, steps=Writer(err) if verbose else None)
        case "none":
            return NoDisplay()
        case _:
            return PlainDisplay(writer, verbose=verbose)


def _can_draw(writer: Writer, environ: Mapping[str, str]) -> bool:
    encoding = writer.encoding.lower().replace("-", "").replace("_", "")
    return (
        writer.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown", "") and encoding == "utf8"
    )
