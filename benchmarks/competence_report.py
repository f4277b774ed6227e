"""The tables of benchmarks.competence, from its lines of results."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError

Line = dict[str, Any]
"""One task, done by one contestant, once."""

COMPARABLE = ("sha256", "temperature", "context")
"""Keys that must be equal in all lines of one table."""


def read_lines(paths: Iterable[Path]) -> list[Line]:
    """The results in some files. Raises UserError when a file is invalid, or the results are not comparable."""
    lines: list[Line] = []
    for path in paths:
        try:
            lines += [
                json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text.strip()
            ]
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read as lines of JSON: {error}.") from None
    if not lines:
        raise UserError("There are no results in these files.")
    for name in COMPARABLE:
        values = {str(line.get(name)) for line in lines}
        if len(values) > 1:
            raise UserError(
                f"These results differ in {name} ({', '.join(sorted(values))}): report them separately."
            )
    for task, digests in _by(lines, "name", "digest").items():
        if len(digests) > 1:
            raise UserError(f"The task {task} was changed between these results: report them separately.")
    return lines


def report(lines: Sequence[Line]) -> list[str]:
    """The tables, as lines of text. Totals count complete repetitions only: all tasks that are in `lines`."""
    first = lines[0]
    priorities = sorted({line["nice"] for line in lines})
    rows = [
        f"{first['model']}, sha256 {first['sha256']}, temperature {first['temperature']:g}, "
        f"context {first['context']:,} tokens",
        f"server at nice {', '.join(map(str, priorities))}"
        + ("; seconds compare only at the same" if len(priorities) > 1 else ""),
        "",
    ]
    return [
        *rows,
        *_tasks(lines),
        "",
        *_totals(lines),
        "",
        *_statuses(lines),
        *_wrongly_accepted(lines),
        *_long(lines),
    ]


def _tasks(lines: Sequence[Line]) -> list[str]:
    row = "{:<20}{:<12}{:>7}{:>24}{:>22}{:>13}{:>18}  {}"
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
    sums: dict[str, list[Line]] = {}
    left_out = 0
    for contestant in _contestants(lines):
        for repetition in _repetitions(line for line in lines if line["contestant"] == contestant):
            if {line["name"] for line in repetition} != tasks:
                left_out += 1
                continue
            keys = ("solved", "verified", "input", "cached", "output", "calls", "seconds")
            total = {key: sum(line[key] for line in repetition) for key in keys}
            sums.setdefault(contestant, []).append({**total, "tokens": total["input"] + total["output"]})
    row = "{:<12}{:>5}{:>14}{:>14}{:>27}{:>27}{:>23}{:>27}{:>8}{:>15}{:>22}"
    head = ("solved", "verify ok", "input", "of it cached", "output", "tokens", "x bare", "calls", "seconds")
    rows = [
        f"a repetition of {len(tasks)} tasks: median (min-max)",
        row.format("contestant", "reps", *head),
    ]
    plain = statistics.median(one["tokens"] for one in sums["bare"]) if "bare" in sums else None
    for contestant, some in sums.items():
        ratio = f"{statistics.median(one['tokens'] for one in some) / plain:.1f}" if plain else "-"
        shown = {key: spread([one[key] for one in some]) for key in some[0]}
        counts = [shown[key] for key in ("solved", "verified", "input", "cached", "output", "tokens")]
        rows.append(row.format(contestant, len(some), *counts, ratio, shown["calls"], shown["seconds"]))
    if left_out:
        rows.append(f"left out: {left_out} repetitions without all of these tasks")
    return rows


def _statuses(lines: Sequence[Line]) -> list[str]:
    rows = []
    for contestant in _contestants(lines):
        some = [line for line in lines if line["contestant"] == contestant]
        counts = Counter(_status(line) for line in some)
        rows.append(
            f"{contestant}: " + ", ".join(f"{count} {status}" for status, count in counts.most_common())
        )
    return rows


def _wrongly_accepted(lines: Sequence[Line]) -> list[str]:
    """Tasks that agentbatch accepted but whose hidden tests fail."""
    completed = [
        line for line in lines if line["contestant"] == "agentbatch" and line["status"] == "completed"
    ]
    if not any(line["contestant"] == "agentbatch" for line in lines):
        return []
    wrong = [line for line in completed if not line["solved"]]
    rows = [f"agentbatch: {len(wrong)} of {len(completed)} completed tasks fail the hidden tests"]
    rows += [
        f"  {line['name']}, repetition {line['repetition']}, verify {'passes' if line['verified'] else 'FAILS'}: "
        f"{line['hidden']}"
        for line in wrong
    ]
    return rows


def _long(lines: Sequence[Line]) -> list[str]:
    long = [line for line in lines if line["steps"] > line["step_limit"]]
    if not long:
        return []
    names = ", ".join(f"{line['name']} {line['steps']}" for line in long)
    return [f"more than {long[0]['step_limit']} steps, over all turns: {names}"]


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


def _by(lines: Iterable[Line], key: str, value: str) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for line in lines:
        groups.setdefault(line[key], set()).add(line[value])
    return groups
