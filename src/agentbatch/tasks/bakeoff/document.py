"""A comparison of models as the results file has it."""

from typing import Any

from agentbatch.tasks.bakeoff.bakeoff import BakeOff, ModelFigures, Pair
from agentbatch.tasks.bakeoff.statistics import LEVEL, Interval


def bake_off_document(found: BakeOff) -> dict[str, Any]:
    """Rates and shares are 0 to 1, costs US dollars, null where a figure is unknown."""
    return {
        "tasks": found.tasks,
        "attempts": found.attempts,
        "solvedBy": {
            "hiddenVerify": found.hidden,
            "verify": found.verified,
            "evaluator": found.tasks - found.hidden - found.verified,
        },
        "level": LEVEL,
        "of": f"{found.what}s",
        "models": [_model(one) for one in found.models],
        "pairs": [_pair(pair) for pair in found.pairs],
    }


def _model(one: ModelFigures) -> dict[str, Any]:
    count = len(one.tries)
    most = max(map(len, one.by_task().values()), default=0)
    return {
        "model": one.model,
        "attempts": count,
        "notCounted": one.left_out,
        "solved": one.solved,
        "rate": one.solved / count if count else None,
        "interval": _ends(one.interval),
        "falseCompleted": one.false_completed,
        "passAtK": {str(k): one.pass_at(k) for k in range(1, most + 1)},
        "meanIterations": one.iterations if count else None,
        "meanSeconds": one.seconds if count else None,
        "tokens": one.usage.document(),
        "cost": one.cost,
        "costPerSolved": one.cost_per_solved,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": pair.difference.value,
        "interval": _ends(pair.difference.interval),
        "shown": pair.difference.shown,
        "attemptsToSettle": pair.settling.attempts,
        "tasksToSettle": pair.settling.tasks,
    }


def _ends(interval: Interval) -> list[float]:
    return [round(interval.low, 6), round(interval.high, 6)]
