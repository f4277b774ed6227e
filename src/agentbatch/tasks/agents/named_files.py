"""Which files a task's text names. Pure."""

import re
from pathlib import PurePath

MAX_TEXT = 200_000
"""Characters of a text that are looked at."""

_FILE = re.compile(r"[\w-][\w.-]{0,100}\.[A-Za-z]\w{0,9}\b")


def named_files(text: str) -> frozenset[str]:
    """All that looks like the name of a file, without folders: rather one too many (`e.g`) than one too few."""
    return frozenset(PurePath(name).name for name in _FILE.findall(text[:MAX_TEXT]))
