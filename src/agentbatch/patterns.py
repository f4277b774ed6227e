"""Patterns at the top of a module, compiled when they are first used: those of all modules took a tenth of a start."""

import re
from typing import Any, AnyStr, cast


class _Pattern:
    """Has what the compiled pattern has."""

    def __init__(self, text: Any, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        if name == "_given":  # while it is copied
            raise AttributeError(name)
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)  # the next time it is there
        return found


def regex(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, later; a mistake in the pattern is told at its first use."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))
