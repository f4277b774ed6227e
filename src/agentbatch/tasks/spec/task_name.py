"""The id of a task that has none of its own: the same in every run, wherever the task stands in its file."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePath


class TaskNames:
    """Names tasks without an id of their own; equal ones are numbered, in their order."""

    def __init__(self, taken: Iterable[str]) -> None:
        """`taken`: ids that tasks have."""
        self._taken = set(taken)
        self._copies: dict[str, int] = {}

    def name(self, directory: str, prompt: str) -> str:
        """A new one."""
        plain = name = task_name(directory, prompt)
        copy = self._copies.get(plain, 1)
        while name in self._taken:
            copy += 1
            name = f"{plain}-{copy}"
        self._copies[plain] = copy
        self._taken.add(name)
        return name


def task_name(directory: str, prompt: str) -> str:
    """A slug of the directory (else of the prompt) and a hash of both."""
    digest = hashlib.sha256(f"{directory}\0{prompt}".encode(errors="surrogatepass")).hexdigest()[:8]
    source = PurePath(directory).name or prompt
    slug = re.sub(r"[^\w]+", "-", source.casefold()).strip("-_")[:32].rstrip("-_") or "task"
    return f"{slug}-{digest}"
