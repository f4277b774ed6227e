"""The tables of benchmarks.competence, from its lines of results."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.competence_lines import Line
from benchmarks.purposes import in_words, total_of

UNJUDGED = ("bare", "mini")
"""Contestants that nothing judges: an answer is an answer."""


def report(lines: Sequence[Line]) -> list[str]:
    """The tables, as lines of text. Totals count complete repetitions only: all tasks that are in `lines`."""
    first = lines[0]
    priorities = sorted({line["nice"] for line in lines})
    rows = [
        f"{first['model']}, sha256 {first['sha256']}, temperature {first['temperature']:g}, "
        f"context {first['context']:,} tokens",
        f"server at nice {', '.join(map(str, priorities))}"
        + ("; seconds compare only at the same" if len(priorities) > 1 else ""),
        *_revisions(lines),
        "",
    ]
    return [
        *rows,
        *_tasks(lines),
        "",
        *_totals(lines),
        "",
        *_statuses(lines),
        *_spent(lines),
        *_wrongly_accepted(lines),
        *_refused(lines),
        *_long(lines),
    ]


def _revisions(lines: Sequence[Line]) -> list[str]:
    """A contestant whose lines are of several revisions is none of them."""
    names: dict[str, list[str]] = {}
    for line in lines:
        if line["contestant"] != "bare":
            names.setdefault(line["contestant"], []).append(line.get("revision") or "unknown")
    return [f"{name}: revision {', '.join(dict.fromkeys(found))}" for name, found in names.items()]


def _tasks(lines: Sequence[Line]) -> list[str]:
    width = _width(lines)
    row = f"{{:<20}}{{:<{width}}}" + "{:>7}{:>24}{:>22}{:>13}{:>18}  {}"
    rows = [row.format("task", "contestant", "solved", "input", "output", "calls", "seconds", "status")]
    for name in sorted({(line["task"], line["name"]) for line in lines}):
        for contestant in _contestants(lines):
            some = [line for line in lines if line["name"] == name[1] and line["contestant"] == contestant]
            if not some:
                continue
            counts = Counter(line["status"] for line in some)
            rows.append(
                row.format(
                    f"{name[0]:>2} {name[1]}",
                    contestant,
                    f"{sum(line['solved'] for line in some)}/{len(some)}",
                    *(
                        spread([line[key] for line in some])
                        for key in ("input", "output", "calls", "seconds")
                    ),
                    ", ".join(f"{status} {count}" for status, count in counts.most_common()),
                )
            )
    return rows


def _totals(lines: Sequence[Line]) -> list[str]:
    tasks = {line["name"] for line in lines}
    sums: dict[str, list[dict[str, float]]] = {}
    left_out = 0
    for contestant in _contestants(lines):
        for repetition in _repetitions(line for line in lines if line["contestant"] == contestant):
            if {line["name"] for line in repetition} == tasks:
                sums.setdefault(contestant, []).append(_sum(repetition))
            else:
                left_out += 1
    columns = {
        "solved": 14,
        "verify ok": 14,
        "completed": 14,
        "of them wrong": 15,
        "tokens": 27,
        "x bare": 8,
        "of it output": 23,
        "cached": 23,
        "calls": 15,
        "iterations": 15,
        "seconds": 22,
    }
    row = f"{{:<{_width(lines)}}}{{:>5}}" + "".join(f"{{:>{width}}}" for width in columns.values())
    rows = [
        f"a repetition of {len(tasks)} tasks: median (min-max)",
        row.format("contestant", "reps", *columns),
    ]
    plain = statistics.median(one["tokens"] for one in sums["bare"]) if "bare" in sums else None
    for contestant, some in sums.items():
        shown = {key: spread([one[key] for one in some]) for key in some[0]}
        shown["x bare"] = f"{statistics.median(one['tokens'] for one in some) / plain:.1f}" if plain else "-"
        if contestant in UNJUDGED:
            shown |= dict.fromkeys(("completed", "of them wrong", "iterations"), "-")
        rows.append(row.format(contestant, len(some), *(shown[name] for name in columns)))
    if left_out:
        rows.append(f"left out: {left_out} repetitions without all of these tasks")
    return rows


def _sum(repetition: Sequence[Line]) -> dict[str, float]:
    """One contestant's repetition, by the names of the columns."""
    completed = [line for line in repetition if line["status"] == "completed"]

    def total(key: str) -> int | float:
        found: int | float = sum(line[key] for line in repetition)
        return found

    return {
        "solved": total("solved"),
        "verify ok": total("verified"),
        "completed": len(completed),
        "of them wrong": sum(not line["solved"] for line in completed),
        "tokens": total("input") + total("output"),
        "of it output": total("output"),
        "cached": total("cached"),
        "calls": total("calls"),
        "iterations": sum(line["detail"].get("iterations", 0) for line in repetition),
        "seconds": total("seconds"),
    }


