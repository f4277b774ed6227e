"""A comparison of models as text: a line a model, and what the figures carry. Pure."""

from collections.abc import Sequence

from agentbatch.tasks.bakeoff.bakeoff import BakeOff, ModelFigures
from agentbatch.text import UNKNOWN, clip, counted, duration, fold, money, pad, tokens, width

LEAST_NAME = 10
"""Cells of a model's name, however narrow the screen is."""


def render_bake_off(found: BakeOff, columns: int = 80) -> list[str]:
    """At most `columns` wide."""
    return [*_table(found, columns), *(line for text in remarks(found) for line in fold(text, columns, 2))]


def cells(found: BakeOff) -> list[list[str]]:
    """The table: its heads, then a line a model, as they were named."""
    false = any(one.false_completed is not None for one in found.models)
    heads = [
        "model",
        "solved",
        "95 %",
        *(["false"] if false else []),
        "iter",
        "tokens",
        "time",
        "cost",
        "a solved one",
    ]
    k = found.attempts
    heads += [f"pass@{k}"] if k > 1 else []
    return [heads, *(_row(one, k, false=false) for one in found.models)]


def _row(one: ModelFigures, k: int, *, false: bool) -> list[str]:
    count = len(one.tries)
    usage = one.usage
    row = [one.model, f"{one.solved:,}/{count:,}", percents(*one.interval)]
    if false:
        row.append(UNKNOWN if one.false_completed is None else f"{one.false_completed:,}")
    row += [
        f"{one.iterations:.1f}",
        tokens(round(usage.total / count), estimated=usage.estimated, narrow=True) if count else UNKNOWN,
        duration(one.seconds),
        money(one.cost),
        money(one.cost_per_solved),
    ]
    best = one.pass_at(k)
    return [*row, *([] if k < 2 else [UNKNOWN if best is None else f"{best:.0%}"])]


def percents(low: float, high: float) -> str:
    return f"{low:.0%}-{high:.0%}".replace("%-", "-")


def remarks(found: BakeOff) -> list[str]:
    """Sentences below the table."""
    said = [
        f"{counted(found.tasks, 'task')}, {counted(found.attempts, 'attempt')} of each model at each. "
        f"{_solved_by(found)}"
    ]
    return [*said, *_left_out(found.models)]


def _solved_by(found: BakeOff) -> str:
    """What says that a task is solved."""
    alone = found.tasks - found.hidden - found.verified
    parts = [
        (found.hidden, "its hidden checks pass"),
        (found.verified, "it is completed, its verify among the checks"),
        (alone, "it is completed, by the evaluator alone"),
    ]
    said = [(number, words) for number, words in parts if number]
    if len(said) == 1:
        return f"Solved: {said[0][1]}."
    return "Solved: " + "; ".join(f"in {counted(number, 'task')}, {words}" for number, words in said) + "."


def _left_out(models: Sequence[ModelFigures]) -> list[str]:
    left = [f"{clip(one.model, 40)} {one.left_out:,}" for one in models if one.left_out]
    if not left:
        return []
    return [
        "Not counted, since they are open, were stopped, or ended by an endpoint or by this machine: "
        f"attempts of {', '.join(left)}."
    ]


def _table(found: BakeOff, columns: int) -> list[str]:
    rows = cells(found)
    widths = [max(width(row[place]) for row in rows) for place in range(len(rows[0]))]
    fixed = sum(widths[1:]) + len(widths) - 1
    widths[0] = max(LEAST_NAME, min(widths[0], columns - fixed))
    return [
        " ".join(
            pad(cell, wide, right=place > 0)
            for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
