"""Which files a task's text names. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath
from posixpath import basename

from agentbatch.patterns import regex

MAX_TEXT = 200_000
"""Characters of a text that are looked at."""

_FILE = regex(r"[\w-][\w.-]{0,100}\.[A-Za-z]\w{0,9}\b")
_PATHS = (regex(r"[\w.@+/-]{1,400}", re.ASCII), regex(r"[\w.@+/-]{1,400}"))
"""The first: in languages without spaces between words."""


def named_files(text: str) -> frozenset[str]:
    """All that looks like the name of a file, without folders: rather one too many (`e.g`) than one too few."""
    return frozenset(PurePath(name).name for name in _FILE.findall(text[:MAX_TEXT]))


def named_paths(text: str, there: Iterable[str]) -> list[str]:
    """Those of the paths that a text names, in its order: as they stand or, where only one has that name, by the name
    of the file."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in there:
        by_name[basename(path)].append(path)
    found = [
        path
        for pattern in _PATHS
        for match in pattern.finditer(text[:MAX_TEXT])
        if (path := _meant(match[0].removeprefix("./").rstrip("."), by_name))
    ]
    return list(dict.fromkeys(found))


def _meant(word: str, by_name: dict[str, list[str]]) -> str:
    paths = by_name.get(basename(word), [])
    if word in paths:
        return word
    return paths[0] if len(paths) == 1 and "." in word and "/" not in word else ""
