"""Tokens and cost by role and model, and what is left of the budgets, as lines of the screen. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agentbatch.display.reports.tiering_words import escalation_words
from agentbatch.runs.state.bills import Bill, Costs, total_cost, total_costs, total_usage
from agentbatch.runs.state.run_state import RunState
from agentbatch.text import UNKNOWN, clip, counted, harmless, money, pad, tokens, width
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line
from agentbatch.usage import Usage

HEADS = ("calls", "input", "cached", "output", "reasoning", "cost in", "cost out", "total")

LESS_NEEDED = ("reasoning", "cost in", "cost out", "calls")
"""What is left out first where there is too little room."""

MIN_LABEL = 20
"""Cells of a line's name beside its figures; where there are fewer, it gets a line of its own."""

MAX_LABEL = 40

BUDGET_BAR = 16
"""Cells of a budget's bar."""


class UsageRow(NamedTuple):
    """What was spent by a task, or by a run, and what it may spend."""

    bills: tuple[Bill, ...]
    attempts: int
    """Requests sent, retries included."""
    max_cost: float | None = None
    max_tokens: int | None = None
    escalation: Sequence[str] = ()
    """Sentences on what a cheap model or coder drafted."""
    has_roles: bool = True
    """False: from a file that says neither which role nor which model it was."""


def spent_by_run(state: RunState, has_roles: bool) -> UsageRow:
    """All tasks together; the budgets are the run's."""
    settings = state.info.settings if state.info is not None else {}
    cost, most = settings.get("max_cost"), settings.get("max_tokens")
    return UsageRow(
        state.bills,
        sum(task.attempts for task in state.tasks.values()),
        float(cost) if isinstance(cost, int | float) else None,
        most if isinstance(most, int) else None,
        escalation_words(state.tasks.values()) if any(map(_has_drafts, state.bills)) else (),
        has_roles,
    )


def _has_drafts(bill: Bill) -> bool:
    return bill.drafted is not None or bill.handed_over is not None


def spent_by_task(state: RunState, task_id: str, has_roles: bool) -> UsageRow:
    """One task of the run, with the budget of its own."""
    task = state.by_id[task_id]
    return UsageRow(
        task.bills, task.attempts, task.max_cost, task.max_tokens, escalation_words([task]), has_roles
    )


def plain(figure: str, glyphs: Glyphs) -> str:
    """A figure in the signs that the terminal has."""
    return figure.replace("≈", "~").replace("≥", ">").replace(UNKNOWN, "-") if glyphs.ascii else figure


def usage_lines(spent: UsageRow, columns: int, glyphs: Glyphs) -> list[Line]:
    """A table: a line a role and model, and their sum; requests below it."""
    bills = [bill for bill in spent.bills if bill.usage.calls or bill.usage.total]
    if not bills:
        sent = f" {counted(spent.attempts, 'request')} sent, none was answered." if spent.attempts else ""
        return [Line(f"No tokens have been used so far.{sent}", "dim")]
    labels = [harmless(f"{bill.role} {bill.spender}") if spent.has_roles else "all calls" for bill in bills]
    priced = [(bill.usage, total_costs([bill])) for bill in bills]
    if len(bills) > 1:
        labels.append("total")
        priced.append((total_usage(spent.bills), total_costs(spent.bills)))
    for narrow in (False, True):
        rows = [_figures(*one, glyphs, narrow=narrow) for one in priced]
        if _wide(rows, range(len(HEADS))) <= columns:
            break
    drafts = [Line(plain_ellipsis(plain(text, glyphs), glyphs), "dim") for text in spent.escalation]
    return [*_table(labels, rows, columns, glyphs), _requests(spent, glyphs), *drafts]


def _figures(usage: Usage, costs: Costs, glyphs: Glyphs, *, narrow: bool) -> tuple[str, ...]:
    def count(number: int) -> str:
        return usage.shown(number, narrow=narrow)

    share = f"{usage.cached / usage.input:.0%}" if usage.input else UNKNOWN
    figures = (
        f"{usage.calls:,}", count(usage.input), share, count(usage.output), count(usage.reasoning),
        *map(money, costs),
    )  # fmt: skip
    return tuple(plain(figure, glyphs) for figure in figures)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(width(row[place]) for row in (HEADS, *rows)) for place in range(len(HEADS))]


