"""The plain requests that failed, as lines: those that failed for the same reason stand together. Pure."""

from collections.abc import Sequence

from agentbatch.text import clip, fold, list_names

MAX_REASONS = 20
"""Reasons that are listed."""

NAMED = 3
"""Requests that are named at a reason; all of them, where that is one more."""


def failed_list(failed: Sequence[tuple[str, str]], columns: int, *, sign: str, more: str) -> list[str]:
    """`failed`: ids and reasons, in input order. `sign` begins each line, `more` says where the rest is. Empty when
    nothing failed."""
    by_reason: dict[str, list[str]] = {}
    for request_id, reason in failed:
        by_reason.setdefault(reason, []).append(request_id)
    if not by_reason:
        return []
    lines = ["Failed"]
    for reason, ids in list(by_reason.items())[:MAX_REASONS]:
        lines += fold(
            f"  {sign}{list_names(ids, NAMED + (len(ids) == NAMED + 1), 40)}: {clip(reason, 300)}", columns, 6
        )
    rest = sum(len(ids) for ids in list(by_reason.values())[MAX_REASONS:])
    return [*lines, f"  … and {rest:,} more: {more}"] if rest else lines