def _statuses(lines: Sequence[Line]) -> list[str]:
    rows = []
    for contestant in _contestants(lines):
        some = [line for line in lines if line["contestant"] == contestant]
        counts = Counter(_status(line) for line in some)
        rows.append(
            f"{contestant}: " + ", ".join(f"{count} {status}" for status, count in counts.most_common())
        )
    return rows


def _spent(lines: Sequence[Line]) -> list[str]:
    """What agentbatch's tokens went for, over all repetitions."""
    rows = []
    for contestant in _judged(lines):
        some = [line["detail"] for line in lines if line["contestant"] == contestant]
        sums = total_of(detail.get("spent", {}) for detail in some)
        if sums:
            rows.append(f"{contestant}: tokens for {in_words(sums)}")
    return rows


def _wrongly_accepted(lines: Sequence[Line]) -> list[str]:
    """What agentbatch called completed, and of that what fails the hidden tests."""
    rows = []
    for contestant in _judged(lines):
        some = [line for line in lines if line["contestant"] == contestant]
        completed = [line for line in some if line["status"] == "completed"]
        wrong = [line for line in completed if not line["solved"]]
        rows.append(f"{contestant}: {len(wrong)} of {len(completed)} completed tasks fail the hidden tests")
        rows += [
            f"  {line['name']}, repetition {line['repetition']}, verify "
            f"{'passes' if line['verified'] else 'FAILS'}: {line['hidden']}"
            for line in wrong
        ]
    return rows


def _refused(lines: Sequence[Line]) -> list[str]:
    """What sent work back, and whether the work that a task ended with deserved it; of earlier work nobody knows."""
    rows = []
    for contestant in _judged(lines):
        why: dict[str, Counter[str]] = {}
        for line in (line for line in lines if line["contestant"] == contestant):
            evaluations = line["detail"].get("evaluations", [])
            for place, evaluation in enumerate(evaluations, 1):
                if not evaluation["accepted"]:
                    solved = "of right work" if line["solved"] else "of wrong work"
                    kind = solved if place == len(evaluations) else "of earlier work"
                    for cause in dict.fromkeys(evaluation["failed"] or [evaluation["by"]]):
                        why.setdefault(cause, Counter())[kind] += 1
        for cause, counts in sorted(why.items()):
            shown = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
            rows.append(f"{contestant}: refusals by {cause}: {shown}")
    return rows


def _long(lines: Sequence[Line]) -> list[str]:
    long = [line for line in lines if line["steps"] > line["step_limit"]]
    if not long:
        return []
    names = ", ".join(f"{line['name']} {line['steps']}" for line in long)
    return [f"more than {long[0]['step_limit']} steps, over all turns: {names}"]


def _width(lines: Sequence[Line]) -> int:
    """Of the column of contestants."""
    return max(map(len, ("contestant", *_contestants(lines)))) + 2


def _judged(lines: Iterable[Line]) -> list[str]:
    """The contestants that say themselves whether a task is completed."""
    return [name for name in _contestants(lines) if name not in UNJUDGED]


def spread(values: Sequence[float]) -> str:
    """The median, and the range where there is one."""
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:,.0f}" if low == high else f"{median:,.0f} ({low:,.0f}-{high:,.0f})"


def _status(line: Line) -> str:
    reason = str(line["reason"]).split(":")[0]
    return f"{line['status']} ({reason})" if reason else str(line["status"])


def _contestants(lines: Iterable[Line]) -> list[str]:
    return list(dict.fromkeys(line["contestant"] for line in lines))


def _repetitions(lines: Iterable[Line]) -> list[list[Line]]:
    groups: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        groups.setdefault((line["run"], line["repetition"]), []).append(line)
    return list(groups.values())