def _wide(rows: Sequence[Sequence[str]], places: Iterable[int]) -> int:
    """Cells that these columns take with a space in front of each."""
    widths = _widths(rows)
    return sum(widths[place] + 1 for place in places)


def _table(labels: Sequence[str], rows: Sequence[Sequence[str]], columns: int, glyphs: Glyphs) -> list[Line]:
    places = list(range(len(HEADS)))
    for head in LESS_NEEDED:
        if _wide(rows, places) > columns:
            places.remove(HEADS.index(head))
    widths = _widths(rows)
    gap = 2 if columns >= 100 else 1
    left = columns - sum(widths[place] + gap for place in places)
    wanted = min(MAX_LABEL, max(map(width, labels)))
    beside = left >= min(wanted, MIN_LABEL)
    label = min(wanted, left) if beside else max(0, min(4, left))

    def line(name: str, cells: Sequence[str], style: str) -> list[Line]:
        words = "".join(" " * gap + pad(cells[place], widths[place], right=True) for place in places)
        if beside:
            return [Line(pad(name, label) + words, style, end="")]
        alone = [Line(clip(name, columns), style, end="")] if name else []
        return [*alone, Line(" " * label + words, style, end="")]

    lines = line("", HEADS, "dim")
    for place, (name, cells) in enumerate(zip(labels, rows, strict=True)):
        lines += line(name, cells, "bold" if place == len(rows) - 1 and len(rows) > 1 else "")
    return [item._replace(text=plain_ellipsis(item.text, glyphs)) for item in lines]


def plain_ellipsis(text: str, glyphs: Glyphs) -> str:
    return text.replace("…", glyphs["ellipsis"]) if glyphs.ascii else text


def _requests(spent: UsageRow, glyphs: Glyphs) -> Line:
    """How many requests it took: an attempt that failed is sent again."""
    usage = total_usage(spent.bills)
    answered = usage.calls
    again = max(0, spent.attempts - answered)
    text = f"{counted(spent.attempts, 'request')} sent, {answered:,} answered"
    if again:
        text += f", {again:,} failed or sent again"
    if not spent.attempts:
        text = f"{counted(answered, 'call')} answered"
    if not spent.has_roles:
        text += "; roles and models are not known"
    if usage.estimated and usage.total:
        text += plain("; ≈ is an estimate", glyphs)
    if usage.untold:
        text += f"; {usage.untold:,} of them told no tokens"
    return Line(text, "dim")


def budget_lines(spent: UsageRow, whose: str, glyphs: Glyphs) -> list[Line]:
    """How much of its budget is used; `whose`: `run` or `task`. Empty: it has none."""
    lines = []
    if spent.max_cost is not None:
        cost = total_cost(spent.bills)
        used = f"{money(cost)} of {money(spent.max_cost)}"
        lines.append(_budget(f"{whose}'s budget", used, cost, spent.max_cost, glyphs))
    if spent.max_tokens is not None:
        usage = total_usage(spent.bills)
        count = usage.total
        used = f"{usage.shown(count)} of {tokens(spent.max_tokens)} tokens"
        lines.append(_budget(f"{whose}'s budget", used, float(count), float(spent.max_tokens), glyphs))
    return lines


def _budget(name: str, used: str, part: float | None, whole: float, glyphs: Glyphs) -> Line:
    lead = f"{name} "
    if part is None or whole <= 0:
        return Line(plain(f"{lead}{used}: a part of it has no known price", glyphs), "$text-warning")
    share = part / whole
    cells = min(BUDGET_BAR, round(share * BUDGET_BAR)) if part < whole else BUDGET_BAR
    bar = glyphs["bar"] * cells + glyphs["rest"] * (BUDGET_BAR - cells)
    style = "$text-error" if share >= 1 else "$text-warning" if share >= 0.8 else "$text-success"
    text = f"{lead}{bar} {share:.0%}  {used}"
    return Line(text, "", spans=((len(lead), len(lead) + len(bar), style),), end="")
