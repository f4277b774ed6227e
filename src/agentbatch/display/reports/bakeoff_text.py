"""A comparison of models as text: a line a model, and what the figures carry. Pure."""

from collections.abc import Iterator, Sequence

from agentbatch.tasks.bakeoff.bakeoff import BakeOff, ModelFigures, Pair
from agentbatch.tasks.bakeoff.statistics import LEVEL, Interval
from agentbatch.text import UNKNOWN, clip, counted, duration, fold, money, pad, width

MIN_NAME = 10
"""Cells of a model's name, however narrow the screen is."""
SPARE = ("time", "iter", "tokens", "/solved", "cost")
"""Columns that a narrow screen does without, the first one first."""
NAME = 40
"""Cells of a name in a sentence."""
MAX_PAIRS = 15
"""Sentences; differences that are shown come first."""
MANY = 1_000
"""Attempts or tasks that nobody will pay for."""


def render_bake_off(found: BakeOff, columns: int = 80) -> list[str]:
    """At most `columns` wide."""
    return [*table(found, columns), *(line for text in remarks(found) for line in fold(text, columns, 2))]


def cells(found: BakeOff) -> list[list[str]]:
    """The table: its heads, then a line a model, as they were named. Names are foreign text."""
    false = any(one.false_completed is not None for one in found.models)
    k = found.attempts
    heads = [found.what, "solved", f"{LEVEL:.0%}", *(["false"] if false else [])]
    heads += ["iter", "tokens", "time", "cost", "/solved", *([f"pass@{k}"] if k > 1 else [])]
    return [heads, *(_row(one, k, false=false) for one in found.models)]


def _row(one: ModelFigures, k: int, *, false: bool) -> list[str]:
    count = len(one.tries)
    usage, best = one.usage, one.pass_at(k)
    row = [one.model, f"{one.solved:,}/{count:,}", percents(one.interval)]
    if false:
        row.append(UNKNOWN if one.false_completed is None else f"{one.false_completed:,}")
    return [
        *row,
        f"{one.iterations:.1f}" if count else UNKNOWN,
        usage.shown(round(usage.total / count), narrow=True) if count else UNKNOWN,
        duration(one.seconds) if count else UNKNOWN,
        money(one.cost),
        money(one.cost_per_solved),
        *([] if k < 2 else [UNKNOWN if best is None else f"{best:.0%}"]),
    ]


def percents(interval: Interval) -> str:
    return f"{interval.low * 100:.0f}-{interval.high:.0%}"


def remarks(found: BakeOff) -> list[str]:
    """Sentences below the table: what it is of, what is not in it, and which differences it shows."""
    attempts = (
        f"{counted(found.tasks, 'task')}, {counted(found.attempts, 'attempt')} of each {found.what} at each."
    )
    legend = "Iterations, tokens and time: means of an attempt; cost: of all, and for each solved one."
    false = any(one.false_completed is not None for one in found.models)
    wrong = ["false: completed, and its hidden checks fail."] if false else []
    return [
        " ".join((attempts, _solved_by(found), legend, *wrong)),
        *_left_out(found.models),
        *differences(found),
    ]


def _solved_by(found: BakeOff) -> str:
    """What says that a task is solved."""
    kinds = [
        (found.hidden, "its hidden checks pass"),
        (found.verified, "it is completed, verify among its checks"),
        (found.tasks - found.hidden - found.verified, "it is completed, without a verify"),
    ]
    said = [(number, words) for number, words in kinds if number]
    parts = (words if len(said) == 1 else f"{words} ({counted(number, 'task')})" for number, words in said)
    return f"Solved: {'; '.join(parts)}."


def _left_out(models: Sequence[ModelFigures]) -> list[str]:
    left = [f"{one.left_out:,} of {clip(one.model, NAME)}" for one in models if one.left_out]
    if not left:
        return []
    return [
        "Attempts that are not counted, since they are open, were stopped, or ended by an endpoint or this machine: "
        f"{', '.join(left)}."
    ]


def differences(found: BakeOff) -> list[str]:
    """A sentence a pair: never a ranking that the figures do not carry."""
    pairs = sorted(found.pairs, key=lambda pair: not pair.difference.shown)
    said = [sentence for pair in pairs[:MAX_PAIRS] for sentence in _pair(pair)]
    if len(pairs) > MAX_PAIRS:
        said.append(f"{counted(len(pairs) - MAX_PAIRS, 'pair')} more are in the JSON.")
    if pairs and not any(pair.difference.shown for pair in pairs):
        said.insert(0, f"No difference between the {found.what}s is shown.")
    if len(pairs) > 1:
        said.append(f"The intervals of these differences hold together with {LEVEL:.0%}.")
    return said


def _pair(pair: Pair) -> Iterator[str]:
    ahead, behind = (clip(name, NAME) for name in pair.ahead)
    ends = pair.difference.interval
    if pair.difference.value < 0:
        ends = Interval(-ends.high, -ends.low)
    points = (
        f"{abs(pair.difference.value) * 100:+.0f} points ({ends.low * 100:+.0f} to {ends.high * 100:+.0f})"
    )
    if pair.difference.shown:
        yield f"{ahead} solves more than {behind}: {points}."
    else:
        yield f"{ahead} against {behind}: {points}, no difference shown. {_settling(pair)}"


def _settling(pair: Pair) -> str:
    attempts, tasks = pair.settling
    if attempts is None and tasks is None:
        return "Both solved as much."
    number, words = (attempts, "attempts of each at each task") if attempts else (tasks, "tasks")
    if number is None or number > MANY:
        return f"More than {MANY:,} {words} would settle one of that size."
    alone = "" if attempts else " (more attempts at these would not)"
    return f"About {number:,} {words} would settle one of that size{alone}."


def table(found: BakeOff, columns: int) -> list[str]:
    """A line a model below the heads; columns that there is no room for are left out."""
    rows = cells(found)
    for spare in SPARE:
        if _least_width(rows) > columns:
            place = rows[0].index(spare)
            rows = [row[:place] + row[place + 1 :] for row in rows]
    widths = _widths(rows)
    widths[0] = max(MIN_NAME, min(widths[0], columns - sum(widths[1:]) - len(widths) + 1))
    return [
        " ".join(
            pad(cell, wide, right=place > 0)
            for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(width(row[place]) for row in rows) for place in range(len(rows[0]))]


def _least_width(rows: Sequence[Sequence[str]]) -> int:
    return MIN_NAME + sum(_widths(rows)[1:]) + len(rows[0]) - 1
