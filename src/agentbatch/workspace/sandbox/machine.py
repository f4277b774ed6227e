"""What of this machine is nothing for a task: what only some of its users may read, and what of /proc changes it."""

import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

BLANK = Path(__file__).with_name("blank")
"""An empty file, to lay over files."""

PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
PROC_MASKED = ("acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list")
"""Names in /proc, as container engines have them (runc, `libcontainer/specconv/example.go`). bubblewrap covers some of
them, but not /proc/sys for root, of which it asks for a permission that /proc/sys gives to nobody."""

TREES = (("/etc", 4), ("/var/lib", 1), ("/var/log", 1), ("/var/spool", 2), ("/var/backups", 1), ("/var/mail", 1),
         ("/opt", 1), ("/srv", 1), ("/boot", 1))  # fmt: skip
"""Where passwords of a machine lie, and how many folders deep it is looked for them."""
MAX_LOOKED_AT = 20_000
MAX_MASKED = 48
"""Places: each mount costs every command. There are about a dozen."""


@lru_cache(maxsize=1)
def only_for_some() -> frozenset[Path]:
    """What we may read and the machine's other users may not, such as /etc/shadow for root; found out once."""
    found = (place for tree, depth in TREES for place in _unreadable_for_others(tree, depth))
    return frozenset(islice(found, MAX_MASKED))


def _unreadable_for_others(tree: str, depth: int) -> Iterator[Path]:
    folders = [(tree, depth)]
    for _ in range(MAX_LOOKED_AT):
        if not folders:
            return
        folder, left = folders.pop()
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            continue  # we may not read it either
        for entry in entries:
            if entry.is_symlink():
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            needed = stat.S_IROTH | (stat.S_IXOTH if is_folder else 0)
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:
                continue  # it has just gone
            if mode & needed != needed:
                if (is_folder or entry.is_file(follow_symlinks=False)) and os.access(entry.path, os.R_OK):
                    yield Path(entry.path)
            elif is_folder and left > 1:
                folders.append((entry.path, left - 1))


def proc_arguments() -> list[str]:
    """For bwrap, after its own `--proc /proc`. What this kernel does not have is left out."""
    read_only = [f"/proc/{name}" for name in PROC_READ_ONLY if os.path.lexists(f"/proc/{name}")]
    masked = [f"/proc/{name}" for name in PROC_MASKED if os.path.lexists(f"/proc/{name}")]
    return [
        *(word for place in read_only for word in ("--ro-bind", place, place)),
        *(
            word
            for place in masked
            for word in (("--tmpfs", place) if os.path.isdir(place) else ("--ro-bind", str(BLANK), place))
        ),
    ]
