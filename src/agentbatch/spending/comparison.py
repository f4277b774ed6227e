"""What a run's tokens would cost on other models: which models, by which prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentbatch.config import DEFAULT_COMPARISON
from agentbatch.files import STATE_FOLDER
from agentbatch.runs.events import RunStarted
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.bills import Bill, total_costs, total_usage
from agentbatch.spending.pricing import ComparisonRow, Prices, compare


@dataclass(frozen=True)
class Comparison:
    """The same tokens on several models."""

    rows: tuple[ComparisonRow, ...]
    """Those that the run compares with, then those that were used and are not among them."""
    actual: ComparisonRow
    """What was really spent, over all models; its `model` is empty."""
    used: frozenset[str]
    """Names of models that were used, in lower case."""


def started_in(folder: RunFolder | None) -> Path | None:
    """The folder that a run was started in, by where its own folder lies; None: that does not say."""
    if folder is None:
        return None
    runs = folder.path.absolute().parent
    return runs.parent.parent if (runs.parent.name, runs.name) == (STATE_FOLDER, "runs") else None


def prices_of_run(info: RunStarted | None, folder: Path | None) -> Prices:
    """The prices that hold for a run: those named in its settings, else prices.toml in the folder that it was started
    in, over the built-in ones. Takes a third of a second: call it once, in a thread. Raises UserError."""
    named = info.settings.get("prices") if info is not None else None
    return Prices.of(named if isinstance(named, str) else None, folder or Path())


def compared_models(info: RunStarted | None) -> tuple[str, ...]:
    """The models of the run's comparison, as its settings have them."""
    named = info.settings.get("compare_models") if info is not None else None
    if isinstance(named, list | tuple):
        return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name))
    return DEFAULT_COMPARISON


def compare_bills(prices: Prices, bills: Sequence[Bill], models: Sequence[str], at: datetime) -> Comparison:
    """What the tokens of these bills would cost on each of the models at that time."""
    used = {bill.model.lower(): bill.model for bill in bills if _is_model(bill) and bill.usage.calls}
    known = {model.lower() for model in models}
    more = [name for lower, name in used.items() if lower not in known]
    usage = total_usage(tuple(bills))
    actual = ComparisonRow("", *total_costs(bills))
    return Comparison(tuple(compare(prices, usage, [*models, *more], at)), actual, frozenset(used))


def _is_model(bill: Bill) -> bool:
    """It names one, not a coder that calls its model itself."""
    return bill.model not in ("", bill.coder)
