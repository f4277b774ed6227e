"""What a page shows of a comparison of models: the summary's table and sentences, and a plot of intervals. Pure."""

from typing import NamedTuple

from agentbatch.display.reports.bakeoff_text import cells, percents, remarks
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.text import clip, counted


class PlotRow(NamedTuple):
    model: str
    rate: float | None
    """Of its attempts, those that solved their task; None: none counts."""
    low: float
    high: float


class ComparisonTable(NamedTuple):
    title: str
    cells: list[list[str]]
    """The heads, then a line a model."""
    remarks: list[str]
    plot: list[PlotRow]
    words: str
    """The plot."""


def compared(state: RunState) -> ComparisonTable | None:
    """None: the run compares no models."""
    found = bake_off(state)
    if found is None:
        return None
    plot = [
        PlotRow(clip(one.model, 40), one.solved / len(one.tries) if one.tries else None, *one.interval)
        for one in found.models
    ]
    words = "; ".join(
        f"{clip(one.model, 40)}: {one.solved:,} of {counted(len(one.tries), 'attempt')} solved, "
        f"{percents(one.interval)}"
        for one in found.models
    )
    return ComparisonTable(
        f"{found.what.capitalize()}s compared", cells(found), remarks(found), plot, f"{words}."
    )
