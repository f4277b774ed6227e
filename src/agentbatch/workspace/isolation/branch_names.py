"""The branch of an isolated task: agentbatch/<run>/<task>, as git allows it."""

import hashlib
import re
from collections.abc import Callable
from itertools import count

PREFIX = "agentbatch"
MAX_PART = 200
"""Bytes of one part of a branch's name: a file is named after it, with `.lock` at its end while git writes it."""


def branch_name(run_id: str, task_id: str) -> str:
    """Different ids have different branches: one that had to be changed carries a hash of what it was."""
    return f"{PREFIX}/{_part(run_id)}/{_part(task_id)}"


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """`name`, or `name-2`, `name-3` … where an earlier attempt has left its work."""
    return next(
        candidate
        for number in count(1)
        if not taken(candidate := name if number == 1 else f"{name}-{number}")
    )


def _part(text: str) -> str:
    """git takes no `..`, no dot at either end, no `.lock` at the end, and few signs."""
    safe = re.sub(r"[^\w.\-]+|\.{2,}", "-", text)
    safe = re.sub(r"\.lock$", "-lock", safe.strip(".").lstrip("-"))
    encoded = safe.encode("utf-8", "replace")
    if safe == text and len(encoded) <= MAX_PART:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{encoded[: MAX_PART - 9].decode('utf-8', 'ignore')}-{digest}".lstrip("-")
